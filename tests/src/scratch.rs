use std::path::{Path, PathBuf};

/// A folder of one test's own; it goes away with the value.
#[derive(Debug)]
pub struct ScratchDir(PathBuf);

impl ScratchDir {
    /// `name` says whose it is, for somebody who finds it after a crash.
    pub fn new(name: &str) -> ScratchDir {
        let path = std::env::temp_dir().join(format!("scrip-{name}-{}", kernel::new_uuid().simple()));
        std::fs::create_dir(&path).expect("the temporary folder takes new folders");
        ScratchDir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
