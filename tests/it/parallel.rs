use std::sync::Mutex;
use std::thread;

use serde_json::Value;
use tests::cluster::postgres;
use tests::free_port;
use tests::process::{Server, ServerOptions};
use tests::scratch::ScratchDir;
use tests::wire::{Reply, Wire};

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
const CALLS: usize = 1_000;
const CREDITS: usize = 100;
const CONNECTIONS: usize = 64;
const CUSTOMER: &str = "crowded";
/// 5 credits per 1,000 tokens.
const TOKENS_OF_ONE_CREDIT: u32 = 200;

/// One database and the servers on it; the folder goes last.
struct Town {
    options: ServerOptions,
    servers: Vec<Server>,
    key: String,
    _folder: ScratchDir,
}

#[test]
fn a_thousand_parallel_calls_spend_exactly_a_hundred_credits_on_sqlite_in_one_process() {
    check(Town::on_sqlite(1, ""));
}

#[test]
fn a_thousand_parallel_calls_spend_exactly_a_hundred_credits_on_sqlite_in_two_processes() {
    check(Town::on_sqlite(2, ""));
}

#[test]
fn a_thousand_parallel_calls_spend_exactly_a_hundred_credits_on_postgres_in_one_process() {
    Town::on_postgres(1).map(check).unwrap_or_default();
}

#[test]
fn a_thousand_parallel_calls_spend_exactly_a_hundred_credits_on_postgres_in_two_processes() {
    Town::on_postgres(2).map(check).unwrap_or_default();
}

/// The first server remembers an empty wallet; the fence tells it that the second one filled it.
#[test]
fn what_another_process_wrote_is_seen_by_the_next_decision() {
    assert_eq!(status_after_a_grant_elsewhere(&Town::on_sqlite(2, "")), 201);
    if let Some(town) = Town::on_postgres(2) {
        assert_eq!(status_after_a_grant_elsewhere(&town), 201);
    }
}

/// The canary of the test above.
#[test]
fn a_server_that_ignores_the_fence_decides_on_stale_memory() {
    assert_eq!(status_after_a_grant_elsewhere(&Town::on_sqlite(2, "ignores_fence")), 402);
}

fn check(mut town: Town) {
    town.make_customer();
    town.grant(0, CREDITS);
    let replies = town.call_in_parallel();

    let paid = |path: &str| replies.iter().filter(|(at, reply)| *at == path && reply.status == 201).count();
    let (holds, debits) = (paid("/v1/holds"), paid("/v1/usage"));
    assert_eq!(replies.len(), CALLS);
    assert_eq!(holds + debits, CREDITS);
    for (path, reply) in replies.iter().filter(|(_, reply)| reply.status != 201) {
        assert_eq!((reply.status, reply.text("code").as_str()), (402, "insufficient_credits"), "{path}");
        assert_eq!(reply.text("required"), "1");
    }
    for server in 0..town.servers.len() {
        let wallet = town.wire(server).get(&format!("/v1/customers/{CUSTOMER}/wallet")).unwrap();
        let read = ["available", "held", "debt"].map(|member| wallet.text(member));
        assert_eq!(read, ["0".to_owned(), holds.to_string(), "0".to_owned()], "server {server}");
    }
    let journal = town.journal();
    let moved = |from: &str, to: &str| {
        let lines = journal.iter().filter(|line| line["from"] == from && line["to"] == to);
        lines.map(|line| line["amount"].as_str().unwrap().parse::<usize>().unwrap()).sum::<usize>()
    };
    assert_eq!(moved("issued", "available"), CREDITS);
    assert_eq!(moved("available", "spent"), debits);
    assert_eq!(moved("available", "held"), holds);
    assert_eq!(journal.len(), 1 + CREDITS);

    assert!(town.servers.iter_mut().all(|server| server.stop().success()));
    let verify = town.options.run("verify");
    let said = String::from_utf8_lossy(&verify.stdout).into_owned();
    assert!(verify.status.success() && said.contains("verify: ok"), "{said}");
}

fn status_after_a_grant_elsewhere(town: &Town) -> u16 {
    town.make_customer();
    let mut first = town.wire(0);
    let refused = first.post("/v1/usage", "before", &usage()).unwrap();
    assert_eq!(refused.status, 402, "{}", refused.body);
    town.grant(1, CREDITS);
    first.post("/v1/usage", "after", &usage()).unwrap().status
}

impl Town {
    fn on_sqlite(servers: usize, fault: &str) -> Town {
        let folder = ScratchDir::new("parallel");
        let options = ServerOptions::serve(EXECUTABLE, folder.path()).env("SCRIP_TEST_FAULT", fault);
        Town::start(options, servers, folder)
    }

    fn on_postgres(servers: usize) -> Option<Town> {
        let url = postgres()?.fresh_database();
        let folder = ScratchDir::new("parallel");
        let options = ServerOptions::serve(EXECUTABLE, folder.path()).env("SCRIP_DATABASE_URL", url);
        Some(Town::start(options, servers, folder))
    }

    fn start(options: ServerOptions, servers: usize, folder: ScratchDir) -> Town {
        let first = Server::start(&options);
        let key = first.api_key().expect("the first start prints a key");
        let others =
            (1..servers).map(|_| Server::start(&ServerOptions { port: free_port(), ..options.clone() }));
        let servers = std::iter::once(first).chain(others).collect();
        Town { options, servers, key, _folder: folder }
    }

    fn wire(&self, server: usize) -> Wire {
        Wire::new(self.servers[server].port(), &self.key)
    }

    fn make_customer(&self) {
        let body = format!(
            r#"{{"external_id": "{CUSTOMER}", "kind": "individual", "name": "C", "email": "c@example.com"}}"#
        );
        let made = self.wire(0).post("/v1/customers", "customer", &body).unwrap();
        assert_eq!(made.status, 201, "{}", made.body);
    }

    fn grant(&self, server: usize, credits: usize) {
        let body = format!(r#"{{"customer": "{CUSTOMER}", "credits": "{credits}", "kind": "promo"}}"#);
        let granted = self.wire(server).post("/v1/grants", "grant", &body).unwrap();
        assert_eq!(granted.status, 201, "{}", granted.body);
    }

    /// Holds and debits of one credit each, in turns, over many connections to all servers.
    fn call_in_parallel(&self) -> Vec<(&'static str, Reply)> {
        let replies = Mutex::new(Vec::with_capacity(CALLS));
        thread::scope(|scope| {
            for connection in 0..CONNECTIONS {
                let mut wire = self.wire(connection % self.servers.len());
                let replies = &replies;
                scope.spawn(move || {
                    for call in (connection..CALLS).step_by(CONNECTIONS) {
                        // Neighbours differ, so that each connection and each server gets both kinds.
                        let is_hold = (call / CONNECTIONS + call / self.servers.len()).is_multiple_of(2);
                        let (path, body) =
                            if is_hold { ("/v1/holds", hold()) } else { ("/v1/usage", usage()) };
                        let reply = wire.post(path, &format!("call-{call}"), &body).expect("an answer");
                        replies.lock().unwrap().push((path, reply));
                    }
                });
            }
        });
        replies.into_inner().unwrap()
    }

    fn journal(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        let mut cursor = String::new();
        // Two pages hold a grant and what a hundred credits can pay; a third shows that there is no more.
        for _ in 0..3 {
            let path = format!("/v1/customers/{CUSTOMER}/postings?limit=100{cursor}");
            let page = self.wire(0).get(&path).unwrap().json();
            lines.extend(page["data"].as_array().expect("a page has its data").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return lines,
            }
        }
        panic!("more lines than credits: {}", lines.len());
    }
}

fn hold() -> String {
    format!(r#"{{"customer": "{CUSTOMER}", "credits": "1"}}"#)
}

fn usage() -> String {
    format!(
        r#"{{"customer": "{CUSTOMER}", "feature": "text.generate", "model": "gpt-4", "quantities": {{"input_tokens": {TOKENS_OF_ONE_CREDIT}}}}}"#
    )
}
