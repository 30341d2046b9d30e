//! A stop in the middle of work.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tests::cluster::{Cluster, postgres};
use tests::process::{Server, ServerOptions};
use tests::scratch::ScratchDir;
use tests::wire::Wire;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
const CONNECTIONS: usize = 24;
const MOST_CALLS: usize = 20_000;

#[test]
fn a_stop_under_load_finishes_every_call_that_was_taken_on_sqlite() {
    let folder = ScratchDir::new("stop-sqlite");
    stop_under_load(ServerOptions::serve(EXECUTABLE, folder.path()));
}

#[test]
fn a_stop_under_load_finishes_every_call_that_was_taken_on_postgres() {
    let Some(cluster) = postgres() else { return };
    let folder = ScratchDir::new("stop-postgres");
    let options = ServerOptions::serve(EXECUTABLE, folder.path());
    stop_under_load(options.env("SCRIP_DATABASE_URL", cluster.fresh_database()));
}

/// A supervisor waits half a minute at most, as `Server::stop` does.
#[test]
fn a_stop_while_the_database_is_gone_ends_in_time_and_what_was_cut_off_can_be_sent_again() {
    let Some(cluster) = Cluster::start() else { return };
    let folder = ScratchDir::new("stop-without-database");
    let options =
        ServerOptions::serve(EXECUTABLE, folder.path()).env("SCRIP_DATABASE_URL", cluster.fresh_database());
    let mut server = Server::start(&options);
    let key = server.api_key().expect("the demo has a key");
    let grant = json!({"customer": "demo", "credits": "7", "kind": "promo"}).to_string();
    let port = server.port();
    let first = Wire::new(port, &key).post("/v1/grants", "first", &grant).expect("an answer");
    assert!(first.is_success());
    cluster.kill9();
    let asked = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut wire = Wire::new(port, &key);
            asked.wait();
            // Refused or cut off, whichever comes first.
            if let Ok(reply) = wire.post("/v1/grants", "second", &grant) {
                assert!(!reply.is_success());
            }
        });
        asked.wait();
        thread::sleep(Duration::from_millis(200));
        assert!(server.stop().success(), "{}", server.output());
    });
    cluster.restart_if_ended();
    let server = Server::start(&options);
    let mut wire = Wire::new(server.port(), &key);
    for (name, replayed) in [("first", true), ("second", false), ("second", true)] {
        let reply = wire.post("/v1/grants", name, &grant).expect("an answer");
        assert_eq!((reply.is_success(), reply.is_replayed), (true, replayed), "{name}");
    }
}

/// By the clients' own log: what took effect was answered, and what was answered took effect.
fn stop_under_load(options: ServerOptions) {
    let mut server = Server::start(&options);
    let key = server.api_key().expect("the demo has a key");
    let grant = json!({"customer": "demo", "credits": "100000", "kind": "promo"}).to_string();
    assert!(
        Wire::new(server.port(), &key).post("/v1/grants", "fund", &grant).expect("an answer").is_success()
    );
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
        let page =
            wire.get(&format!("/v1/customers/demo/postings?limit=100{cursor}")).expect("a page").json();
        let lines = page["data"].as_array().expect("lines").iter();
        holds.extend(lines.filter(|line| line["kind"] == "hold").map(|line| line["hold"].to_string()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return holds,
        }
    }
}
