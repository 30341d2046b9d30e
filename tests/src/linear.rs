//! Could one wallet without any concurrency have said what the clients saw? A history is linearizable when
//! its operations have an order that respects time (what ended before another began comes first) and in
//! which each gets its own answer. The search is Wing and Gong's with Lowe's memory of the sets of
//! operations that were tried: here the balances follow from the set alone.

use std::collections::HashSet;

use crate::bank::Effect;

/// What one client saw, on one clock for all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Before the first attempt was sent.
    pub begin: u64,
    /// After the answer came; [`NEVER`] when none came and nobody knows whether it happened.
    pub end: u64,
    pub what: What,
}

pub const NEVER: u64 = u64::MAX;

/// Micro-credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A success: so much was available, and so the balances moved. What needs anything is new work, which
    /// a wallet on hold does not take.
    Moved { needs: i64, by: Effect },
    /// A refusal: less than this was available, and the wallet was not on hold.
    Short { needs: i64 },
    /// A read of both balances.
    Read(Effect),
    /// A success: from then on the wallet is on hold, also when it was before.
    PutOnHold,
    /// A success: it was on hold and is so no more.
    Released,
    /// New work was refused, because the wallet was on hold.
    OnHold,
    /// A release was refused, because it was not.
    NotOnHold,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Linearizable,
    /// No order explains it. `explained` operations have one at most.
    Impossible {
        explained: usize,
    },
    /// More sets of operations than the limit.
    Undecided,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    balance: Effect,
    is_on_hold: bool,
}

impl State {
    /// The state after what changes it; `None` where that could not have been done.
    fn after(self, what: What) -> Option<State> {
        match what {
            What::Moved { needs, by } => {
                let fits = self.balance.available >= needs && !(needs > 0 && self.is_on_hold);
                let mut balance = self.balance;
                balance += by;
                fits.then_some(State { balance, ..self })
            }
            What::PutOnHold => Some(State { is_on_hold: true, ..self }),
            What::Released => self.is_on_hold.then_some(State { is_on_hold: false, ..self }),
            What::Short { .. } | What::Read(_) | What::OnHold | What::NotOnHold => None,
        }
    }

    /// Whether this answer, which changed nothing, could be given now.
    fn explains(self, what: What) -> bool {
        match what {
            What::Read(read) => read == self.balance,
            What::Short { needs } => self.balance.available < needs && !self.is_on_hold,
            What::OnHold => self.is_on_hold,
            What::NotOnHold => !self.is_on_hold,
            What::Moved { .. } | What::PutOnHold | What::Released => false,
        }
    }
}

/// A set of operations that came first, in some order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Done {
    /// All before this index.
    until: usize,
    /// And these behind it, ascending.
    beyond: Vec<usize>,
}

/// `history` of a wallet that begins empty; at most `max_sets` sets of operations are tried.
pub fn judge(history: &[Seen], max_sets: usize) -> Verdict {
    let mut history = history.to_vec();
    history.sort_by_key(|seen| (seen.begin, seen.end));
    let mut tried = HashSet::new();
    let mut stack = vec![(Done { until: 0, beyond: Vec::new() }, State::default())];
    let mut explained = 0;
    while let Some((mut done, state)) = stack.pop() {
        take_what_moves_nothing(&history, &mut done, state);
        explained = explained.max(done.until + done.beyond.len());
        if is_complete(&history, &done) {
            return Verdict::Linearizable;
        }
        // The balance follows from the set; whether the wallet is on hold, from the order as well.
        if !tried.insert((done.clone(), state.is_on_hold)) {
            continue;
        }
        if tried.len() > max_sets {
            return Verdict::Undecided;
        }
        let mut next = possible(&history, &done);
        // The first to end is tried first, so it is pushed last.
        next.sort_by_key(|at| std::cmp::Reverse(history[*at].end));
        for at in next {
            if let Some(after) = state.after(history[at].what) {
                stack.push((done.with(at), after));
            }
        }
    }
    Verdict::Impossible { explained }
}

/// Reads and refusals that fit now: to take them at once never forbids anything later.
fn take_what_moves_nothing(history: &[Seen], done: &mut Done, state: State) {
    loop {
        let fits = |at: &usize| state.explains(history[*at].what);
        let fitting: Vec<usize> = possible(history, done).into_iter().filter(fits).collect();
        if fitting.is_empty() {
            return;
        }
        for at in fitting {
            *done = done.with(at);
        }
    }
}

/// Those that may come next: nothing that is left ended before they began.
fn possible(history: &[Seen], done: &Done) -> Vec<usize> {
    let mut possible = Vec::new();
    let mut first_end = NEVER;
    for (at, seen) in history.iter().enumerate().skip(done.until) {
        // They are in the order of their beginnings: nobody later can end earlier than this one begins.
        if seen.begin > first_end {
            break;
        }
        if !done.has(at) {
            first_end = first_end.min(seen.end);
            possible.push(at);
        }
    }
    possible.retain(|at| history[*at].begin <= first_end);
    possible
}

/// What never had an answer may as well never have happened.
fn is_complete(history: &[Seen], done: &Done) -> bool {
    history.iter().enumerate().skip(done.until).all(|(at, seen)| seen.end == NEVER || done.has(at))
}

impl Done {
    fn has(&self, at: usize) -> bool {
        at < self.until || self.beyond.binary_search(&at).is_ok()
    }

    fn with(&self, at: usize) -> Done {
        let mut after = self.clone();
        if let Err(place) = after.beyond.binary_search(&at) {
            after.beyond.insert(place, at);
        }
        let taken = after.beyond.iter().zip(after.until..).take_while(|(at, next)| **at == *next).count();
        after.until += taken;
        after.beyond.drain(..taken);
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    const LIMIT: usize = 1_000_000;

    fn seen(begin: u64, end: u64, what: What) -> Seen {
        Seen { begin, end, what }
    }

    fn grant(credits: i64) -> What {
        What::Moved { needs: 0, by: Effect { available: credits, held: 0 } }
    }

    fn debit(credits: i64) -> What {
        What::Moved { needs: credits, by: Effect { available: -credits, held: 0 } }
    }

    fn hold(credits: i64) -> What {
        What::Moved { needs: credits, by: Effect { available: -credits, held: credits } }
    }

    fn read(available: i64, held: i64) -> What {
        What::Read(Effect { available, held })
    }

    fn is_linearizable(history: &[Seen]) -> bool {
        match judge(history, LIMIT) {
            Verdict::Linearizable => true,
            Verdict::Impossible { .. } => false,
            Verdict::Undecided => panic!("{} operations are too many", history.len()),
        }
    }

    #[test]
    fn what_overlaps_may_have_any_order() {
        // The read saw the debit that was asked for later and not the one that was asked for earlier.
        let history = [
            seen(0, 1, grant(10)),
            seen(2, 9, debit(3)),
            seen(3, 8, debit(4)),
            seen(4, 7, read(6, 0)),
            seen(10, 11, read(3, 0)),
        ];
        assert!(is_linearizable(&history));
    }

    #[test]
    fn a_refusal_is_right_when_it_was_short_at_some_moment_of_it() {
        let short = What::Short { needs: 5 };
        let grows = |short: Seen| [seen(0, 1, grant(4)), seen(4, 6, grant(4)), short];
        assert!(is_linearizable(&grows(seen(2, 5, short))));
        assert!(!is_linearizable(&grows(seen(7, 8, short))));
    }

    #[test]
    fn a_read_must_not_be_stale() {
        let history = [seen(0, 1, grant(10)), seen(2, 3, debit(3)), seen(4, 5, read(10, 0))];
        assert!(!is_linearizable(&history));
    }

    #[test]
    fn a_read_must_not_see_half_of_a_hold() {
        let holds = |what| [seen(0, 1, grant(10)), seen(2, 5, hold(3)), seen(3, 4, what)];
        assert!(is_linearizable(&holds(read(10, 0))));
        assert!(is_linearizable(&holds(read(7, 3))));
        assert!(!is_linearizable(&holds(read(7, 0))));
        assert!(!is_linearizable(&holds(read(10, 3))));
    }

    #[test]
    fn two_reads_must_not_see_two_orders() {
        let history = |second| {
            [
                seen(0, 1, grant(10)),
                seen(2, 20, debit(1)),
                seen(3, 20, debit(2)),
                seen(4, 5, read(9, 0)),
                seen(6, 7, second),
            ]
        };
        assert!(is_linearizable(&history(read(7, 0))));
        assert!(!is_linearizable(&history(read(8, 0))), "the first read saw the debit of 1");
    }

    #[test]
    fn new_work_of_a_wallet_on_hold_is_refused_and_nothing_else() {
        let history = |what| [seen(0, 1, grant(10)), seen(2, 3, What::PutOnHold), seen(4, 5, what)];
        assert!(is_linearizable(&history(What::OnHold)));
        assert!(is_linearizable(&history(grant(1))));
        assert!(is_linearizable(&history(What::Released)));
        for wrong in [debit(1), What::NotOnHold, What::Short { needs: 11 }] {
            assert!(!is_linearizable(&history(wrong)), "{wrong:?}");
        }
        let begun = [seen(0, 1, grant(10)), seen(2, 5, What::PutOnHold), seen(3, 4, debit(1))];
        assert!(is_linearizable(&begun), "the debit may have come before");
        let released = |what| {
            let [grant, hold, _] = history(grant(1));
            [grant, hold, seen(4, 5, What::Released), seen(6, 7, what)]
        };
        assert!(is_linearizable(&released(debit(1))));
        assert!(!is_linearizable(&released(What::OnHold)));
        assert!(!is_linearizable(&released(What::Released)));
    }

    /// The same set of operations in two orders: on hold by one of them and not by the other.
    #[test]
    fn an_order_that_was_tried_on_hold_is_tried_again_off_hold() {
        for last in [What::OnHold, What::NotOnHold] {
            let history = [
                seen(0, 1, grant(10)),
                seen(2, 3, What::PutOnHold),
                seen(4, 9, What::PutOnHold),
                seen(4, 9, What::Released),
                seen(10, 11, last),
            ];
            assert!(is_linearizable(&history), "{last:?}");
        }
    }

    #[test]
    fn credits_cannot_be_spent_twice() {
        let history = [seen(0, 1, grant(10)), seen(2, 5, debit(6)), seen(2, 5, hold(6))];
        assert_eq!(judge(&history, LIMIT), Verdict::Impossible { explained: 2 });
    }

    #[test]
    fn what_never_had_an_answer_may_have_happened_or_not() {
        let history = |what| [seen(0, 1, grant(10)), seen(2, NEVER, debit(6)), seen(3, 4, what)];
        assert!(is_linearizable(&history(read(10, 0))));
        assert!(is_linearizable(&history(read(4, 0))));
        assert!(!is_linearizable(&history(read(5, 0))));
    }

    /// Sequential truth with answers that come late: always linearizable; and no longer with one read
    /// that is off by one.
    #[test]
    fn histories_of_a_true_wallet_are_accepted_and_refused_with_one_wrong_read() {
        let mut random = SplitMix64::seeded(7);
        for _ in 0..50 {
            let mut history = Vec::new();
            let mut balance = Effect::default();
            for moment in (10..3_000).step_by(10) {
                let amount = random.amount(1_000_000);
                let what = match random.below(4) {
                    0 => grant(amount),
                    1 => hold(amount),
                    2 => debit(amount),
                    _ => What::Read(balance),
                };
                let what = match what {
                    What::Moved { needs, .. } if needs > balance.available => What::Short { needs },
                    other => other,
                };
                if let What::Moved { by, .. } = what {
                    balance += by;
                }
                // It took effect at `moment`; up to a dozen others overlap.
                let (before, after) = (random.draw() % 60, random.draw() % 60);
                history.push(seen(u64::saturating_sub(moment, before), moment + after, what));
            }
            assert!(is_linearizable(&history));
            let Some(at) = history.iter().rposition(|seen| matches!(seen.what, What::Read(_))) else {
                continue;
            };
            let What::Read(mut wrong) = history[at].what else { continue };
            wrong.available += 1;
            history[at].what = What::Read(wrong);
            assert!(!is_linearizable(&history));
        }
    }
}
