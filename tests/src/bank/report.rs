use std::fmt;
use std::time::Duration;

use crate::linear::{self, Seen, Verdict};

use super::operation::{FIRST_TIMED, Record};
use super::teller::Log;
use super::{Flaw, FlawKind, MAX_SETS};

/// What a run did that found no flaw.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub strikes: usize,
    pub acknowledged: usize,
    pub refused: usize,
    /// Acknowledged operations of which an attempt had no answer.
    pub cut_off: usize,
    /// Operations of which an attempt without an answer had happened, as the next one told.
    pub had_happened: usize,
    /// Times that an acknowledged operation was asked for again.
    pub repeats: u64,
    /// Balances that were read and checked while the fault struck.
    pub reads: u64,
    /// Operations and reads that were put into one order for each wallet that only clients move.
    pub ordered: usize,
    /// Answers 503.
    pub turned_away: u64,
    pub entries: usize,
    /// The first line of `scrip verify`.
    pub verified: String,
    pub took: Duration,
}

impl Report {
    pub(super) fn add_up(&mut self, logs: Vec<Log>, wallets: usize, flaws: &mut Vec<Flaw>) -> Vec<Record> {
        let mut records = Vec::new();
        let mut histories: Vec<Vec<Seen>> = vec![Vec::new(); FIRST_TIMED.min(wallets)];
        for log in logs {
            self.refused += log.refused;
            self.repeats += log.repeats;
            self.reads += log.reads;
            flaws.extend(log.flaws);
            records.extend(log.records);
            log.seen.into_iter().for_each(|(wallet, seen)| histories[wallet].push(seen));
        }
        self.acknowledged = records.len();
        self.cut_off = records.iter().filter(|record| record.unanswered > 0).count();
        self.had_happened = records.iter().filter(|record| record.first.is_replayed).count();
        for (wallet, history) in histories.iter().enumerate() {
            self.ordered += history.len();
            match linear::judge(history, MAX_SETS) {
                Verdict::Linearizable => {}
                verdict => {
                    let what =
                        format!("holder-{wallet}, {} operations and reads: {verdict:?}", history.len());
                    flaws.push(Flaw::new(FlawKind::NotLinearizable, what));
                }
            }
        }
        records
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} strikes in {:.1} s; {} operations acknowledged, {} refused, {} answers 503; {} were cut off, {} had \
             happened before their answer; {} asked for again; {} reads checked, {} steps put in order; verify: {}",
            self.strikes,
            self.took.as_secs_f64(),
            self.acknowledged,
            self.refused,
            self.turned_away,
            self.cut_off,
            self.had_happened,
            self.repeats,
            self.reads,
            self.ordered,
            self.verified
        )
    }
}
