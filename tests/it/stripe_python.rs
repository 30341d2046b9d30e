//! Stripe's own Python package buys, refunds, disputes and verifies webhooks at the sandbox.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::process::{Server, ServerOptions};
use tests::scratch::ScratchDir;
use tests::tool_folders;

/// The Python that has the package.
fn python() -> Option<PathBuf> {
    let pythons = tool_folders().into_iter().map(|folder| folder.join("python3"));
    let found = pythons.filter(|file| file.is_file()).find(|file| {
        let tried = Command::new(file).args(["-c", "import stripe"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    });
    if found.is_none() {
        tests::missing(
            "python3 with Stripe's package not found (`just setup` installs it): the sandbox was not tried \
             with Stripe's own client",
        );
    }
    found
}

#[test]
fn stripes_python_client_works_with_the_sandbox_and_verifies_its_webhooks() {
    let Some(python) = python() else { return };
    let folder = ScratchDir::new("stripe-python");
    let options = ServerOptions::serve(env!("CARGO_BIN_EXE_scrip-under-test"), folder.path());
    let server = Server::start(&options.env("SCRIP_LOG", "warn"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("stripe_client.py");
    let done = Command::new(python)
        .arg("-B")
        .arg(&script)
        .env("SCRIP_TEST_SANDBOX", format!("{}/sandbox", server.url()))
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .output()
        .expect("python starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}\n{}", server.output());
    // A run that tested nothing also ends well.
    let source = std::fs::read_to_string(&script).expect("the script is there");
    let written = source.lines().filter(|line| line.trim_start().starts_with("def test_")).count();
    assert!(said.contains(&format!("Ran {written} tests")) && !said.contains("skipped"), "{said}");
}
