//! `just torture`: breaks a bank for as long as it may and writes down what happened.
#![allow(clippy::expect_used, reason = "a tool of the tests")]

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;
use tests::torture::{Torture, run};

/// Goes on where the last run of the same commit ended.
#[derive(Parser)]
struct Options {
    /// Begins no new round after so many minutes.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounds at once, each with servers and databases of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    at_once: u8,
    /// One line for each round that was done; beside the executable when absent.
    #[arg(long)]
    state: Option<PathBuf>,
    #[arg(long, default_value = "web/docs/reliability.md")]
    report: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let own = std::env::current_exe().expect("an executable has a path");
    let torture = Torture {
        server: own.with_file_name("scrip-under-test"),
        state: options.state.unwrap_or_else(|| own.with_file_name("torture.jsonl")),
        report: options.report,
        commit: commit(),
        seed: options.seed,
        time: Duration::from_secs(options.minutes * 60),
        rounds_at_once: options.at_once.into(),
    };
    if run(&torture) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Of the folder's checkout; a changed one says so.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().expect("git can be started");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let is_changed = !git(&["status", "--porcelain", "--untracked-files=no", "--", ":!web/docs"]).is_empty();
    git(&["rev-parse", "--short=12", "HEAD"]) + if is_changed { "-changed" } else { "" }
}
