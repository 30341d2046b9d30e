//! What is broken under a working bank: the server, at any moment and at named places of its writing
//! path. Each check has canaries: a server that is wrong on purpose must be noticed.

use tests::bank::{self, Fault, FlawKind, Kills, NoFault, Places, Plan, Report};
use tests::cluster::{Cluster, postgres};
use tests::places::PLACES;
use tests::process::ServerOptions;
use tests::random::SplitMix64;
use tests::scratch::ScratchDir;
use tests::{free_port, is_ci, say};

pub const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
pub const FAULT_VARIABLE: &str = "SCRIP_TEST_FAULT";
/// At random moments, for each engine.
const KILLS: usize = 5;
const KILLS_IN_CI: usize = 25;
/// At named places, for each engine: together with the others the 40 of CI.
const DEATHS: usize = PLACES.len();
const DEATHS_IN_CI: usize = 3 * PLACES.len();
/// A canary is done as soon as its fault was noticed.
const CANARY_RUNS: usize = 5;
const CANARY_STRIKES: usize = 3;
/// All runs of CI together make 10⁵; this one runs long enough for everything that time does.
const OPERATIONS: usize = 3_000;
const OPERATIONS_IN_CI: usize = 25_000;

#[test]
fn every_operation_is_written_once_and_time_does_its_part_on_sqlite() {
    let folder = ScratchDir::new("bank-sqlite");
    let report = check("sqlite, no fault", &mut NoFault, (0, volume()), vec![on_sqlite(&folder)]);
    assert_eq!((report.cut_off, report.turned_away), (0, 0), "{report}");
}

#[test]
fn every_operation_is_written_once_and_time_does_its_part_on_postgres() {
    let Some(cluster) = postgres() else { return };
    let folder = ScratchDir::new("bank-postgres");
    let report =
        check("postgres, no fault", &mut NoFault, (0, volume()), vec![on_postgres(&folder, cluster)]);
    assert_eq!((report.cut_off, report.turned_away), (0, 0), "{report}");
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_charged_twice_on_sqlite() {
    let folder = ScratchDir::new("kill-sqlite");
    check_kills("sqlite", on_sqlite(&folder));
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_charged_twice_on_postgres() {
    let Some(cluster) = postgres() else { return };
    let folder = ScratchDir::new("kill-postgres");
    check_kills("postgres", on_postgres(&folder, cluster));
}

#[test]
fn a_server_that_dies_at_any_place_of_its_writing_path_loses_nothing_on_sqlite() {
    let folder = ScratchDir::new("die-sqlite");
    check_deaths("sqlite", on_sqlite(&folder));
}

#[test]
fn a_server_that_dies_at_any_place_of_its_writing_path_loses_nothing_on_postgres() {
    let Some(cluster) = postgres() else { return };
    let folder = ScratchDir::new("die-postgres");
    check_deaths("postgres", on_postgres(&folder, cluster));
}

/// Without looking at keys, the retry of a write that had happened charges again.
#[test]
fn a_server_that_ignores_keys_is_noticed() {
    assert_noticed("ignores_keys", &mut Kills, FlawKind::ChargedTwice);
}

/// Answers before the commit promise what a kill takes away.
#[test]
fn a_server_that_answers_early_is_noticed() {
    assert_noticed("answers_early", &mut Kills, FlawKind::Lost);
}

#[test]
fn a_server_that_answers_early_is_noticed_where_it_dies() {
    assert_noticed("answers_early", &mut Places::only("before_commit"), FlawKind::Lost);
}

/// Nothing lapses and nothing expires.
#[test]
fn a_server_whose_clock_stands_is_noticed() {
    assert_noticed("stops_the_clock", &mut NoFault, FlawKind::NotInTime);
}

/// The shipped executable must not contain this name: services/scrip/tests/shipped.rs.
#[test]
fn the_tests_own_executable_knows_the_variable_that_the_shipped_one_must_not() {
    let name = FAULT_VARIABLE.as_bytes();
    let executable = std::fs::read(EXECUTABLE).unwrap();
    assert!(executable.windows(name.len()).any(|bytes| bytes == name));
}

fn volume() -> usize {
    if is_ci() { OPERATIONS_IN_CI } else { OPERATIONS }
}

fn check_kills(engine: &str, options: ServerOptions) {
    let kills = if is_ci() { KILLS_IN_CI } else { KILLS };
    let report = check(&format!("{engine}, kills"), &mut Kills, (kills, 0), vec![options]);
    // A run in which no request was cut off would have shown nothing. Whether one of those had happened is chance
    // here; where a server dies at named places it is not.
    assert!(report.cut_off >= kills, "{report}");
}

fn check_deaths(engine: &str, options: ServerOptions) {
    let deaths = if is_ci() { DEATHS_IN_CI } else { DEATHS };
    let mut places = Places::default();
    let report = check(&format!("{engine}, deaths at named places"), &mut places, (deaths, 0), vec![options]);
    assert_eq!(places.deaths, [deaths / PLACES.len(); PLACES.len()]);
    // What died between the commit and the answer had happened.
    assert!(report.had_happened >= deaths / PLACES.len(), "{report}");
}

/// A run of (strikes, operations at least) that must find no flaw.
pub fn check(
    what: &str,
    fault: &mut dyn Fault,
    (strikes, operations): (usize, usize),
    servers: Vec<ServerOptions>,
) -> Report {
    let random = SplitMix64::announced(what);
    let report = match bank::run(Plan { servers, fault, random, strikes, operations, repeats: true }) {
        Ok(report) => report,
        Err(flaws) => panic!("{what}: {} flaws, the first of them:\n{}", flaws.len(), first_of(&flaws)),
    };
    say(&format!("{what}: {report}"));
    assert!(report.acknowledged >= (5 * strikes).max(operations), "{report}");
    assert!(report.repeats >= report.acknowledged as u64 / 2, "{report}");
    assert!(report.reads > 0 && report.ordered > 0, "{report}");
    report
}

/// Only faults cause retries here, so it is they that bring the flaw to light.
fn assert_noticed(flaw: &str, fault: &mut dyn Fault, expected: FlawKind) {
    assert_noticed_on(flaw, fault, expected, |folder| vec![on_sqlite(folder).env(FAULT_VARIABLE, flaw)]);
}

/// `servers` makes them new for each run, in an empty folder.
pub fn assert_noticed_on(
    what: &str,
    fault: &mut dyn Fault,
    expected: FlawKind,
    servers: impl Fn(&ScratchDir) -> Vec<ServerOptions>,
) {
    let mut random = SplitMix64::announced(&format!("canary: {what}"));
    let mut found = Vec::new();
    for _ in 0..CANARY_RUNS {
        let folder = ScratchDir::new("canary");
        let plan = Plan {
            servers: servers(&folder),
            fault,
            random: random.fork(),
            strikes: CANARY_STRIKES,
            operations: OPERATIONS / 2,
            repeats: false,
        };
        found = bank::run(plan).err().unwrap_or_default();
        if found.iter().any(|flaw| flaw.kind == expected) {
            return;
        }
    }
    panic!("{CANARY_RUNS} runs did not notice {what}; the last found:\n{}", first_of(&found));
}

pub fn on_sqlite(folder: &ScratchDir) -> ServerOptions {
    ServerOptions::serve(EXECUTABLE, folder.path())
}

pub fn on_postgres(folder: &ScratchDir, cluster: &Cluster) -> ServerOptions {
    at(folder, cluster.fresh_database())
}

/// Another process with the same database.
pub fn beside(options: &ServerOptions) -> ServerOptions {
    ServerOptions { port: free_port(), ..options.clone() }
}

pub fn at(folder: &ScratchDir, database: impl Into<String>) -> ServerOptions {
    ServerOptions::serve(EXECUTABLE, folder.path()).env("SCRIP_DATABASE_URL", database)
}

fn first_of(flaws: &[bank::Flaw]) -> String {
    flaws.iter().take(20).map(|flaw| format!("{flaw}\n")).collect()
}
