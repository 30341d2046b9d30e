use tests::bank::{self, FlawKind, Plan, Report};
use tests::cluster::postgres;
use tests::process::ServerOptions;
use tests::random::SplitMix64;
use tests::scratch::ScratchDir;
use tests::{is_ci, say};

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
const FAULT_VARIABLE: &str = "SCRIP_TEST_FAULT";
const KILLS: usize = 20;
const KILLS_IN_CI: usize = 40;
/// A canary is done as soon as its fault was noticed.
const CANARY_RUNS: usize = 5;
const CANARY_KILLS: usize = 3;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_charged_twice_on_sqlite() {
    let folder = ScratchDir::new("kill-sqlite");
    check("sqlite", ServerOptions::serve(EXECUTABLE, folder.path()));
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_charged_twice_on_postgres() {
    let Some(cluster) = postgres() else { return };
    let folder = ScratchDir::new("kill-postgres");
    check("postgres", on_postgres(ServerOptions::serve(EXECUTABLE, folder.path()), cluster.fresh_database()));
}

/// Without looking at keys, the retry of a write that had happened charges again.
#[test]
fn a_server_that_ignores_keys_is_noticed() {
    assert_noticed("ignores_keys", FlawKind::ChargedTwice);
}

/// Answers before the commit promise what a kill takes away.
#[test]
fn a_server_that_answers_early_is_noticed() {
    assert_noticed("answers_early", FlawKind::Lost);
}

/// The shipped executable must not contain this name: services/scrip/tests/shipped.rs.
#[test]
fn the_tests_own_executable_knows_the_variable_that_the_shipped_one_must_not() {
    let name = FAULT_VARIABLE.as_bytes();
    let executable = std::fs::read(EXECUTABLE).unwrap();
    assert!(executable.windows(name.len()).any(|bytes| bytes == name));
}

fn check(engine: &str, options: ServerOptions) {
    let kills = if is_ci() { KILLS_IN_CI } else { KILLS };
    let random = SplitMix64::announced(&format!("kills on {engine}"));
    let report = match bank::run(Plan { options, random, kills, repeats: true }) {
        Ok(report) => report,
        Err(flaws) => panic!("{} flaws, the first of them:\n{}", flaws.len(), first_of(&flaws)),
    };
    say(&format!("{engine}: {report}"));
    assert_it_was_a_test(&report, kills);
}

/// A run in which no request was cut off, or none was retried, would have shown nothing.
fn assert_it_was_a_test(report: &Report, kills: usize) {
    assert!(report.unanswered >= kills as u64, "{report}");
    assert!(report.acknowledged >= 10 * kills, "{report}");
    assert!(report.repeats >= report.acknowledged as u64 / 2, "{report}");
    assert_eq!(report.entries, report.acknowledged);
}

/// Only kills cause retries here, so it is they that bring the fault to light.
fn assert_noticed(fault: &str, expected: FlawKind) {
    let mut random = SplitMix64::announced(&format!("kills of a server that {fault}"));
    for _ in 0..CANARY_RUNS {
        let folder = ScratchDir::new("canary");
        let options = ServerOptions::serve(EXECUTABLE, folder.path()).env(FAULT_VARIABLE, fault);
        let plan = Plan { options, random: random.fork(), kills: CANARY_KILLS, repeats: false };
        if bank::run(plan).is_err_and(|flaws| flaws.iter().any(|flaw| flaw.kind == expected)) {
            return;
        }
    }
    panic!("{CANARY_RUNS} runs of {CANARY_KILLS} kills did not notice a server that {fault}");
}

fn on_postgres(mut options: ServerOptions, url: String) -> ServerOptions {
    options.arguments.push("--demo".to_owned());
    options.env("SCRIP_DATABASE_URL", url)
}

fn first_of(flaws: &[bank::Flaw]) -> String {
    flaws.iter().take(20).map(|flaw| format!("{flaw}\n")).collect()
}
