use std::path::{Path, PathBuf};

/// A folder or file of the shared test data: below `SCRIP_TEST_DATA`, or in `shared/data` beside the
/// checkout. `None`, and a line that says so, when this machine has none.
pub fn shared_data(place: &str) -> Option<PathBuf> {
    let found = roots().into_iter().map(|root| root.join(place)).find(|path| path.exists());
    if found.is_none() {
        crate::say(&format!("shared data {place} not found (SCRIP_TEST_DATA): a test of it did not run"));
    }
    found
}

fn roots() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    std::env::var_os("SCRIP_TEST_DATA").map(PathBuf::from).into_iter().chain([beside]).collect()
}
