use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::random::SplitMix64;
use crate::wire::{Reply, Wire};

use super::operation::Operation;
use super::shared::Shared;
use super::{Flaw, FlawKind};

/// A restart of what was killed must fit in, on a busy machine.
const SETTLES_WITHIN: Duration = Duration::from_secs(90);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(15);
const CREATED: u16 = 201;

/// Connections to all servers, any of which may answer.
pub struct Counter<'a> {
    pub shared: &'a Shared,
    wires: Vec<Wire>,
    turn: usize,
    pub flaws: Vec<Flaw>,
}

/// A last word, after so many attempts without one.
pub struct Settled {
    pub reply: Reply,
    pub unanswered: u32,
    /// When the first and the last attempt were made.
    pub first_begin: u64,
    pub last_begin: u64,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Box<RawValue>>,
}

impl<'a> Counter<'a> {
    pub fn new(shared: &'a Shared, ports: &[u16], api_key: &str, random: &mut SplitMix64) -> Counter<'a> {
        let wires: Vec<Wire> = ports.iter().map(|port| Wire::new(*port, api_key)).collect();
        let turn = random.below(wires.len());
        Counter { shared, wires, turn, flaws: Vec::new() }
    }

    /// The very same request again and again until a success or a refusal; every attempt at the next
    /// server.
    pub fn settle(&mut self, operation: &Operation) -> Option<Settled> {
        let begin = Instant::now();
        let first_begin = self.shared.moment();
        let mut unanswered = 0;
        loop {
            // Read before the attempt: an answer to it then belongs to this life or to a later one.
            let life = self.shared.life.load(Ordering::SeqCst);
            let last_begin = self.shared.moment();
            self.turn = (self.turn + 1) % self.wires.len();
            match self.wires[self.turn].post(&operation.path, &operation.key, &operation.body) {
                Ok(reply) if reply.status < 500 && !has_unanswered_items(operation, &reply) => {
                    if reply.is_success() && !reply.is_replayed {
                        self.shared.acknowledge(life, operation.items.len().max(1));
                    }
                    return Some(Settled { reply, unanswered, first_begin, last_begin });
                }
                Ok(reply) if reply.status == 503 || reply.status < 500 => {
                    self.shared.turned_away.fetch_add(1, Ordering::SeqCst);
                }
                Ok(reply) => {
                    let what = format!("{}: {reply:?}", operation.key);
                    self.flaws.push(Flaw::new(FlawKind::Unanswered, what));
                }
                // The server is gone: whether it happened, only the key tells.
                Err(_) => {}
            }
            unanswered += 1;
            if begin.elapsed() > SETTLES_WITHIN {
                let what = format!("{} has no answer after {unanswered} attempts", operation.key);
                self.flaws.push(Flaw::new(FlawKind::Unanswered, what));
                return None;
            }
            thread::sleep(TRY_AGAIN_AFTER);
        }
    }
}

/// Each as it came; an item that was charged looks as it does alone.
pub fn items_of(batch: &Reply) -> Vec<Reply> {
    let results = serde_json::from_str::<Results>(&batch.body).map(|found| found.results).unwrap_or_default();
    let status = |body: &str| match Reply::of(0, body).json()["status"].as_u64() {
        Some(status) => u16::try_from(status).unwrap_or_default(),
        None => CREATED,
    };
    results.iter().map(|item| Reply::of(status(item.get()), item.get())).collect()
}

/// A batch in which the database failed some items is asked for again as a whole.
fn has_unanswered_items(operation: &Operation, reply: &Reply) -> bool {
    !operation.items.is_empty() && reply.is_success() && items_of(reply).iter().any(|item| item.status == 503)
}
