//! An independent reader of /openapi.json looks for answers that break it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::process::{Server, ServerOptions};
use tests::scratch::ScratchDir;
use tests::tool_folders;

fn schemathesis() -> Option<PathBuf> {
    let found =
        tool_folders().into_iter().map(|folder| folder.join("schemathesis")).find(|file| file.is_file());
    if found.is_none() {
        tests::missing("schemathesis not found (`just setup` installs it): the API was not fuzzed");
    }
    found
}

#[test]
fn no_answer_is_a_server_error_or_breaks_the_openapi_document() {
    let Some(schemathesis) = schemathesis() else { return };
    let folder = ScratchDir::new("schemathesis");
    let options = ServerOptions::serve(env!("CARGO_BIN_EXE_scrip-under-test"), folder.path());
    let server = Server::start(&options.env("SCRIP_LOG", "warn"));
    let key = server.api_key().expect("the banner shows the test key");
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis.toml");
    let done = Command::new(schemathesis)
        .current_dir(folder.path())
        .arg("--config-file")
        .arg(settings)
        .args(["run", &format!("{}/openapi.json", server.url()), "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--header", &format!("Authorization: Bearer {key}")])
        .output()
        .expect("schemathesis starts");
    let said = String::from_utf8_lossy(&done.stdout);
    let lines: Vec<String> = said.lines().map(|line| line.chars().take(400).collect()).collect();
    assert!(done.status.success(), "{}\n{}", lines.join("\n"), String::from_utf8_lossy(&done.stderr));
    // A run that tested nothing also ends well.
    let tested = lines.iter().find_map(|line| line.trim().strip_prefix("Tested: ")).unwrap_or("0");
    assert_eq!(tested, operations().to_string(), "{}", lines.join("\n"));
}

fn operations() -> usize {
    let document = api::openapi();
    let paths = document["paths"].as_object().expect("a document has paths");
    paths.values().map(|item| item.as_object().map_or(0, |o| o.keys().filter(|k| is_method(k)).count())).sum()
}

fn is_method(member: &str) -> bool {
    matches!(member, "get" | "post" | "put" | "patch" | "delete")
}
