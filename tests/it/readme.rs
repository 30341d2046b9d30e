//! The README's tour, pasted into bash: its blocks run against a fresh server, and what it shows under
//! each block must stand in the output.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kernel::Credits;
use serde_json::Value;
use tests::missing;
use tests::process::{Server, ServerOptions};
use tests::scratch::ScratchDir;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
/// What the README says and the test replaces by its own.
const ADDRESS: &str = "http://127.0.0.1:8080";
const SHIPPED: &str = "target/release/scrip";
/// Between the outputs of two blocks.
const BORDER: &str = "--- next block of the tour ---";

/// A block to paste, and the parts of its answers that the README shows under it.
#[derive(Debug, Default)]
struct Block {
    commands: String,
    shown: Vec<String>,
}

/// What one tour printed, a text per block.
struct Tour {
    outputs: Vec<String>,
}

#[test]
fn the_tour_does_what_the_readme_says() {
    let Some(bash) = bash() else { return };
    let folder = ScratchDir::new("readme");
    let server = Server::start(&ServerOptions::serve(EXECUTABLE, folder.path()).as_shipped());
    let blocks = blocks(&readme());
    assert!(blocks.len() > 10, "the README's tour was not found: {blocks:?}");

    let tour = take(&bash, &blocks, &server, folder.path());
    for (block, output) in blocks.iter().zip(&tour.outputs) {
        for part in &block.shown {
            assert!(
                output.contains(part),
                "{part:?} is not in the output:\n{output}\nof\n{}",
                block.commands
            );
        }
    }
    let banner = server.output();
    let key = server.api_key().expect("the banner has a key");
    let kept = std::fs::read_to_string(folder.path().join("scrip-data/demo-key")).unwrap();
    assert_eq!(kept.trim(), key);
    assert!(banner.contains(&format!("{}/docs", server.url())), "{banner}");

    assert_eq!(
        tour.statuses(),
        [201, 201, 200, 200, 422, 201, 204, 204, 402, 201, 201, 200, 200, 200, 200, 200],
        "of every call in its order"
    );
    assert_eq!(tour.receipts_of("capture"), [credits("9.11"); 3], "captured, repeated, read");
    assert_eq!(tour.receipts_of("debit"), [credits("18")]);
    let replays = tour.outputs.iter().flat_map(|text| text.lines());
    let replays: Vec<&str> = replays.filter(|line| line.starts_with("idempotent-replayed:")).collect();
    assert_eq!(replays, ["idempotent-replayed: true"], "one repeat, and nothing else was one");
    assert_journal(&tour, "37.11", "962.89");
}

/// New keys every time, as the README says; the figures add up as well.
#[test]
fn the_tour_can_be_taken_again() {
    let Some(bash) = bash() else { return };
    let folder = ScratchDir::new("readme-again");
    let server = Server::start(&ServerOptions::serve(EXECUTABLE, folder.path()).as_shipped());
    let blocks = blocks(&readme());
    let first = take(&bash, &blocks, &server, folder.path());
    // The keys of the tour change with the second.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let second = take(&bash, &blocks, &server, folder.path());
    assert_eq!(first.statuses(), second.statuses());
    assert_journal(&second, "74.22", "925.78");
    for repeated in ["answers   0 new", "journal = trace", "verify: ok"] {
        assert!(second.outputs.iter().any(|output| output.contains(repeated)), "{repeated}");
    }
}

#[test]
fn the_readme_names_the_two_commands_and_ci_runs_the_second() {
    let lines = readme();
    let commands: Vec<&str> = lines.lines().filter_map(|line| line.strip_prefix("    cargo ")).collect();
    assert_eq!(commands, ["run --release", "test --workspace"]);
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    let tests: Vec<&str> = ci.lines().filter_map(|line| Some(&line[line.find("cargo test")?..])).collect();
    assert_eq!(tests, ["cargo test --workspace"]);
}

#[test]
fn the_readme_lists_the_commands_that_there_are() {
    let readme = readme();
    let named = readme.lines().filter_map(|line| line.strip_prefix("| `scrip ")?.split(['`', ' ']).next());
    let mut named: Vec<&str> = named.collect();
    // The first row: `scrip` or `scrip serve`; the keys have a row each.
    named.push("serve");
    named.sort_unstable();
    named.dedup();
    let help = Command::new(EXECUTABLE).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, list) = help.split_once("Commands:\n").expect("help lists commands");
    let mut there: Vec<&str> = list
        .lines()
        .take_while(|line| !line.is_empty())
        // What is wrapped is indented further than a name.
        .filter_map(|line| line.strip_prefix("  ").filter(|name| !name.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    there.sort_unstable();
    assert_eq!(named, there);
}

#[test]
fn every_place_that_a_readme_links_to_is_there() {
    for (folder, text) in [(root(), readme()), (root().join("crates"), crates_readme())] {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let is_elsewhere = link.starts_with("http");
            assert!(is_elsewhere || folder.join(link).exists(), "{link}");
        }
    }
}

/// Money is counted in the journal: whatever the calls answered, this is what happened.
fn assert_journal(tour: &Tour, spent: &str, available: &str) {
    let statement = tour.documents().into_iter().find(|d| d["data"].is_array()).expect("the statement");
    assert_eq!(statement["has_more"], false, "the page holds all of it");
    let mut accounts: BTreeMap<String, i64> = BTreeMap::new();
    for line in statement["data"].as_array().unwrap() {
        let micros = credits_of(&line["amount"]).micros();
        *accounts.entry(line["from"].as_str().unwrap().to_owned()).or_default() -= micros;
        *accounts.entry(line["to"].as_str().unwrap().to_owned()).or_default() += micros;
    }
    assert_eq!(accounts["spent"], credits(spent).micros());
    assert_eq!(accounts["available"], credits(available).micros());
    assert_eq!(accounts["held"], 0);
    let wallet = tour.documents().into_iter().find(is_wallet);
    assert_eq!(credits_of(&wallet.expect("the wallet")["available"]), credits(available));
}

fn is_wallet(document: &Value) -> bool {
    document["id"].as_str().is_some_and(|id| id.starts_with("wal_"))
}

impl Tour {
    /// The JSON answers, in order.
    fn documents(&self) -> Vec<Value> {
        let lines = self.outputs.iter().flat_map(|output| output.lines());
        lines.filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `call` writes the status on a line of its own.
    fn statuses(&self) -> Vec<u16> {
        let lines = self.outputs.iter().flat_map(|output| output.lines());
        lines.filter(|line| line.len() == 3).filter_map(|line| line.parse().ok()).collect()
    }

    fn receipts_of(&self, kind: &str) -> Vec<Credits> {
        let documents = self.documents();
        documents.iter().filter(|d| d["kind"] == kind).map(|d| credits_of(&d["credits"])).collect()
    }
}

fn take(bash: &Path, blocks: &[Block], server: &Server, folder: &Path) -> Tour {
    let commands: Vec<&str> = blocks.iter().map(|block| block.commands.as_str()).collect();
    let script = commands.join(&format!("\necho; echo '{BORDER}'\n"));
    let script = script.replace(ADDRESS, &server.url()).replace(SHIPPED, EXECUTABLE);
    let mut command = Command::new(bash);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("SCRIP_")) {
            command.env_remove(name);
        }
    }
    let output = command
        .args(["-euo", "pipefail", "-c", &script])
        .env("no_proxy", "127.0.0.1")
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("bash can be started");
    let printed = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the tour ended with {}:\n{printed}\n{complaints}", output.status);
    let outputs: Vec<String> = printed.split(BORDER).map(|text| text.replace('\r', "")).collect();
    assert_eq!(outputs.len(), blocks.len());
    Tour { outputs }
}

/// The fenced blocks: what is marked `bash` is pasted, what is not marked is shown under it.
fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut fence: Option<&str> = None;
    for line in markdown.lines() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(language)) => {
                fence = Some(language);
                if language == "bash" {
                    blocks.push(Block::default());
                }
            }
            (Some(_), Some(_)) => fence = None,
            (Some("bash"), None) => {
                let block = blocks.last_mut().unwrap();
                block.commands.push_str(line);
                block.commands.push('\n');
            }
            (Some(""), None) => blocks.last_mut().unwrap().shown.push(line.to_owned()),
            (Some(other), None) => panic!("a block of {other:?} is neither pasted nor shown"),
            (None, None) => {}
        }
    }
    blocks
}

/// Bash with curl beside it, or a line that says that there is none.
fn bash() -> Option<PathBuf> {
    for tool in ["bash", "curl"] {
        let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            missing(&format!("{tool} not found: the README's tour did not run"));
            return None;
        }
    }
    Some(PathBuf::from("bash"))
}

fn credits(text: &str) -> Credits {
    text.parse().unwrap()
}

fn credits_of(value: &Value) -> Credits {
    credits(value.as_str().unwrap())
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

fn crates_readme() -> String {
    std::fs::read_to_string(root().join("crates/README.md")).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn a_pasted_block_knows_what_is_shown_under_it() {
    let found = blocks("text\n```bash\na\nb\n```\nmore\n```\nout\n```\n```bash\nc\n```\n");
    let found: Vec<(&str, Vec<&str>)> =
        found.iter().map(|b| (b.commands.as_str(), b.shown.iter().map(String::as_str).collect())).collect();
    assert_eq!(found, [("a\nb\n", vec!["out"]), ("c\n", vec![])]);
}
