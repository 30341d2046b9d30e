//! What is broken around a working server: its database, the way to it, its disk, its power, its twin.

use std::path::Path;

use sea_orm::ConnectionTrait;
use store::Store;
use tests::bank::{FlawKind, Kills};
use tests::breaking::{Cuts, DatabaseKills, DiskFull, ForgetfulDisk, PowerCuts, Proxy, SmallDisk};
use tests::cluster::{Cluster, postgres};
use tests::databases::{benches, command, grant};
use tests::is_ci;
use tests::process::ServerOptions;
use tests::random::SplitMix64;
use tests::scratch::ScratchDir;
use tests::torture::{STAGES, Stage};

use crate::kill::{EXECUTABLE, FAULT_VARIABLE, assert_noticed_on, at, beside, check, on_postgres};

const DATABASE_KILLS: usize = 2;
const DATABASE_KILLS_IN_CI: usize = 4;
const CUTS: usize = 30;
const CUTS_IN_CI: usize = 200;
const POWER_CUTS: usize = 4;
const POWER_CUTS_IN_CI: usize = 10;
const SHORTAGES: usize = 2;
const TWIN_KILLS: usize = 4;
const TWIN_KILLS_IN_CI: usize = 15;

fn count(here: usize, in_ci: usize) -> usize {
    if is_ci() { in_ci } else { here }
}

#[test]
fn nothing_is_lost_when_postgres_itself_is_killed_or_stopped() {
    let Some(cluster) = Cluster::start() else { return };
    let folder = ScratchDir::new("kill-cluster");
    let strikes = count(DATABASE_KILLS, DATABASE_KILLS_IN_CI);
    let mut fault = DatabaseKills { cluster: &cluster, strikes: 0 };
    check("postgres killed", &mut fault, (strikes, 0), vec![on_postgres(&folder, &cluster)]);
    assert_eq!(fault.strikes, strikes);
}

/// What such a PostgreSQL has not written yet dies with it.
#[test]
fn a_postgres_that_answers_before_it_writes_is_noticed() {
    let Some(cluster) = Cluster::start() else { return };
    let mut fault = DatabaseKills { cluster: &cluster, strikes: 0 };
    assert_noticed_on("synchronous_commit=off", &mut fault, FlawKind::Lost, |folder| {
        vec![at(folder, cluster.fresh_database() + "?options=-c%20synchronous_commit%3Doff")]
    });
}

#[test]
fn a_connection_that_is_cut_at_commit_loses_nothing_and_charges_nothing_twice() {
    let Some(cluster) = postgres() else { return };
    let folder = ScratchDir::new("cuts");
    let proxy = Proxy::start(cluster.port());
    let strikes = count(CUTS, CUTS_IN_CI);
    let server = at(&folder, proxy.in_front_of(&cluster.fresh_database()));
    check("cuts at COMMIT", &mut Cuts { proxy: &proxy }, (strikes, 0), vec![server]);
    assert!(proxy.cuts() >= strikes);
}

/// The server asks again itself when it loses a connection.
#[test]
fn a_server_that_ignores_keys_is_noticed_when_connections_are_cut() {
    let Some(cluster) = postgres() else { return };
    let proxy = Proxy::start(cluster.port());
    assert_noticed_on(
        "ignores_keys and cuts",
        &mut Cuts { proxy: &proxy },
        FlawKind::ChargedTwice,
        |folder| {
            let server = at(folder, proxy.in_front_of(&cluster.fresh_database()));
            vec![server.env(FAULT_VARIABLE, "ignores_keys")]
        },
    );
}

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged() {
    let Some(mut disk) = ForgetfulDisk::mount() else { return };
    let folder = ScratchDir::new("power");
    let server = on_disk(&folder, disk.database());
    let strikes = count(POWER_CUTS, POWER_CUTS_IN_CI);
    let mut fault = PowerCuts { disk: &mut disk, canary: None };
    check("sqlite, power cuts", &mut fault, (strikes, 0), vec![server]);
}

#[test]
fn a_sqlite_that_does_not_wait_for_the_disk_is_noticed_in_a_power_cut() {
    let Some(mut disk) = ForgetfulDisk::mount() else { return };
    let database = disk.database();
    let mut fault = PowerCuts { disk: &mut disk, canary: Some((FAULT_VARIABLE, "syncs_lazily")) };
    assert_noticed_on("synchronous=NORMAL", &mut fault, FlawKind::Lost, |folder| {
        vec![on_disk(folder, database.clone())]
    });
}

#[test]
fn a_full_disk_refuses_cleanly_and_the_server_goes_on_when_there_is_space_on_sqlite() {
    let Some(disk) = SmallDisk::mount() else { return };
    let folder = ScratchDir::new("full-sqlite");
    let server = on_disk(&folder, format!("sqlite://{}/scrip.db", disk.path().display()));
    let mut fault = DiskFull { disk: &disk, cluster: None, refuses: true };
    let report = check("sqlite, full disk", &mut fault, (SHORTAGES, 0), vec![server]);
    assert!(report.turned_away > 0, "{report}");
}

#[test]
fn a_full_disk_refuses_cleanly_and_the_server_goes_on_when_there_is_space_on_postgres() {
    let Some(disk) = SmallDisk::mount() else { return };
    let Some(cluster) = Cluster::start_in(disk.path()) else { return };
    let folder = ScratchDir::new("full-postgres");
    let mut fault = DiskFull { disk: &disk, cluster: Some(&cluster), refuses: true };
    let server = on_postgres(&folder, &cluster);
    let report = check("postgres, full disk", &mut fault, (SHORTAGES, 0), vec![server]);
    assert!(report.turned_away > 0, "{report}");
}

/// As on a full disk, where the pool's own rollback then fails. What is acknowledged afterwards must not be
/// part of a transaction that nobody commits.
#[tokio::test]
async fn a_transaction_that_sqlite_ended_by_itself_takes_nothing_with_it() {
    let bench = benches().await.into_iter().next().expect("sqlite is always there");
    let wallet = bench.funded_wallet(1_000).await;
    let txn = bench.store.write().await.expect("a transaction");
    let twice = "INSERT OR ROLLBACK INTO lanes SELECT * FROM lanes";
    txn.execute_unprepared(twice).await.expect_err("every lane is there already");
    drop(txn);
    // Given up properly; the transaction around it would stay.
    drop(bench.store.write().await.expect("another transaction"));
    let granted = bench.engine.submit(command(wallet, "after", grant(1))).await.expect("a grant");
    let seen_by_others = Store::connect(&bench.url).await.expect("it opens again");
    let found = store::journal::entry(&seen_by_others, wallet, granted.entry.seq).await.expect("a read");
    assert_eq!(found, Some((*granted.entry).clone()));
}

/// What was acknowledged early finds no space.
#[test]
fn a_server_that_answers_early_is_noticed_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut fault = DiskFull { disk: &disk, cluster: None, refuses: false };
    assert_noticed_on("answers_early on a full disk", &mut fault, FlawKind::Lost, |folder| {
        let name = kernel::new_uuid().simple();
        let server = on_disk(folder, format!("sqlite://{}/{name}.db", disk.path().display()));
        vec![server.env(FAULT_VARIABLE, "answers_early")]
    });
}

#[test]
fn two_servers_that_fight_for_the_same_wallets_agree_while_either_is_killed() {
    let Some(cluster) = postgres() else { return };
    let folder = ScratchDir::new("twins");
    let first = on_postgres(&folder, cluster);
    let twins = vec![beside(&first), first];
    check("two servers", &mut Kills, (count(TWIN_KILLS, TWIN_KILLS_IN_CI), 0), twins);
}

/// Without the fence each decides by what it remembers.
#[test]
fn two_servers_that_ignore_the_fence_are_noticed() {
    let Some(cluster) = postgres() else { return };
    assert_noticed_on("ignores_fence", &mut Kills, FlawKind::Refused, |folder| {
        let first = on_postgres(folder, cluster).env(FAULT_VARIABLE, "ignores_fence");
        vec![beside(&first), first]
    });
}

/// Embedded, but not where the working folder is.
fn on_disk(folder: &ScratchDir, database: String) -> ServerOptions {
    let server = ServerOptions::serve(EXECUTABLE, folder.path());
    server.env("SCRIP_DATABASE_URL", database)
}

/// `just torture` is started by hand, and seldom.
#[test]
fn each_stage_of_the_long_run_runs() {
    for stage in STAGES.iter().map(Stage::briefly) {
        let random = SplitMix64::announced(stage.name);
        let Some(outcome) = stage.run(Path::new(EXECUTABLE), random) else { continue };
        let report = outcome.unwrap_or_else(|flaws| panic!("{}: {flaws:?}", stage.name));
        assert!(report.acknowledged > 0, "{}: {report}", stage.name);
    }
}
