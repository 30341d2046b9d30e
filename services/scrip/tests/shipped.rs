//! What is shipped has no fail points. That this package has an integration test also makes cargo build
//! the executable.

const FAULT_VARIABLE: &[u8] = b"SCRIP_TEST_FAULT";

#[test]
fn the_shipped_executable_asks_for_no_fault() {
    let source = include_str!("../src/main.rs");
    assert!(source.contains("scrip::run(scrip::Faults::default())"), "{source}");
    assert!(!source.contains("env"), "only the tests' own executable may choose faults: {source}");
}

/// tests/it/kill.rs looks for the same name in the tests' own executable, and finds it there.
#[test]
fn the_shipped_executable_does_not_know_the_variable_that_breaks_it() {
    let executable = std::fs::read(env!("CARGO_BIN_EXE_scrip")).unwrap();
    assert!(executable.len() > 1_000_000, "this cannot be the whole executable");
    assert!(!executable.windows(FAULT_VARIABLE.len()).any(|bytes| bytes == FAULT_VARIABLE));
}
