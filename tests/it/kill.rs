use tests::bank::{self, FlawKind, Plan, Victim};
use tests::cluster::{Cluster, postgres};
use tests::process::ServerOptions;
use tests::random::SplitMix64;
use tests::scratch::ScratchDir;
use tests::{is_ci, say};

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
const FAULT_VARIABLE: &str = "SCRIP_TEST_FAULT";
const KILLS: usize = 20;
const KILLS_IN_CI: usize = 40;
/// Each takes seconds until PostgreSQL has recovered and is found again.
const DATABASE_KILLS: usize = 4;
const DATABASE_KILLS_IN_CI: usize = 10;
/// A canary is done as soon as its fault was noticed.
const CANARY_RUNS: usize = 5;
const CANARY_KILLS: usize = 3;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_charged_twice_on_sqlite() {
    let folder = ScratchDir::new("kill-sqlite");
    check("sqlite", Victim::Server, ServerOptions::serve(EXECUTABLE, folder.path()));
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_charged_twice_on_postgres() {
    let Some(cluster) = postgres() else { return };
    let folder = ScratchDir::new("kill-postgres");
    check("postgres", Victim::Server, on_postgres(&folder, cluster));
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_charged_twice_when_postgres_itself_is_killed() {
    let Some(cluster) = Cluster::start() else { return };
    let folder = ScratchDir::new("kill-cluster");
    check("postgres itself", Victim::Database(&cluster), on_postgres(&folder, &cluster));
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

fn check(engine: &str, victim: Victim<'_>, options: ServerOptions) {
    let kills = match (victim, is_ci()) {
        (Victim::Server, false) => KILLS,
        (Victim::Server, true) => KILLS_IN_CI,
        (Victim::Database(_), false) => DATABASE_KILLS,
        (Victim::Database(_), true) => DATABASE_KILLS_IN_CI,
    };
    let random = SplitMix64::announced(&format!("kills on {engine}"));
    let report = match bank::run(Plan { options, victim, random, kills, repeats: true }) {
        Ok(report) => report,
        Err(flaws) => panic!("{} flaws, the first of them:\n{}", flaws.len(), first_of(&flaws)),
    };
    say(&format!("{engine}: {report}"));
    assert!(report.acknowledged >= 5 * kills, "{report}");
    assert!(report.repeats >= report.acknowledged as u64 / 2, "{report}");
    assert_eq!(report.entries, report.acknowledged);
    if matches!(victim, Victim::Server) {
        // A run in which no request was cut off, or none of those had happened, would have shown nothing.
        assert!(report.cut_off >= kills && report.had_happened > 0, "{report}");
    }
}

/// Only kills cause retries here, so it is they that bring the fault to light.
fn assert_noticed(fault: &str, expected: FlawKind) {
    let mut random = SplitMix64::announced(&format!("kills of a server that {fault}"));
    for _ in 0..CANARY_RUNS {
        let folder = ScratchDir::new("canary");
        let options = ServerOptions::serve(EXECUTABLE, folder.path()).env(FAULT_VARIABLE, fault);
        let random = random.fork();
        let plan = Plan { options, victim: Victim::Server, random, kills: CANARY_KILLS, repeats: false };
        if bank::run(plan).is_err_and(|flaws| flaws.iter().any(|flaw| flaw.kind == expected)) {
            return;
        }
    }
    panic!("{CANARY_RUNS} runs of {CANARY_KILLS} kills did not notice a server that {fault}");
}

fn on_postgres(folder: &ScratchDir, cluster: &Cluster) -> ServerOptions {
    let options = ServerOptions::serve(EXECUTABLE, folder.path());
    options.env("SCRIP_DATABASE_URL", cluster.fresh_database())
}

fn first_of(flaws: &[bank::Flaw]) -> String {
    flaws.iter().take(20).map(|flaw| format!("{flaw}\n")).collect()
}
