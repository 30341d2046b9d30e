//! The shapes of the hot statements, as they reach the database: what runs on a sharded engine.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use ::engine::{Engine, EngineCommand, EngineConfig, Request};
use store::Store;
use tests::databases::{authorize, benches, command, debit, grant};

const HOT: [&str; 11] = [
    "postings",
    "sealed_postings",
    "journal",
    "wallets",
    "lots",
    "holds",
    "lanes",
    "lane_buckets",
    "snapshots",
    "reversals",
    "vendor_transactions",
];

/// Constructs that some engine of the family refuses or crawls on.
const BANNED: [&str; 11] = [
    "for update",
    "nextval",
    "now()",
    "random(",
    "advisory",
    "listen ",
    "notify ",
    "merge ",
    "copy ",
    "serial",
    "current_timestamp",
];

/// The short ways of plain PostgreSQL, beside which the portable ones stay: see `store::postings` and `store::project`.
const SHORT_WAY: &str = "with fence as (update lanes ";

/// What is wrong with a statement on a hot table; `None` for a good one.
fn objection(sql: &str) -> Option<String> {
    let words = sql.to_lowercase();
    if words.starts_with(SHORT_WAY) {
        let (fence, rest) = words.split_once(" returning bucket)").unwrap_or_default();
        let inserts: Vec<_> = rest.split("insert into ").skip(1).collect();
        let updates: Vec<_> = rest.split(" update ").skip(1).collect();
        let is_good = fence.contains("where bucket = $1")
            && inserts.len() + updates.len() > 0
            && inserts.iter().all(|insert| insert.contains(" (bucket, wallet,"))
            && updates.iter().all(|update| update.contains("where t.bucket = v.bucket"));
        return (!is_good).then(|| format!("does not name the bucket: {sql}"));
    }
    let is_hot = HOT
        .iter()
        .any(|table| words.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == *table));
    if !is_hot {
        return None;
    }
    if let Some(banned) = BANNED.iter().find(|b| words.contains(**b)) {
        return Some(format!("uses {banned:?}: {sql}"));
    }
    if words.contains("insert into") && words.contains("unnest") {
        return Some(format!("inserts from arrays: {sql}"));
    }
    let names_bucket = if words.starts_with("insert") {
        words.split_once("values").is_some_and(|(columns, _)| columns.contains("bucket"))
    } else if words.contains(" join ") || words.contains("from v where") {
        words.contains("t.bucket = v.bucket")
    } else {
        words.split_once("where").is_some_and(|(_, condition)| condition.contains("bucket"))
    };
    (!names_bucket).then(|| format!("does not name the bucket: {sql}"))
}

#[tokio::test]
async fn every_hot_statement_names_the_bucket_and_uses_portable_shapes() {
    for bench in benches().await {
        let seen: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let mut store = Store::connect(&bench.url).await.expect("it opens");
        let log = seen.clone();
        store.on_statement(move |statement| {
            log.lock().expect("no panic holds it").insert(statement.sql.clone());
        });
        let config = EngineConfig { remembered_wallets: 0, ..EngineConfig::default() };
        let engine = Engine::start(store.clone(), bench.clock.clone(), config).await.expect("it starts");
        seen.lock().expect("no panic holds it").clear(); // the lane map is read whole, once, at the start
        let wallet = bench.new_wallet().await;
        engine.submit(command(wallet, "g", grant(5_000))).await.expect("a grant");
        for n in 0..600 {
            let request = Request {
                vendor_transaction: (n == 0).then(|| "v".to_owned()),
                ..command(wallet, &format!("d{n}"), if n % 2 == 0 { debit(1) } else { authorize(1) })
            };
            engine.submit(request).await.expect("a success");
        }
        let undo =
            Request { command: EngineCommand::Reverse { receipt: 2 }, ..command(wallet, "u", debit(1)) };
        engine.submit(undo).await.expect("a reversal");
        bench.clock.advance_seconds(1_000);
        engine.submit(command(wallet, "after", debit(1))).await.expect("posts 300 lapses first");
        engine.submit(command(wallet, "after", debit(1))).await.expect("a replay");
        store::wallets::read(&store, wallet).await.expect("a read");
        store::wallets::read_as_of(&store, wallet, bench.clock.now()).await.expect("a read");
        store::journal::page(&store, wallet, Some((9, 0)), 5).await.expect("a page");
        store::holds::read(&store, wallet, 3).await.expect("a hold");

        let seen = seen.lock().expect("no panic holds it").clone();
        for table in HOT.iter().filter(|t| **t != "lane_buckets") {
            assert!(seen.iter().any(|sql| sql.contains(table)), "{}: {table} was never touched", bench.name);
        }
        let objections: Vec<_> = seen.iter().filter_map(|sql| objection(sql)).collect();
        assert!(objections.is_empty(), "{}: {objections:#?}", bench.name);
    }
}

#[test]
fn the_check_objects_to_what_a_sharded_engine_would_refuse() {
    for bad in [
        "SELECT * FROM wallets WHERE wallet = $1",
        "UPDATE lots SET voided = true WHERE seq = 1",
        "INSERT INTO postings (wallet, seq) VALUES ($1, $2)",
        "SELECT * FROM wallets WHERE bucket = $1 AND wallet = $2 FOR UPDATE",
        "SELECT t.* FROM v JOIN holds t ON t.wallet = v.wallet",
        "WITH v(bucket) AS (SELECT * FROM unnest($1::smallint[])) INSERT INTO holds (bucket) SELECT bucket FROM v",
        "WITH fence AS (UPDATE lanes SET gsn = 1 WHERE lane = $1) INSERT INTO postings (bucket, wallet) SELECT 1, 2",
        "WITH fence AS (UPDATE lanes SET gsn = 1 WHERE bucket = $1 RETURNING bucket), v AS (SELECT 1) \
         UPDATE wallets AS t SET seq = 2 FROM v WHERE t.wallet = v.wallet",
    ] {
        assert!(objection(bad).is_some(), "{bad}");
    }
    assert_eq!(objection("SELECT * FROM customers WHERE id = $1"), None);
}
