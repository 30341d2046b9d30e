use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::operation::{Charge, HOT, Makes, OpenHold, Operation, POOR, RICH_GRANT, Record};
use super::{Flaw, FlawKind, Plan, Shared, Victim};
use crate::random::SplitMix64;
use crate::wire::{Reply, Wire};

/// A restart of a killed server must fit in, on a busy machine.
const SETTLES_WITHIN: Duration = Duration::from_secs(90);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(15);
/// Holds that a teller leaves open at once.
const MAX_OPEN_HOLDS: usize = 20;
/// Of a hundred operations so many are followed by the repetition of an earlier one.
const REPEAT_PERCENT: usize = 10;
/// What may always happen; short of credits are only the poor.
const RATE_LIMITED: &str = "rate_limited";
const SHORT: &str = "insufficient_credits";

/// One client: asks for one thing at a time until it has an answer, and writes everything down.
pub struct Teller<'a> {
    shared: &'a Shared,
    wire: Wire,
    random: SplitMix64,
    number: usize,
    repeats: bool,
    /// A server that loses its database in a commit asks again itself, and may find that it happened.
    server_retries: bool,
    holds: Vec<OpenHold>,
    charges: Vec<Charge>,
    /// Used so far.
    keys: u64,
    log: Log,
}

#[derive(Default)]
pub struct Log {
    pub records: Vec<Record>,
    pub refused: usize,
    pub repeats: u64,
    pub flaws: Vec<Flaw>,
}

/// A last word, after so many attempts without one.
struct Settled {
    reply: Reply,
    unanswered: u32,
}

impl<'a> Teller<'a> {
    pub fn new(
        shared: &'a Shared,
        plan: &Plan<'_>,
        api_key: &str,
        number: usize,
        random: SplitMix64,
    ) -> Teller<'a> {
        Teller {
            shared,
            wire: Wire::new(plan.options.port, api_key),
            random,
            number,
            repeats: plan.repeats,
            server_retries: matches!(plan.victim, Victim::Database(_)),
            holds: Vec::new(),
            charges: Vec::new(),
            keys: 0,
            log: Log::default(),
        }
    }

    /// Gives every wallet its first credits.
    pub fn fund(mut self) -> Log {
        for (wallet, holder) in self.shared.holders.iter().enumerate() {
            let micros = if wallet == POOR { 1 } else { RICH_GRANT };
            self.perform(Operation::grant(wallet, &holder.customer, micros));
        }
        self.log
    }

    /// Until the bank closes; then asks once more for everything that was ever acknowledged.
    pub fn work(mut self) -> Log {
        while !self.shared.is_closing.load(Ordering::SeqCst) {
            let operation = self.choose();
            let before = self.log.records.len();
            let Some(unanswered) = self.perform(operation) else { return self.log };
            if self.repeats && before > 0 {
                self.repeat_some(before, unanswered > 0);
            }
        }
        if self.repeats {
            (0..self.log.records.len()).for_each(|at| self.repeat(at));
        }
        self.log
    }

    fn choose(&mut self) -> Operation {
        let holders = &self.shared.holders;
        let is_hot = self.random.below(2) == 0;
        let wallet = if is_hot { HOT } else { self.random.below(holders.len()) };
        let customer = &holders[wallet].customer;
        let random = &mut self.random;
        let has_many = self.holds.len() >= MAX_OPEN_HOLDS;
        let mut hold = |random: &mut SplitMix64| match self.holds.len() {
            0 => None,
            open => Some(self.holds.swap_remove(random.below(open))),
        };
        let chosen = match random.below(100) {
            0..5 => Some(Operation::random_grant(random, wallet, customer)),
            5..35 if !has_many => Some(Operation::random_hold(random, wallet, customer)),
            35..55 => hold(random).map(|hold| Operation::random_capture(random, hold)),
            55..65 => hold(random).map(Operation::void),
            65..75 => self.charges.pop().map(|charge| Operation::reverse(&charge)),
            _ => None,
        };
        chosen.unwrap_or_else(|| Operation::random_usage(random, wallet, customer))
    }

    /// How many attempts had no answer; `None` when there was never one.
    fn perform(&mut self, operation: Operation) -> Option<u32> {
        self.keys += 1;
        let operation = Operation { key: format!("t{}-{}", self.number, self.keys), ..operation };
        let Settled { reply, unanswered } = self.settle(&operation)?;
        if !reply.is_success() {
            self.note_refusal(&operation, &reply);
            return Some(unanswered);
        }
        if reply.is_replayed && unanswered == 0 && !self.server_retries {
            let what = format!("{} was asked for the first time, but replayed", operation.key);
            self.flaw(FlawKind::AnsweredDifferently, what);
        }
        let (id, wallet) = (reply.text("id"), operation.wallet);
        match operation.makes {
            Makes::Nothing => {}
            Makes::Hold(remaining) => self.holds.push(OpenHold { id, wallet, remaining }),
            Makes::Charge(credits) => self.charges.push(Charge { id, wallet, credits }),
        }
        let left = operation.hold.iter().filter(|hold| hold.remaining > 0);
        self.holds.extend(left.cloned());
        self.log.records.push(Record { operation, first: reply, unanswered });
        Some(unanswered)
    }

    fn note_refusal(&mut self, operation: &Operation, reply: &Reply) {
        self.log.refused += 1;
        let code = reply.text("code");
        let is_fair = code == RATE_LIMITED || (code == SHORT && operation.wallet == POOR);
        if !is_fair {
            let Operation { key, path, body, .. } = operation;
            self.flaw(FlawKind::Refused, format!("{key} {path} {body}: {} {}", reply.status, reply.body));
        }
    }

    /// After a kill the last one that was acknowledged before it, which is the likeliest to be gone;
    /// now and then any.
    fn repeat_some(&mut self, before: usize, was_killed: bool) {
        if was_killed {
            self.repeat(before - 1);
        } else if self.random.below(100) < REPEAT_PERCENT {
            let at = self.random.below(before);
            self.repeat(at);
        }
    }

    fn repeat(&mut self, at: usize) {
        let Record { operation, first, .. } = self.log.records[at].clone();
        let Some(Settled { reply, .. }) = self.settle(&operation) else { return };
        self.log.repeats += 1;
        let is_same = (reply.status, &reply.body) == (first.status, &first.body);
        if !is_same || !reply.is_replayed {
            let what = format!("{} {}: {first:?}, then {reply:?}", operation.key, operation.path);
            self.flaw(FlawKind::AnsweredDifferently, what);
        }
    }

    /// The very same request again and again until a success or a refusal.
    fn settle(&mut self, operation: &Operation) -> Option<Settled> {
        let begin = Instant::now();
        let mut unanswered = 0;
        loop {
            // Read before the attempt: an answer to it then belongs to this life or to a later one.
            let life = self.shared.life.load(Ordering::SeqCst);
            match self.wire.post(&operation.path, &operation.key, &operation.body) {
                Ok(reply) if reply.status < 500 => {
                    if reply.is_success() && !reply.is_replayed {
                        self.shared.acknowledged[life].fetch_add(1, Ordering::SeqCst);
                    }
                    return Some(Settled { reply, unanswered });
                }
                Ok(reply) if reply.status != 503 => {
                    self.flaw(FlawKind::Unanswered, format!("{}: {reply:?}", operation.key));
                }
                // The server is stopping or gone: whether it happened, only the key tells.
                Ok(_) | Err(_) => {}
            }
            unanswered += 1;
            if begin.elapsed() > SETTLES_WITHIN {
                let what = format!("{} has no answer after {unanswered} attempts", operation.key);
                self.flaw(FlawKind::Unanswered, what);
                return None;
            }
            thread::sleep(TRY_AGAIN_AFTER);
        }
    }

    fn flaw(&mut self, kind: FlawKind, what: String) {
        self.log.flaws.push(Flaw::new(kind, what));
    }
}
