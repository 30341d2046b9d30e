//! The hand-written transaction in PostgreSQL's own load generator.

use std::path::Path;
use std::time::Duration;

use ::tests::cluster::Cluster;

use crate::spread::{Spread, ZIPF_EXPONENT};

/// More connections make PostgreSQL slower, and the cluster takes 300.
pub const MAX_CLIENTS: usize = 64;

pub struct Ran {
    pub per_second: f64,
    pub transactions: f64,
}

/// Runs for whole seconds, one at least: pgbench knows no parts of them.
pub fn run(
    cluster: &Cluster,
    database: &str,
    folder: &Path,
    (spread, accounts): (Spread, usize),
    callers: usize,
    measured: Duration,
) -> Ran {
    let script = folder.join("debit.sql");
    std::fs::write(&script, text(spread, accounts)).expect("the folder is ours");
    let clients = callers.min(MAX_CLIENTS).to_string();
    let seconds = measured.as_secs().max(1).to_string();
    let output = cluster
        .program("pgbench")
        .args(["-n", "-M", "prepared", "-j", "1", "-c", &clients, "-T", &seconds, "-f"])
        .arg(&script)
        .arg(cluster.url(database))
        .output()
        .expect("pgbench starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = || format!("pgbench: {said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", failed());
    let number = |label: &str| {
        let found =
            said.lines().find_map(|line| line.strip_prefix(label)?.split([' ', '/']).next()?.parse().ok());
        found.unwrap_or_else(|| panic!("{}", failed()))
    };
    Ran { per_second: number("tps = "), transactions: number("number of transactions actually processed: ") }
}

fn text(spread: Spread, accounts: usize) -> String {
    let account = match spread {
        Spread::Hot => "0".to_owned(),
        Spread::Uniform => format!("random(0, {accounts} - 1)"),
        Spread::Zipf => format!("random_zipfian(1, {accounts}, {ZIPF_EXPONENT}) - 1"),
    };
    format!(
        "\\set account {account}
\\set key random(1, 9000000000000000000)
BEGIN;
SELECT balance FROM accounts WHERE id = :account FOR UPDATE;
UPDATE lots SET remaining = remaining - 1000000 WHERE account = :account AND remaining >= 1000000;
UPDATE accounts SET balance = balance - 1000000 WHERE id = :account RETURNING balance AS after \\gset
INSERT INTO entries (account, key, credits, balance_after) VALUES (:account, :client_id || '-' || :key, 1000000, :after);
COMMIT;
"
    )
}
