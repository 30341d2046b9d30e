//! What a debit costs the database, counted and not timed: round trips, rows, bytes. A change that makes
//! one of these grow has to say so here.

use std::sync::{Arc, Mutex};

use ::engine::{Engine, EngineConfig};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use store::Store;
use tests::databases::{Bench, benches, command, debit};
use tests::test_app::{on_each_database, usage};

/// Commands of one batch: they wait together, so that one commit carries them.
const TOGETHER: usize = 64;

/// The statements that a warm engine sends for debits of so many wallets, beside BEGIN and COMMIT.
async fn statements_of(bench: &Bench, wallets: usize, repeats: bool) -> Vec<String> {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut store = Store::connect(&bench.url).await.expect("it opens");
    let log = seen.clone();
    store.on_statement(move |sql| log.lock().expect("no panic holds it").push(sql.sql.clone()));
    // One lane, as SQLite has: the number of batches does not depend on how wallets hash.
    store::lanes::replace_map(&store, 1).await.expect("one lane");
    let engine = Engine::start(store, bench.clock.clone(), EngineConfig::default()).await.expect("it starts");
    let mut funded = Vec::new();
    for n in 0..wallets {
        let wallet = bench.new_wallet().await;
        let grant = command(wallet, &format!("g{n}"), tests::databases::grant(1_000));
        engine.submit(grant).await.expect("a grant");
        funded.push(wallet);
    }
    let all = |round: usize| {
        let of = |n: usize| command(funded[n % wallets], &format!("d{round}-{n}"), debit(1));
        (0..TOGETHER).map(of).collect::<Vec<_>>()
    };
    engine.submit_all(all(1)).await.into_iter().for_each(|answer| drop(answer.expect("a debit")));
    seen.lock().expect("no panic holds it").clear();
    let round = if repeats { 1 } else { 2 };
    for answer in engine.submit_all(all(round)).await {
        assert_eq!(answer.expect("a debit").replayed, repeats);
    }
    let seen = seen.lock().expect("no panic holds it").clone();
    engine.stop().await;
    seen
}

#[tokio::test]
async fn a_warm_lane_writes_a_batch_in_one_statement_on_postgres_and_in_two_on_sqlite() {
    for bench in benches().await {
        for wallets in [1, 7, TOGETHER] {
            let sent = statements_of(&bench, wallets, false).await;
            let expected = if bench.name == "postgres" { 1 } else { 2 };
            assert_eq!(sent.len(), expected, "{}, {wallets} wallets: {sent:#?}", bench.name);
            assert!(sent.iter().all(|sql| !sql.starts_with("SELECT")), "{sent:#?}");
        }
    }
}

/// Keys, entries, and whether the lane is still ours.
#[tokio::test]
async fn a_batch_of_repeats_is_answered_by_three_reads() {
    for bench in benches().await {
        let sent = statements_of(&bench, 7, true).await;
        assert_eq!(sent.len(), 3, "{}: {sent:#?}", bench.name);
        assert!(sent.iter().all(|sql| !sql.contains("INSERT") && !sql.contains("UPDATE")), "{sent:#?}");
    }
}

/// Strangers as well: who is not there is not remembered either.
#[tokio::test]
async fn a_batch_looks_once_for_each_customer_that_it_names() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = seen.clone();
        let telling =
            app.telling_process(move |sql| log.lock().expect("no panic").push(sql.to_owned())).await;
        let ours = format!("{}", kernel::CustomerId::from_uuid(kernel::new_uuid()));
        let named = ["c", "nobody", "c", "no one", "nobody", ours.as_str()];
        let items: Vec<Value> = named.iter().map(|customer| usage(customer, 1)).collect();
        let done = telling.post("/v1/usage/batch", &json!({"items": items})).await.success(200);
        let results = done["results"].as_array().expect("results");
        let is_done = |result: &Value| result.get("status").is_none();
        assert_eq!(results.iter().map(is_done).collect::<Vec<_>>(), named.map(|name| name == "c"), "{done}");
        let seen = seen.lock().expect("no panic").clone();
        let looks = seen.iter().filter(|sql| sql.contains("FROM \"customers\""));
        assert_eq!(looks.count(), 4, "{}: {seen:#?}", app.name);
        telling.app.engine().stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_debit_is_one_row_under_two_indexes() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(1_000).await;
        let count = async |sql: &str| {
            let statement = Statement::from_string(bench.store.reader().get_database_backend(), sql);
            let row = bench.store.reader().query_one_raw(statement).await.expect("it reads").expect("a row");
            row.try_get_by_index::<i64>(0).expect("a number")
        };
        let before = count("SELECT count(*) FROM postings").await;
        bench.engine.submit(command(wallet, "d", debit(1))).await.expect("a debit");
        assert_eq!(count("SELECT count(*) FROM postings").await - before, 1, "{}", bench.name);
        let indexes = match bench.name {
            "postgres" => "SELECT count(*) FROM pg_indexes WHERE tablename = 'postings'",
            _ => "SELECT count(*) FROM pragma_index_list('postings')",
        };
        assert_eq!(count(indexes).await, 2, "{}: a third costs every debit", bench.name);
    }
}
