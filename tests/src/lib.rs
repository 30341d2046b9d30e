//! What the stories under `it/` stand on: a throwaway PostgreSQL, a server process, shared data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "only tests use this crate")]

pub mod bank;
pub mod breaking;
pub mod browser;
pub mod cards;
pub mod cluster;
pub mod data;
pub mod databases;
mod guard;
pub mod linear;
pub mod patience;
pub mod places;
pub mod post_office;
pub mod process;
pub mod random;
pub mod routes;
pub mod scratch;
pub mod shop;
pub mod stripe_events;
pub mod test_app;
pub mod till;
pub mod torture;
pub mod wire;

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// A port of 127.0.0.1 that nothing listened on a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the machine has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Whether a missing tool is a failure instead of a line of text.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// One line that is seen even when the test passes: the test harness captures only the print macros.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Says that something is missing, or fails where nothing may be missing.
pub fn missing(line: &str) {
    assert!(!is_ci(), "{line}, and CI=true allows no gaps");
    say(line);
}

/// Where the tests' Python programs may lie: on the path, or where `just setup` puts them.
pub fn tool_folders() -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&on_path).chain([workspace.join("target/ci-venv/bin")]).collect()
}
