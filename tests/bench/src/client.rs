//! A lean HTTP/1.1 client: requests are bytes made once, of which only digits change; of an answer it
//! reads the status and the length. So the generator takes as little as possible of the cores that it
//! shares with the server.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What stands for a customer in a [`Template`]: a letter and seven digits.
pub const CUSTOMER: &str = "w0000000";
/// What stands for a hold: the length of a real id.
pub const HOLD: &str = "hld_000000000000000000000000000000000000000";
const KEY: &str = "0000000000000000";
const READ_AT_ONCE: usize = 64 * 1024;
const MAX_HEAD: usize = 16 * 1024;

/// A request with changeable digits.
#[derive(Clone)]
pub struct Template {
    bytes: Vec<u8>,
    customers: Vec<usize>,
    key: usize,
    hold: Option<usize>,
}

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub struct Reply<'a> {
    pub status: u16,
    head: &'a [u8],
    pub body: &'a [u8],
}

impl Template {
    /// `tag` makes the idempotency keys of this template different from those of all others.
    pub fn new(path: &str, api_key: &str, tag: &str, body: &str) -> Template {
        let text = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {api_key}\r\n\
             content-type: application/json\r\nidempotency-key: {tag}-{KEY}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let key = text.find(&format!("{tag}-{KEY}")).expect("it is in there") + tag.len() + 1;
        let customers = text.match_indices(CUSTOMER).map(|(at, _)| at + 1).collect();
        Template { customers, key, hold: text.find(HOLD), bytes: text.into_bytes() }
    }

    /// Customers by index, in the order in which they stand in the body.
    pub fn set_customers(&mut self, mut draw: impl FnMut() -> usize) {
        for at in &self.customers {
            let digits = &mut self.bytes[*at..*at + CUSTOMER.len() - 1];
            put_digits(digits, draw());
        }
    }

    pub fn set_key(&mut self, number: usize) {
        put_digits(&mut self.bytes[self.key..self.key + KEY.len()], number);
    }

    pub fn set_hold(&mut self, id: &[u8]) {
        if let Some(at) = self.hold {
            self.bytes[at..at + HOLD.len()].copy_from_slice(id);
        }
    }
}

impl Connection {
    pub async fn open(port: u16) -> io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(READ_AT_ONCE) })
    }

    pub async fn call(&mut self, request: &Template) -> io::Result<Reply<'_>> {
        self.stream.write_all(&request.bytes).await?;
        self.buffer.clear();
        let (head, length) = loop {
            self.read_more().await?;
            match head_end(&self.buffer) {
                Some(end) => break (end, content_length(&self.buffer[..end])?),
                None if self.buffer.len() > MAX_HEAD => return Err(malformed("a head without an end")),
                None => {}
            }
        };
        while self.buffer.len() < head + length {
            self.read_more().await?;
        }
        let status = self.buffer.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
        let status = status.ok_or_else(|| malformed("no status"))?;
        Ok(Reply { status, head: &self.buffer[..head], body: &self.buffer[head..head + length] })
    }

    async fn read_more(&mut self) -> io::Result<()> {
        self.buffer.reserve(READ_AT_ONCE);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(malformed("the connection ends in an answer")),
            _ => Ok(()),
        }
    }
}

impl Reply<'_> {
    /// Fails with what the server said unless it was a success.
    pub fn expect_success(&self) {
        let said = || String::from_utf8_lossy(self.body);
        assert!((200..300).contains(&self.status), "the server answers {}: {}", self.status, said());
    }

    /// Whether the head has this line; names in small letters.
    pub fn has(&self, header: &str) -> bool {
        self.head.windows(header.len()).any(|part| part == header.as_bytes())
    }

    /// The first hold's id in the body.
    pub fn hold(&self) -> &[u8] {
        let at = self.body.windows(4).position(|four| four == b"hld_").expect("a hold's answer has its id");
        &self.body[at..at + HOLD.len()]
    }
}

fn put_digits(digits: &mut [u8], number: usize) {
    let mut left = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(left % 10).expect("a digit");
        left /= 10;
    }
    assert_eq!(left, 0, "{number} has too many digits");
}

fn head_end(buffer: &[u8]) -> Option<usize> {
    buffer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Our two servers write header names in small letters and always a length.
fn content_length(head: &[u8]) -> io::Result<usize> {
    const NAME: &[u8] = b"\r\ncontent-length: ";
    let at = head.windows(NAME.len()).position(|part| part == NAME).map(|at| at + NAME.len());
    let digits = head[at.ok_or_else(|| malformed("an answer without a length"))?..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    Ok(digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_of_a_request_change() {
        let body = format!("[\"{CUSTOMER}\", \"{CUSTOMER}\"]");
        let mut template = Template::new(&format!("/v1/holds/{HOLD}/capture"), "sk", "t1", &body);
        let before = template.bytes.len();
        let mut next = 40;
        template.set_customers(|| {
            next += 2;
            next
        });
        template.set_key(987);
        template.set_hold(HOLD.replace('0', "z").as_bytes());
        let text = String::from_utf8(template.bytes).unwrap();
        assert_eq!(text.len(), before);
        assert!(text.ends_with("\r\n\r\n[\"w0000042\", \"w0000044\"]"), "{text}");
        assert!(text.contains("idempotency-key: t1-0000000000000987\r\n"), "{text}");
        assert!(text.starts_with("POST /v1/holds/hld_zzz"), "{text}");
    }

    #[test]
    fn the_length_of_an_answer_is_read_from_its_head() {
        let head = b"HTTP/1.1 201 Created\r\nx: 1\r\ncontent-length: 1207\r\n\r\n";
        assert_eq!(head_end(head), Some(head.len()));
        assert_eq!(content_length(head).unwrap(), 1_207);
        assert!(content_length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
