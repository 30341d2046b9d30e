use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use kernel::Clock;

use crate::linear::{Seen, What};
use crate::random::SplitMix64;
use crate::wire::Reply;

use super::operation::{
    Charge, FIRST_TIMED, HOT, LONGEST_SHORT_TTL_SECONDS, Makes, OpenHold, Operation, POOR, RICH_GRANT, Record,
};
use super::settling::{Counter, Settled, items_of};
use super::shared::Shared;
use super::{Flaw, FlawKind};

/// Holds that a teller leaves open at once.
const MAX_OPEN_HOLDS: usize = 20;
/// Of a hundred operations so many are followed by the repetition of an earlier one.
const REPEAT_PERCENT: usize = 10;
const ITEMS_OF_A_BATCH: usize = 100;
/// After so many nanoseconds a short hold has lapsed for sure.
const HAS_LAPSED_AFTER: u64 = (LONGEST_SHORT_TTL_SECONDS.unsigned_abs() + 1) * 1_000_000_000;
/// What may always happen; short of credits and on hold are only the poor.
const RATE_LIMITED: &str = "rate_limited";
const SHORT: &str = "insufficient_credits";
const ON_HOLD: &str = "restricted";
const NOT_ON_HOLD: &str = "not_restricted";
const TOO_LATE: &str = "is not in the future";

/// One client: asks for one thing at a time until it has an answer, and writes everything down.
pub struct Teller<'a> {
    shared: &'a Shared,
    counter: Counter<'a>,
    random: SplitMix64,
    number: usize,
    repeats: bool,
    server_retries: bool,
    holds: Vec<OpenHold>,
    /// With the moment of their answer.
    short_holds: VecDeque<(u64, OpenHold)>,
    charges: Vec<Charge>,
    /// With their first answers.
    batches: Vec<(Operation, Reply)>,
    /// Used so far.
    keys: u64,
    log: Log,
}

#[derive(Default)]
pub struct Log {
    pub records: Vec<Record>,
    /// With the number of the wallet.
    pub seen: Vec<(usize, Seen)>,
    pub refused: usize,
    pub repeats: u64,
    pub reads: u64,
    pub flaws: Vec<Flaw>,
}

impl<'a> Teller<'a> {
    pub fn new(
        shared: &'a Shared,
        ports: &[u16],
        api_key: &str,
        number: usize,
        mut random: SplitMix64,
        repeats: bool,
        server_retries: bool,
    ) -> Teller<'a> {
        Teller {
            shared,
            counter: Counter::new(shared, ports, api_key, &mut random),
            random,
            number,
            repeats,
            server_retries,
            holds: Vec::new(),
            short_holds: VecDeque::new(),
            charges: Vec::new(),
            batches: Vec::new(),
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
        self.end()
    }

    /// One last command on every wallet, which writes what time has done.
    pub fn close(mut self) -> Log {
        for (wallet, holder) in self.shared.holders.iter().enumerate() {
            self.perform(Operation::grant(wallet, &holder.customer, 1));
        }
        self.end()
    }

    /// Until the bank closes; then asks once more for everything that was ever acknowledged.
    pub fn work(mut self) -> Log {
        while !self.shared.is_closing.load(Ordering::SeqCst) {
            let operation = self.choose();
            let before = self.log.records.len();
            let Some(unanswered) = self.perform(operation) else { return self.end() };
            if self.repeats && before > 0 {
                self.repeat_some(before, unanswered > 0);
            }
        }
        if self.repeats {
            // Those of batches are asked for with their batch.
            let singles = |record: &Record| !record.operation.path.is_empty();
            let singles: Vec<usize> =
                (0..self.log.records.len()).filter(|at| singles(&self.log.records[*at])).collect();
            singles.into_iter().for_each(|at| self.repeat(at));
            for (batch, first) in std::mem::take(&mut self.batches) {
                self.repeat_batch(&batch, &first);
            }
        }
        self.end()
    }

    fn end(mut self) -> Log {
        self.log.flaws.append(&mut self.counter.flaws);
        self.log
    }

    fn choose(&mut self) -> Operation {
        let holders = &self.shared.holders;
        let random = &mut self.random;
        let wallet = match random.below(10) {
            0..2 => HOT,
            2 => POOR,
            _ => random.below(holders.len()),
        };
        let customer = &holders[wallet].customer;
        let has_many = self.holds.len() >= MAX_OPEN_HOLDS;
        let mut hold = |random: &mut SplitMix64| match self.holds.len() {
            0 => None,
            open => Some(self.holds.swap_remove(random.below(open))),
        };
        let has_lapsed = |(since, _): &(u64, OpenHold)| self.shared.moment() > since + HAS_LAPSED_AFTER;
        let chosen = match random.below(100) {
            0..8 => Some(Operation::random_grant(random, wallet, customer, Clock::System.now())),
            8..38 if !has_many => Some(Operation::random_hold(random, wallet, customer)),
            38..56 => hold(random).map(|hold| Operation::random_capture(random, hold)),
            56..66 => hold(random).map(Operation::void),
            66..76 => self.charges.pop().map(|charge| Operation::reverse(&charge)),
            76..80 if self.short_holds.front().is_some_and(has_lapsed) => {
                let lapsed = self.short_holds.pop_front();
                lapsed.map(|(_, hold)| {
                    let micros = random.amount(hold.remaining);
                    Operation::late_capture(hold, micros)
                })
            }
            80..86 => {
                let items = (0..ITEMS_OF_A_BATCH).map(|_| {
                    let wallet = FIRST_TIMED + random.below(holders.len() - FIRST_TIMED);
                    Operation::random_usage(random, wallet, &holders[wallet].customer)
                });
                Some(Operation::batch(items.collect()))
            }
            86 => Some(Operation::restrict(POOR, &holders[POOR].customer)),
            87..90 => Some(Operation::release(POOR, &holders[POOR].customer)),
            _ => None,
        };
        chosen.unwrap_or_else(|| Operation::random_usage(random, wallet, customer))
    }

    /// How many attempts had no answer; `None` when there was never one.
    fn perform(&mut self, operation: Operation) -> Option<u32> {
        self.keys += 1;
        let key = format!("t{}-{}", self.number, self.keys);
        let operation = Operation { key, ..operation };
        let settled = self.counter.settle(&operation)?;
        let unanswered = settled.unanswered;
        if operation.items.is_empty() {
            self.note(operation, settled);
        } else {
            self.note_batch(operation, settled);
        }
        Some(unanswered)
    }

    fn note(&mut self, operation: Operation, settled: Settled) {
        let Settled { reply, unanswered, first_begin, last_begin } = settled;
        if !reply.is_success() {
            self.note_refusal(&operation, &reply);
            let what = match reply.text("code").as_str() {
                SHORT => What::Short { needs: operation.needs() },
                ON_HOLD => What::OnHold,
                NOT_ON_HOLD => What::NotOnHold,
                _ => return,
            };
            self.log.seen.extend(self.shared.seen(operation.wallet, last_begin, what));
            return;
        }
        if reply.is_replayed && unanswered == 0 && !self.server_retries {
            let what = format!("{} was asked for the first time, but replayed", operation.key);
            self.flaw(FlawKind::AnsweredDifferently, what);
        }
        self.log.seen.extend(self.shared.seen(operation.wallet, first_begin, operation.what()));
        self.keep(operation, reply, unanswered);
    }

    fn note_batch(&mut self, batch: Operation, settled: Settled) {
        let Settled { reply, unanswered, .. } = settled;
        if !reply.is_success() {
            return self.note_refusal(&batch, &reply);
        }
        let answers = items_of(&reply);
        if answers.len() != batch.items.len() {
            let what = format!("{}: {} answers for {} items", batch.key, answers.len(), batch.items.len());
            return self.flaw(FlawKind::Unanswered, what);
        }
        for (at, (item, answer)) in batch.items.iter().zip(answers).enumerate() {
            let item = Operation { path: String::new(), key: format!("{}/{at}", batch.key), ..item.clone() };
            if answer.is_success() {
                self.keep(item, answer, unanswered);
            } else {
                self.note_refusal(&item, &answer);
            }
        }
        self.batches.push((batch, reply));
    }

    /// Writes down what was acknowledged, and what can be done with it next.
    fn keep(&mut self, operation: Operation, reply: Reply, unanswered: u32) {
        let (id, wallet) = (reply.text("id"), operation.wallet);
        match operation.makes {
            Makes::Nothing => {}
            Makes::Hold(remaining) => self.holds.push(OpenHold { id, wallet, remaining }),
            Makes::ShortHold(remaining) => {
                let hold = OpenHold { id, wallet, remaining };
                self.short_holds.push_back((self.shared.moment(), hold));
            }
            Makes::Charge(credits) => self.charges.push(Charge { id, wallet, credits }),
        }
        let left = operation.hold.iter().filter(|hold| hold.remaining > 0);
        self.holds.extend(left.cloned());
        self.log.records.push(Record { operation, first: reply, unanswered });
    }

    fn note_refusal(&mut self, operation: &Operation, reply: &Reply) {
        self.log.refused += 1;
        let code = reply.text("code");
        let is_fair = code == RATE_LIMITED
            || (operation.wallet == POOR && [SHORT, ON_HOLD, NOT_ON_HOLD].contains(&code.as_str()))
            || (operation.can_be_too_late() && reply.body.contains(TOO_LATE));
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
        if operation.path.is_empty() {
            return;
        }
        let Some(Settled { reply, .. }) = self.counter.settle(&operation) else { return };
        self.log.repeats += 1;
        let is_same = (reply.status, &reply.body) == (first.status, &first.body);
        if !is_same || !reply.is_replayed {
            let what = format!("{} {}: {first:?}, then {reply:?}", operation.key, operation.path);
            self.flaw(FlawKind::AnsweredDifferently, what);
        }
    }

    /// Each item that was charged is answered as the first time; one that was refused is decided anew.
    fn repeat_batch(&mut self, batch: &Operation, first: &Reply) {
        let Some(Settled { reply, .. }) = self.counter.settle(batch) else { return };
        for (at, (first, again)) in items_of(first).into_iter().zip(items_of(&reply)).enumerate() {
            let key = format!("{}/{at}", batch.key);
            if first.is_success() {
                self.log.repeats += 1;
                if first.body != again.body {
                    let what = format!("{key}: {first:?}, then {again:?}");
                    self.flaw(FlawKind::AnsweredDifferently, what);
                }
            } else if again.is_success() {
                let item = Operation { path: String::new(), key, ..batch.items[at].clone() };
                self.log.records.push(Record { operation: item, first: again, unanswered: 0 });
            }
        }
    }

    fn flaw(&mut self, kind: FlawKind, what: String) {
        self.log.flaws.push(Flaw::new(kind, what));
    }
}
