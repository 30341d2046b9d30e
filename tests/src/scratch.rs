use std::path::{Path, PathBuf};

/// A folder of one test's own; it goes away with the value.
#[derive(Debug)]
pub struct ScratchDir(PathBuf);

impl ScratchDir {
    /// `name` says whose it is, for somebody who finds it after a crash.
    pub fn new(name: &str) -> ScratchDir {
        ScratchDir::inside(&std::env::temp_dir(), name)
    }

    /// The same, elsewhere.
    pub fn inside(parent: &Path, name: &str) -> ScratchDir {
        let path = parent.join(format!("scrip-{name}-{}", kernel::new_uuid().simple()));
        std::fs::create_dir(&path).expect("the folder takes new folders");
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
