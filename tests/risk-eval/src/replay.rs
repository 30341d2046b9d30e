//! The service's own watch over a set, signal by signal, with a model fitted anew every night.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ndarray::Array2;
use risk::features::COUNT;
use risk::model::Ensemble;
use risk::signal::{Millis, What};
use risk::watch::Watch;
use risk::window::DAY;

use crate::abuse::Set;
use crate::timed::{Scores, Spent};

/// A run over a set.
pub struct Run {
    pub scores: Vec<Scores>,
    pub spent: Vec<Spent>,
    /// Nanoseconds of each signal that was assessed, sorted.
    pub nanos: Vec<u64>,
    pub fits: usize,
    pub fit_failures: usize,
}

impl Run {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub fn print(&self) {
        let at = |share: f64| {
            let place = (share * self.nanos.len() as f64) as usize;
            self.nanos.get(place).map_or(0.0, |n| *n as f64 / 1e3)
        };
        println!(
            "{} signals assessed, p50 {:.1} µs, p99 {:.1} µs; {} models fitted, {} nights without; {} bytes a wallet",
            self.nanos.len(),
            at(0.5),
            at(0.99),
            self.fits - self.fit_failures,
            self.fit_failures,
            size_of::<risk::wallet::Wallet>(),
        );
    }
}

/// Wallet-days that a night's model is fitted on.
const MAX_ROWS: usize = 20_000;

pub fn replay(set: &Set) -> Run {
    let mut watch = Watch::default();
    let count = set.accounts.len();
    let mut run = Run {
        scores: vec![Vec::new(); count],
        spent: vec![Vec::new(); count],
        nanos: Vec::new(),
        fits: 0,
        fit_failures: 0,
    };
    let mut days = Days::default();
    for signal in &set.signals {
        if let Some(rows) = days.turn(signal.at) {
            run.fits += 1;
            match Ensemble::fit(&format!("night-{}", days.today), rows.view()) {
                Ok(model) => watch.promote(Some(Arc::new(model))),
                // Too few rows on the first nights; later the old model stays.
                Err(_) => run.fit_failures += 1,
            }
        }
        let started = Instant::now();
        let assessed = watch.take(signal);
        let nanos = started.elapsed().as_nanos();
        if !matches!(signal.what, What::Fetched { .. }) {
            run.nanos.push(u64::try_from(nanos).unwrap_or(u64::MAX));
        }
        for (wallet, assessment) in assessed {
            let Ok(i) = usize::try_from(wallet) else { continue };
            run.scores[i].push((signal.at, assessment.score));
            // A day of a wallet is a day on which it did something.
            if wallet == signal.wallet && !matches!(signal.what, What::SignedUp(_)) {
                days.saw(wallet, assessment.features.vector());
            }
        }
        if let (What::Used(used), Ok(i)) = (signal.what, usize::try_from(signal.wallet)) {
            run.spent[i].push((signal.at, f64::from(used.credits)));
        }
    }
    run.nanos.sort_unstable();
    run
}

/// The last features of each wallet on each day, which is what a night's model learns from.
#[derive(Default)]
struct Days {
    today: i64,
    rows: Vec<[f64; COUNT]>,
    last: HashMap<u128, [f64; COUNT]>,
}

impl Days {
    fn saw(&mut self, wallet: u128, row: [f64; COUNT]) {
        self.last.insert(wallet, row);
    }

    /// All rows so far when a day with activity has ended.
    fn turn(&mut self, at: Millis) -> Option<Array2<f64>> {
        let day = at.div_euclid(DAY);
        if day <= self.today {
            return None;
        }
        self.today = day;
        let mut ended: Vec<(u128, [f64; COUNT])> = self.last.drain().collect();
        if ended.is_empty() {
            return None;
        }
        ended.sort_unstable_by_key(|(wallet, _)| *wallet);
        self.rows.extend(ended.into_iter().map(|(_, row)| row));
        let first = self.rows.len().saturating_sub(MAX_ROWS);
        self.rows.drain(..first);
        Some(Array2::from_shape_fn((self.rows.len(), COUNT), |(i, j)| self.rows[i][j]))
    }
}

/// Writes the scores in the form that the data's own `evaluate.py` reads.
pub fn write(path: &Path, set: &Set, run: &Run) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    writeln!(out, "account_id,scored_at,score").map_err(failed)?;
    for (account, scores) in set.accounts.iter().zip(&run.scores) {
        for (at, score) in scores {
            let at = chrono::DateTime::from_timestamp_millis(*at).unwrap_or_default().to_rfc3339();
            writeln!(out, "{},{at},{score:e}", account.id).map_err(failed)?;
        }
    }
    out.flush().map_err(failed)
}
