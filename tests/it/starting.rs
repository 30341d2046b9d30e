//! A start that has to wait says for what.

use tests::free_port;
use tests::process::{Server, ServerOptions};
use tests::scratch::ScratchDir;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");

#[test]
fn a_database_that_is_not_there_is_named_without_its_password() {
    let folder = ScratchDir::new("starting");
    let nobody = format!("127.0.0.1:{}/scrip", free_port());
    let url = format!("postgres://scrip:s3cret@{nobody}");
    let options = ServerOptions::serve(EXECUTABLE, folder.path()).env("SCRIP_DATABASE_URL", &url);
    let mut server = Server::spawn(&options);
    let waiting = format!("scrip: waiting up to 20 s for the database postgres://{nobody}");
    server.wait_until_printed(&waiting);
    assert!(!server.wait_until_ended().success());
    let said = server.output();
    assert!(said.contains(&format!("scrip: database postgres://{nobody}: ")), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}
