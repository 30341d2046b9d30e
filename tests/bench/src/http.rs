//! Closed-loop callers over HTTP, all on one thread.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use futures::future::try_join_all;

use crate::case::{BULK_ITEMS, Case, Peer, REPLAYED_PERCENT};
use crate::client::{CUSTOMER, Connection, HOLD, Template};
use crate::spread::Chooser;
use crate::tally::{Counted, Tally, Window};

/// Keys of one caller; no case makes as many calls.
const KEYS_PER_CALLER: usize = 1_000_000_000;
/// How far back a replayed call lies at most.
const REPLAYABLE: usize = 32;

/// Where calls go.
#[derive(Clone, Debug)]
pub struct Target {
    pub port: u16,
    pub api_key: String,
}

/// What one caller has at hand.
struct Caller {
    connection: Connection,
    chooser: Chooser,
    request: Template,
    capture: Template,
    next_key: usize,
    /// (customer, key) of calls that were answered.
    earlier: VecDeque<(usize, usize)>,
}

/// Runs a case and answers what the callers counted; `tag` is new for every call.
pub fn run(target: &Target, case: Case, chooser: Chooser, measured: Duration, tag: &str) -> (Tally, Window) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let done = runtime.block_on(async {
        let callers = open_callers(target, case, chooser, tag).await?;
        let window = Window::opening_now(measured);
        let tallies =
            try_join_all(callers.into_iter().map(|c| tokio::spawn(c.call_until(case.peer, window))));
        let mut all = Tally::default();
        for tally in tallies.await.expect("a caller does not panic") {
            all.add(tally?);
        }
        io::Result::Ok((all, window))
    });
    done.unwrap_or_else(|error| panic!("{case}: {error}"))
}

/// Debits every wallet once, in bulk: the server then knows them all, as one that runs for a while does.
pub fn touch_all(target: &Target, wallets: usize, tag: &str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let done = runtime.block_on(async {
        let mut connection = Connection::open(target.port).await?;
        let mut request = request_of(Peer::ScripBulk, target, tag);
        let mut next = 0;
        while next < wallets {
            request.set_key(next);
            request.set_customers(|| {
                next += 1;
                (next - 1) % wallets
            });
            connection.call(&request).await?.expect_success();
        }
        io::Result::Ok(next)
    });
    let touched = done.unwrap_or_else(|error| panic!("touching every wallet: {error}"));
    u64::try_from(touched).expect("a count")
}

async fn open_callers(
    target: &Target,
    case: Case,
    mut chooser: Chooser,
    tag: &str,
) -> io::Result<Vec<Caller>> {
    let mut callers = Vec::with_capacity(case.callers);
    for number in 0..case.callers {
        callers.push(Caller {
            connection: Connection::open(target.port).await?,
            chooser: chooser.fork(),
            request: request_of(case.peer, target, tag),
            capture: capture(target, tag),
            next_key: number * KEYS_PER_CALLER,
            earlier: VecDeque::with_capacity(REPLAYABLE),
        });
    }
    Ok(callers)
}

pub fn request_of(peer: Peer, target: &Target, tag: &str) -> Template {
    // gpt-4 costs 5 credits per 1,000 tokens: one credit.
    let usage = format!(
        r#"{{"customer":"{CUSTOMER}","feature":"text.generate","model":"gpt-4","quantities":{{"input_tokens":150,"output_tokens":50}}}}"#
    );
    let (path, body) = match peer {
        Peer::ScripBulk => {
            ("/v1/usage/batch", format!(r#"{{"items":[{}]}}"#, vec![usage.as_str(); BULK_ITEMS].join(",")))
        }
        Peer::ScripHolds => ("/v1/holds", usage),
        Peer::Scrip | Peer::ScripReplays => ("/v1/usage", usage),
        _ => ("/debits", format!(r#"{{"account":"{CUSTOMER}","credits":1000000}}"#)),
    };
    Template::new(path, &target.api_key, tag, &body)
}

/// A little less than was held, so that the rest goes back.
fn capture(target: &Target, tag: &str) -> Template {
    let body = r#"{"quantities":{"input_tokens":150,"output_tokens":30}}"#;
    Template::new(&format!("/v1/holds/{HOLD}/capture"), &target.api_key, &format!("{tag}c"), body)
}

impl Caller {
    async fn call_until(mut self, peer: Peer, window: Window) -> io::Result<Tally> {
        let mut tally = Tally::default();
        while !window.is_over() {
            let began = Instant::now();
            let counted = self.call(peer).await?;
            tally.note(window, began, counted);
        }
        Ok(tally)
    }

    async fn call(&mut self, peer: Peer) -> io::Result<Counted> {
        if peer == Peer::ScripReplays
            && self.chooser.below(100) < REPLAYED_PERCENT
            && let Some((customer, key)) = self.earlier.front().copied()
        {
            self.send(customer, key).await?;
            return Ok(Counted { operations: 1, commands: 0 });
        }
        self.next_key += 1;
        let key = self.next_key;
        match peer {
            Peer::ScripBulk => self.bulk(key).await,
            Peer::ScripHolds => self.hold_and_capture(key).await,
            _ => {
                let customer = self.chooser.draw();
                self.send(customer, key).await?;
                self.remember(customer, key);
                Ok(Counted { operations: 1, commands: 1 })
            }
        }
    }

    async fn send(&mut self, customer: usize, key: usize) -> io::Result<()> {
        self.request.set_key(key);
        self.request.set_customers(|| customer);
        self.connection.call(&self.request).await?.expect_success();
        Ok(())
    }

    /// That no item failed shows in the journal, which must have grown by all of them.
    async fn bulk(&mut self, key: usize) -> io::Result<Counted> {
        self.request.set_key(key);
        self.request.set_customers(|| self.chooser.draw());
        self.connection.call(&self.request).await?.expect_success();
        let items = u64::try_from(BULK_ITEMS).expect("a count");
        Ok(Counted { operations: items, commands: items })
    }

    async fn hold_and_capture(&mut self, key: usize) -> io::Result<Counted> {
        self.request.set_key(key);
        self.request.set_customers(|| self.chooser.draw());
        let held = self.connection.call(&self.request).await?;
        held.expect_success();
        self.capture.set_hold(held.hold());
        self.capture.set_key(key);
        self.connection.call(&self.capture).await?.expect_success();
        Ok(Counted { operations: 1, commands: 2 })
    }

    fn remember(&mut self, customer: usize, key: usize) {
        if self.earlier.len() == REPLAYABLE {
            self.earlier.pop_front();
        }
        self.earlier.push_back((customer, key));
    }
}
