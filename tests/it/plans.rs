//! How the databases go about the statements of the hot path and of every page: by an index whose
//! condition names the wallet, never by reading a hot table from its beginning.

use std::sync::{Arc, Mutex};

use ::engine::{Engine, EngineCommand, EngineConfig, Request};
use futures::future::join_all;
use kernel::WalletId;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement, TransactionTrait};
use store::{Dialect, Store};
use tests::databases::{Bench, authorize, benches, command, debit, grant};

const HOT: [&str; 9] = [
    "postings",
    "sealed_postings",
    "journal",
    "wallets",
    "lots",
    "holds",
    "snapshots",
    "reversals",
    "vendor_transactions",
];
/// Rows that make a whole read of a table look as dear to a planner as it is.
const OTHER_WALLETS: usize = 20_000;
const OTHER_POSTINGS: usize = 100_000;
/// Commands of one batch in the engine.
const CALLERS: usize = 16;

type Log = Arc<Mutex<Vec<Statement>>>;

#[tokio::test(flavor = "multi_thread")]
async fn every_read_of_the_hot_path_and_of_a_page_goes_by_an_index() {
    for bench in benches().await {
        let wallets = history(&bench).await;
        fill(&bench.store).await;
        let (store, log) = listening(&bench.url).await;
        let one = wallets[0];
        let seen = |name: &'static str| (name, std::mem::take(&mut *log.lock().expect("no panic holds it")));

        let mut reads = Vec::new();
        store::wallets::read(&store, one).await.expect("a wallet");
        reads.push(seen("wallet"));
        store::wallets::read_as_of(&store, one, bench.clock.now()).await.expect("a wallet");
        reads.push(seen("wallet as of"));
        store::wallets::lot(&store, one, 1).await.expect("a lot");
        reads.push(seen("lot"));
        store::holds::read(&store, one, 2).await.expect("a hold");
        reads.push(seen("hold"));
        for seq in [2, 40] {
            store::journal::entry(&store, one, seq).await.expect("an entry");
        }
        reads.push(seen("receipt"));
        store::journal::entry_by_key(&store, one, "k:d3").await.expect("an entry");
        reads.push(seen("search by key"));
        store::journal::reversal_of(&store, one, 3).await.expect("a reversal");
        reads.push(seen("reversal"));
        for before in [None, Some((30, 0))] {
            store::journal::page(&store, one, before, 50).await.expect("a page");
        }
        reads.push(seen("statement page"));
        store::statement::entries(&store, one, 3, 20).await.expect("entries");
        store::statement::first_since(&store, one, bench.clock.now(), 40).await.expect("a seq");
        store::statement::moved(&store, one, 3, 20).await.expect("sums");
        store::statement::charged_per_day(&store, one, 3, 20).await.expect("sums");
        store::statement::reversed(&store, one, 3, 20).await.expect("reversals");
        reads.push(seen("statement"));
        batches(&bench, store.clone(), &wallets).await;
        reads.push(seen("engine"));

        for (name, statements) in &reads {
            let hot: Vec<&Statement> = statements.iter().filter(|s| is_hot(&s.sql)).collect();
            assert!(!hot.is_empty(), "{}: {name} read nothing", bench.name);
            for statement in hot {
                let plan = plan(&store, statement).await;
                let sorts = name.contains("page");
                if let Some(what) = objection(&plan, sorts) {
                    panic!("{}: {name}: {what}\n{}\n{}", bench.name, statement.sql, plan.join("\n"));
                }
            }
        }
    }
}

/// Operators look across all wallets: among sealed rows by an index; the other table is bounded and has none for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_operators_look_for_is_found_by_an_index_however_much_is_sealed() {
    for bench in benches().await {
        history(&bench).await;
        fill(&bench.store).await;
        let (store, log) = listening(&bench.url).await;
        for index in ["sealed_unpaid", "sealed_by_job"] {
            match index {
                "sealed_unpaid" => drop(store::finds::unpaid(&store, None, 51).await.expect("finds")),
                _ => drop(store::finds::of_job(&store, "render \"7\"", 20).await.expect("finds")),
            }
            let mut statements = std::mem::take(&mut *log.lock().expect("no panic holds it"));
            statements.retain(|statement| statement.sql.starts_with("SELECT"));
            let [hot, sealed] = statements.as_slice() else { panic!("{statements:#?}") };
            assert!(hot.sql.contains(" FROM postings ") && sealed.sql.contains(" FROM sealed_postings "));
            let told = plan(&store, sealed).await;
            let line = told.iter().find(|line| line.contains(index));
            let is_by_it = line.is_some_and(|line| line.contains("SEARCH") || line.contains("Index Scan"));
            assert!(is_by_it, "{}: {}\n{}", bench.name, sealed.sql, told.join("\n"));
            let sorts = |line: &String| line.contains("Sort Key") || line.contains("TEMP B-TREE");
            assert!(!told.iter().any(sorts), "{}: {}", bench.name, told.join("\n"));
            // The same statement without the index is not what is wanted here, and it shows.
            let drop_it = format!("DROP INDEX {index}");
            bench.store.writer().execute_unprepared(&drop_it).await.expect("it goes");
            let without = Store::connect(&bench.url).await.expect("it opens again");
            let told = plan(&without, sealed).await;
            assert!(!told.iter().any(|line| line.contains(index)), "{}: {told:?}", bench.name);
        }
    }
}

/// Statistics that were taken when every wallet had one entry say that any index of it leads to one row. Plans that
/// are made once, as the engine's are, keep what they were made of.
#[tokio::test(flavor = "multi_thread")]
async fn no_plan_reads_a_wallets_history_because_the_statistics_are_of_its_first_day() {
    for bench in benches().await.into_iter().filter(|bench| bench.store.dialect() == Dialect::Postgres) {
        let wallets = history(&bench).await;
        let (store, log) = listening(&bench.url).await;
        store::wallets::read(&store, wallets[0]).await.expect("a wallet");
        store::journal::entry(&store, wallets[0], 40).await.expect("an entry");
        store::journal::entry_by_key(&store, wallets[0], "k:d3").await.expect("an entry");
        store::journal::page(&store, wallets[0], Some((30, 0)), 50).await.expect("a page");
        let pages = std::mem::take(&mut *log.lock().expect("no panic holds it"));
        batches(&bench, store.clone(), &wallets).await;
        let engine = std::mem::take(&mut *log.lock().expect("no panic holds it"));

        for sql in ["TRUNCATE postings, sealed_postings, wallets, lots, holds"] {
            store.writer().execute_unprepared(sql).await.expect(sql);
        }
        fill_with(&store, OTHER_WALLETS).await;
        assert_reached_by_keys(store.reader(), &[pages.as_slice(), &engine].concat()).await;
        // The engine's plans may be older than the first row that was sealed, or made when all of them were.
        for table in ["sealed_postings", "postings"] {
            for sql in [format!("TRUNCATE {table}"), format!("VACUUM ANALYZE {table}")] {
                store.writer().execute_unprepared(&sql).await.expect(&sql);
            }
            assert_reached_by_keys(store.writer(), &engine).await;
        }
    }
}

/// Without the index the same check objects.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_index_is_noticed() {
    for bench in benches().await {
        let wallets = history(&bench).await;
        fill(&bench.store).await;
        bench.store.writer().execute_unprepared("DROP INDEX postings_by_key").await.expect("it goes");
        let (store, log) = listening(&bench.url).await;
        store::journal::entry_by_key(&store, wallets[0], "k:d3").await.expect("an entry");
        let first = log.lock().expect("no panic holds it")[0].clone();
        let plan = plan(&store, &first).await;
        // The primary key still leads to the wallet; what is left of the condition is a filter.
        let is_by_key = |line: &String| line.contains("idempotency_key") && !line.contains("Filter");
        let indexed = plan.iter().filter(|line| is_by_key(line)).count();
        assert_eq!(indexed, 1, "{}: only sealed rows have an index on keys now: {plan:#?}", bench.name);
    }
}

#[test]
fn the_check_objects_to_plans_that_read_whole_tables() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for bad in [
        "Seq Scan on postings",
        "  ->  Parallel Seq Scan on sealed_postings t",
        "Index Scan using wallets_pkey on wallets t\n  Index Cond: (bucket = v.bucket)",
        "SCAN postings",
        "SCAN t USING INDEX postings_by_key",
        "SEARCH postings USING INDEX sqlite_autoindex_postings_1 (bucket=?)",
        "Index Scan using postings_by_key on postings\n  Index Cond: ((bucket = 1) AND (wallet = $1))\n  Filter: (seq = 2)",
        "Nested Loop\n  Join Filter: (v.wallet = t.wallet)\n  ->  Index Scan using postings_pkey on postings t\n  ->  CTE Scan on v",
        "Index Scan using postings_pkey on postings t",
    ] {
        assert!(objection(&lines(bad), false).is_some(), "{bad}");
    }
    let fence = "Index Scan using lanes_pkey on lanes\n  Index Cond: ((bucket = 1) AND (lane = 1))";
    assert_eq!(objection(&lines(fence), true), None);
    let beside = format!("{fence}\nIndex Scan using wallets_pkey on wallets t\n  Index Cond: (bucket = 1)");
    assert!(objection(&lines(&beside), true).is_some(), "a fence before it excuses nothing");
    assert!(objection(&lines("Sort\n  ->  Index Scan\n  Index Cond: (wallet = $1)"), true).is_some());
    let good = "Nested Loop\n  ->  CTE Scan on v\n  ->  Index Scan using lots_open on lots t\n  Index Cond: ((bucket = 1) AND (wallet = $1))";
    assert_eq!(objection(&lines(good), true), None);
}

/// Some wallets with holds, reversals and sealed rows.
async fn history(bench: &Bench) -> Vec<WalletId> {
    let mut wallets = Vec::new();
    for _ in 0..CALLERS {
        wallets.push(bench.funded_wallet(10_000).await);
    }
    for wallet in &wallets {
        let calls = (0..60).map(|n| {
            let chosen = if n == 0 { authorize(2) } else { debit(1) };
            bench.engine.submit(command(*wallet, &format!("d{n}"), chosen))
        });
        join_all(calls).await.into_iter().for_each(|answer| drop(answer.expect("a success")));
        let undo = EngineCommand::Reverse { receipt: 3 };
        let undo = Request { command: undo, ..command(*wallet, "undo", debit(1)) };
        bench.engine.submit(undo).await.expect("a reversal");
    }
    bench.engine.stop().await;
    store::seal::seal(&bench.store, 500).await.expect("it seals");
    wallets
}

/// Rows of wallets that nobody asks for, and statistics of all.
async fn fill(store: &Store) {
    fill_with(store, OTHER_POSTINGS).await;
}

async fn fill_with(store: &Store, postings: usize) {
    let is_sqlite = store.dialect() == Dialect::Sqlite;
    let id = |of: &str| match is_sqlite {
        true => format!("CAST(substr(printf('%016d', {of}), 1, 16) AS BLOB)"),
        false => format!("md5(({of})::text)::uuid"),
    };
    let series = |count: usize| match is_sqlite {
        true => format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"),
        false => format!("WITH n AS (SELECT i FROM generate_series(1, {count}) AS g(i))"),
    };
    let (wallet, of_posting) = (id("i"), id(&format!("i % {OTHER_WALLETS} + 1")));
    let flag = if is_sqlite { "1" } else { "true" };
    let off = if is_sqlite { "0" } else { "false" };
    let many = series(OTHER_WALLETS);
    let mut statements = vec![
        format!(
            "INSERT INTO wallets (bucket, wallet, seq, recorded_at, posting_rows, available, held, debt, calls) {many} SELECT i % 1024, {wallet}, 5, 1, 5, 0, 0, 0, '[]' FROM n"
        ),
        format!(
            "INSERT INTO lots (bucket, wallet, seq, kind, granted, priority, clawed_back, voided, has_remaining, is_open) {many} SELECT i % 1024, {wallet}, 1, 'promo', 1, 50, 0, {off}, {flag}, {flag} FROM n"
        ),
        format!(
            "INSERT INTO holds (bucket, wallet, seq, state, authorized, captured, captures, expires_at, lots) {many} SELECT i % 1024, {wallet}, 2, 'open', 1, 0, 0, 1, '[]' FROM n"
        ),
        format!(
            "INSERT INTO reversals (bucket, wallet, receipt, seq) {many} SELECT i % 1024, {wallet}, 3, 4 FROM n"
        ),
        format!(
            "INSERT INTO vendor_transactions (bucket, wallet, vendor_transaction, seq) {many} SELECT i % 1024, {wallet}, 'v', 4 FROM n"
        ),
        format!(
            "INSERT INTO snapshots (bucket, wallet, recorded_at, seq, state) {many} SELECT i % 1024, {wallet}, 1, 5, '{{}}' FROM n"
        ),
    ];
    for table in ["postings", "sealed_postings"] {
        statements.push(format!(
            "INSERT INTO {table} (bucket, wallet, seq, line, kind, recorded_at, effective_at, from_account, to_account, amount, \
             balance_after, held_after, debt_after, idempotency_key) {} \
             SELECT (i % {OTHER_WALLETS} + 1) % 1024, {of_posting}, i, 0, 'debit', i, i, 'available', 'spent', 1, 0, 0, 0, 'k:' || i FROM n",
            series(postings)
        ));
    }
    statements.push("ANALYZE".to_owned());
    for sql in statements {
        store.writer().execute_unprepared(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}

/// A store that writes down what it is asked.
async fn listening(url: &str) -> (Store, Log) {
    let mut store = Store::connect(url).await.expect("it opens");
    let log = Log::default();
    let own = log.clone();
    store.on_statement(move |statement| own.lock().expect("no panic holds it").push(statement.clone()));
    (store, log)
}

/// A process that remembers nothing: loads, looks keys and receipts up, appends, projects.
async fn batches(bench: &Bench, store: Store, wallets: &[WalletId]) {
    let engine = Engine::start(store, bench.clock.clone(), EngineConfig::default()).await.expect("it starts");
    let calls = wallets.iter().enumerate().map(|(n, wallet)| {
        let chosen = match n % 4 {
            0 => Request { vendor_transaction: Some("mine".to_owned()), ..command(*wallet, "new", debit(1)) },
            1 => command(*wallet, "d5", debit(1)),
            2 => {
                let undo = EngineCommand::Reverse { receipt: 5 };
                Request { command: undo, ..command(*wallet, "undo-5", debit(1)) }
            }
            _ => command(*wallet, "more", grant(1)),
        };
        engine.submit(chosen)
    });
    join_all(calls).await.into_iter().for_each(|answer| drop(answer.expect("a success")));
    engine.stop().await;
}

fn is_hot(sql: &str) -> bool {
    let is_read = !sql.starts_with("INSERT") && !sql.starts_with("EXPLAIN") && !sql.starts_with("PRAGMA");
    is_read && HOT.iter().any(|table| sql.contains(table))
}

async fn plan(store: &Store, statement: &Statement) -> Vec<String> {
    let (explain, column) = match store.dialect() {
        Dialect::Sqlite => ("EXPLAIN QUERY PLAN", 3),
        Dialect::Postgres => ("EXPLAIN", 0),
    };
    let values = statement.values.clone().map(|values| values.0).unwrap_or_default();
    if values.is_empty() && placeholders(&statement.sql) > 0 {
        // A short way, which is told of by its text alone.
        return plan_made_once(store.reader(), statement).await;
    }
    let sql = format!("{explain} {}", statement.sql);
    let asked = Statement::from_sql_and_values(statement.db_backend, sql, values);
    let rows = store.reader().query_all_raw(asked).await.expect("a plan");
    rows.iter().map(|row| row.try_get_by_index::<String>(column).expect("a line")).collect()
}

async fn assert_reached_by_keys(pool: &DatabaseConnection, statements: &[Statement]) {
    let mut looked_at = 0;
    for statement in statements.iter().filter(|s| is_hot(&s.sql)) {
        let plan = plan_made_once(pool, statement).await;
        looked_at += plan.iter().filter(|line| line.contains("Index Cond:")).count();
        if let Some(what) = objection(&plan, false) {
            panic!("{what}\n{}\n{}", statement.sql, plan.join("\n"));
        }
    }
    assert!(looked_at > 10, "{looked_at} conditions");
}

/// The highest number of PostgreSQL's placeholders.
fn placeholders(sql: &str) -> usize {
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    sql.split('$').skip(1).filter_map(number).max().unwrap_or(0)
}

/// The plan for whatever values, on PostgreSQL.
async fn plan_made_once(pool: &DatabaseConnection, statement: &Statement) -> Vec<String> {
    let nulls = vec!["NULL"; placeholders(&statement.sql)];
    let values = if nulls.is_empty() { String::new() } else { format!("({})", nulls.join(", ")) };
    let txn = pool.begin().await.expect("a transaction");
    txn.execute_unprepared("SET LOCAL plan_cache_mode = force_generic_plan").await.expect("a setting");
    txn.execute_unprepared(&format!("PREPARE asked AS {}", statement.sql)).await.expect(&statement.sql);
    let explain = Statement::from_string(statement.db_backend, format!("EXPLAIN EXECUTE asked{values}"));
    let rows = txn.query_all_raw(explain).await.expect("a plan");
    txn.execute_unprepared("DEALLOCATE asked").await.expect("it goes");
    rows.iter().map(|row| row.try_get_by_index::<String>(0).expect("a line")).collect()
}

/// What is wrong with a plan; `None` for a good one. A page's rows must come in order from the index.
fn objection(plan: &[String], must_not_sort: bool) -> Option<String> {
    // Short names of hot tables in our own statements.
    let is_hot = |name: &str| HOT.contains(&name) || ["t", "p", "w", "l", "h", "s"].contains(&name);
    // SQLite reads what a view gave, which itself it got by the lines before: that is no table.
    let mut view = plan.iter().filter(|line| line.contains("CO-ROUTINE journal")).map(|_| "SCAN postings");
    let (mut is_by_key, mut is_of_lanes) = (false, false);
    for (line, next) in plan.iter().zip(plan.iter().skip(1).map(String::as_str).chain([""])) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let word_after =
            |mark: &str| words.iter().position(|w| *w == mark).and_then(|n| words.get(n + 1).copied());
        if line.contains("Seq Scan on ") && word_after("on").is_some_and(is_hot) {
            return Some(format!("reads a whole table: {line}"));
        }
        let is_by_index = line.contains("Index Scan ") || line.contains("Index Only Scan ");
        if is_by_index && word_after("on").is_some_and(is_hot) && !next.contains("Index Cond:") {
            return Some(format!("reads a whole index: {line}"));
        }
        if line.contains(" Scan ") {
            // One row a lane; whether by its index or not is a matter of how often they moved since.
            is_of_lanes = line.contains(" on lanes");
        }
        is_by_key |= line.contains("_by_key");
        if is_by_key && line.contains("Index Cond:") && !line.contains("idempotency_key") {
            return Some(format!("reads a wallet's whole history: {line}"));
        }
        is_by_key &= !line.contains("Index Cond:");
        if line.contains("Index Cond:") && !line.contains("wallet") && !is_of_lanes {
            return Some(format!("does not go to the wallet: {line}"));
        }
        match words.as_slice() {
            ["SCAN", table, ..] if is_hot(table) && view.next() != Some(line.as_str()) => {
                return Some(format!("reads a whole table: {line}"));
            }
            ["SEARCH", table, ..] if is_hot(table) && !line.contains("wallet=?") => {
                return Some(format!("does not go to the wallet: {line}"));
            }
            _ => {}
        }
        let is_sort = words.first() == Some(&"Sort") || words.get(1) == Some(&"Sort");
        if must_not_sort
            && (is_sort && !line.contains("Sort Key") || line.contains("TEMP B-TREE FOR ORDER BY"))
        {
            return Some(format!("sorts what the index has in order: {line}"));
        }
    }
    None
}
