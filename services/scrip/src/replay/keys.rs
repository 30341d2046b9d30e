/// The idempotency keys of one trace. They hang on the file's bytes and the row alone, so that the
/// same file under another name, or sent again after a crash, changes nothing.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    hash: String,
}

impl Keys {
    /// `hash` is the SHA-256 of the file in hexadecimal.
    pub fn new(hash: &str) -> Keys {
        Keys { hash: hash.to_owned() }
    }

    pub fn hash(&self) -> &str {
        &self.hash
    }

    pub fn external_id(&self) -> String {
        format!("replay-{}", self.start(12))
    }

    pub fn label(&self) -> String {
        format!("Replay of trace {}", self.start(12))
    }

    pub fn customer(&self) -> String {
        format!("{}:customer", self.start(16))
    }

    pub fn first_grant(&self) -> String {
        format!("{}:grant", self.start(16))
    }

    /// The `number`th grant that `row` needed, from 1.
    pub fn grant(&self, row: u64, number: u32) -> String {
        format!("{}:{row}:grant:{number}", self.start(16))
    }

    /// The `number`th quote of `row`, from 1: a row that was interrupted for longer than its quote
    /// lives needs another one.
    pub fn quote(&self, row: u64, number: u32) -> String {
        match number {
            1 => format!("{}:{row}:quote", self.start(16)),
            _ => format!("{}:{row}:quote:{number}", self.start(16)),
        }
    }

    pub fn hold(&self, row: u64) -> String {
        format!("{}:{row}:hold", self.start(16))
    }

    pub fn capture(&self, row: u64) -> String {
        format!("{}:{row}:capture", self.start(16))
    }

    fn start(&self, digits: usize) -> &str {
        self.hash.get(..digits).unwrap_or(&self.hash)
    }
}
