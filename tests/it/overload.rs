//! More calls than places, and a stop in the middle of work.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use sea_orm::ConnectionTrait;
use serde_json::json;
use tests::cluster::postgres;
use tests::process::{Server, ServerOptions};
use tests::scratch::ScratchDir;
use tests::test_app::{TestApp, on_each_database, usage};
use tests::wire::Wire;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
const CALLS_AT_ONCE: usize = 2_048;
const CALLS_PER_CUSTOMER: usize = 600;
const CUSTOMERS: usize = 4;
const MORE: usize = 50;
const CONNECTIONS: usize = 24;
const MOST_CALLS: usize = 20_000;

/// While nothing can be written, the calls of one customer wait up to a limit; more are told to come back.
#[tokio::test]
async fn one_customer_cannot_take_all_places() {
    on_each_database(async |app| {
        app.funded("c0", "5000").await;
        app.funded("c1", "5000").await;
        let blocker = block(app).await;
        let calls = (0..CALLS_PER_CUSTOMER + MORE).map(async |_| app.post("/v1/usage", &usage("c0", 1)).await);
        let mut calls: FuturesUnordered<_> = calls.collect();
        for _ in 0..MORE {
            let refusal = calls.next().await.expect("an answer");
            refusal.problem(429, "rate_limited");
            assert_eq!(refusal.header("retry-after"), Some("1"), "{refusal}");
        }
        let other = app.post("/v1/usage", &usage("c1", 1));
        blocker.rollback().await.expect("writing goes on");
        assert_eq!(other.await.status, 201, "{}: others have places", app.name);
        let rest: Vec<_> = calls.collect().await;
        assert!(rest.iter().all(|reply| reply.status == 201), "{}", app.name);
        assert_eq!(left(app, 0).await, 5_000 - CALLS_PER_CUSTOMER as i64, "{}", app.name);
    })
    .await;
}

/// All places taken: the next call is told at once to come back, and those that wait succeed.
#[tokio::test]
async fn what_is_too_much_is_refused_at_once_and_the_rest_is_done() {
    on_each_database(async |app| {
        for n in 0..CUSTOMERS {
            app.funded(&format!("c{n}"), "5000").await;
        }
        let blocker = block(app).await;
        let calls = (0..CALLS_AT_ONCE).map(async |n| {
            let customer = format!("c{}", n % CUSTOMERS);
            app.post("/v1/usage", &usage(&customer, 1)).await
        });
        let waiting = join_all(calls);
        tokio::pin!(waiting);
        let refused = async {
            loop {
                let more = app.get("/v1/customers/c0/wallet").await;
                if more.status == 503 {
                    return more;
                }
                tokio::task::yield_now().await;
            }
        };
        let full = tokio::select! {
            _ = &mut waiting => panic!("{}: nothing could be written", app.name),
            full = refused => full,
        };
        full.problem(503, "unavailable");
        assert_eq!(full.header("retry-after"), Some("1"), "{full}");
        assert_eq!(app.call("GET", "/livez").send().await.status, 200, "{}", app.name);
        blocker.rollback().await.expect("writing goes on");
        let done = waiting.await;
        assert!(done.iter().all(|reply| reply.status == 201), "{}", app.name);
        let each = (CALLS_AT_ONCE / CUSTOMERS) as i64;
        for n in 0..CUSTOMERS {
            assert_eq!(left(app, n).await, 5_000 - each, "{}", app.name);
        }
    })
    .await;
}

/// Holds every lane until it is rolled back.
async fn block(app: &TestApp) -> store::DatabaseTransaction {
    let blocker = app.app.store().write().await.expect("a transaction");
    blocker.execute_unprepared("UPDATE lanes SET gsn = gsn").await.expect("it holds every lane");
    blocker
}

#[test]
fn a_stop_under_load_finishes_every_call_that_was_taken_on_sqlite() {
    let folder = ScratchDir::new("stop-sqlite");
    stop_under_load(ServerOptions::serve(EXECUTABLE, folder.path()));
}

#[test]
fn a_stop_under_load_finishes_every_call_that_was_taken_on_postgres() {
    let Some(cluster) = postgres() else { return };
    let folder = ScratchDir::new("stop-postgres");
    let mut options = ServerOptions::serve(EXECUTABLE, folder.path());
    options.arguments.push("--demo".to_owned());
    stop_under_load(options.env("SCRIP_DATABASE_URL", cluster.fresh_database()));
}

/// By the clients' own log: what took effect was answered, and what was answered took effect.
fn stop_under_load(options: ServerOptions) {
    let mut server = Server::start(&options);
    let key = server.api_key().expect("the demo has a key");
    let grant = json!({"customer": "demo", "credits": "100000", "kind": "promo"}).to_string();
    assert!(Wire::new(server.port(), &key).post("/v1/grants", "fund", &grant).expect("an answer").is_success());
    let before = holds_of(&mut Wire::new(server.port(), &key));
    let (answered, is_over) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    let port = server.port();
    thread::scope(|scope| {
        for caller in 0..CONNECTIONS {
            let (answered, is_over, key) = (&answered, &is_over, &key);
            scope.spawn(move || {
                let mut wire = Wire::new(port, key);
                for n in 0..MOST_CALLS {
                    let name = format!("{caller}-{n}");
                    let body = json!({"customer": "demo", "credits": "1"}).to_string();
                    match wire.post("/v1/holds", &name, &body) {
                        Ok(reply) if reply.is_success() => {
                            answered.lock().expect("no panic").insert(name);
                        }
                        // The cap on calls in a minute or on open holds: the next has another key.
                        Ok(_) => {}
                        Err(_) if is_over.load(Ordering::SeqCst) => return,
                        Err(error) => panic!("before the stop: {error}"),
                    }
                }
            });
        }
        thread::sleep(Duration::from_millis(700));
        is_over.store(true, Ordering::SeqCst);
        assert!(server.stop().success(), "{}", server.output());
    });
    let answered = answered.into_inner().expect("no panic");
    assert!(answered.len() > CONNECTIONS, "only {} calls before the stop", answered.len());
    let server = Server::start(&options);
    let mut wire = Wire::new(server.port(), &key);
    let holds = holds_of(&mut wire).len() - before.len();
    assert_eq!(holds, answered.len(), "new holds in the journal, and holds that were answered");
}

/// Holds on the demo customer's statement, from its pages.
fn holds_of(wire: &mut Wire) -> BTreeSet<String> {
    let (mut holds, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let page = wire.get(&format!("/v1/customers/demo/postings?limit=100{cursor}")).expect("a page").json();
        let lines = page["data"].as_array().expect("lines").iter();
        holds.extend(lines.filter(|line| line["kind"] == "hold").map(|line| line["hold"].to_string()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return holds,
        }
    }
}

async fn left(app: &TestApp, n: usize) -> i64 {
    let wallet = app.wallet(&format!("c{n}")).await;
    wallet["available"].as_str().expect("a balance").parse().expect("whole credits")
}
