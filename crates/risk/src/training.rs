//! What a nightly run does, on rows of [`Features`](crate::features::Features) as they were stored: fit, compare
//! with the rows before, and weigh what reviewers taught.

use ndarray::Array2;

use crate::drift::psi;
use crate::features::{COUNT, NAMES};
use crate::feedback::{FEWEST_VERDICTS, Feedback};
use crate::model::{Ensemble, FitError};
use crate::score::Reason;

/// One wallet on one day.
pub type Row = [f64; COUNT];

/// Wallet-days that a model is fitted on at most.
pub const MAX_ROWS: usize = 20_000;
/// Every so many-th verdict is kept from fitting, to choose the weight by.
const HELD_OUT: usize = 4;
/// Weights of what reviewers taught that are tried. Never more: at 0.4 it brings nobody to a reviewer alone with the
/// usual thresholds, and keeps nobody from one whom a pattern is certain of (0.98 × 0.6 > 0.5).
const WEIGHTS: [f64; 5] = [0.0, 0.1, 0.2, 0.3, 0.4];
/// As a reason, in settings and where it is snoozed.
pub const REVIEWERS: &str = "reviewers";
/// What adds less to a score is no reason for it.
const LEAST_GAIN: f64 = 0.005;

/// Fits a model; its id decides all randomness.
///
/// # Errors
/// Those of [`Ensemble::fit`]. Keep the old model then.
pub fn fit(model_id: &str, rows: &[Row]) -> Result<Ensemble, FitError> {
    Ensemble::fit(model_id, matrix(rows).view())
}

/// The population stability index of each feature, the largest first.
#[must_use]
pub fn drift(then: &[Row], now: &[Row]) -> Vec<(&'static str, f64)> {
    let indices = psi(matrix(then).view(), matrix(now).view());
    let mut named: Vec<(&'static str, f64)> = NAMES.into_iter().zip(indices).collect();
    named.sort_by(|a, b| b.1.total_cmp(&a.1));
    named
}

/// How unusual the model finds the rows, as a mean share; a candidate that finds every row as unusual as any
/// other, or none, has learnt nothing.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn spread(model: &Ensemble, rows: &[Row]) -> f64 {
    let shares: Vec<f64> = rows.iter().map(|row| model.share_below(row)).collect();
    let mean = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
    (shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / shares.len().max(1) as f64).sqrt()
}

/// A judged wallet: its features and score at that moment, and whether the reviewer confirmed abuse.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    pub row: Row,
    pub score: f64,
    pub is_confirmed: bool,
}

/// What reviewers taught, with the weight it has in a score.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Taught {
    pub feedback: Feedback,
    /// 0 to 1: the part of the score that is the reviewers'.
    pub weight: f64,
    /// Average precision on the verdicts kept from fitting, with this weight and with none.
    pub precision: f64,
    pub precision_without: f64,
}

impl Taught {
    /// The score with what reviewers taught.
    #[must_use]
    pub fn blended(&self, score: f64, row: &Row) -> f64 {
        blend(score, self.feedback.chance(row), self.weight)
    }

    /// Why the score is higher with it; none when it is not.
    #[must_use]
    pub fn reason(&self, score: f64, row: &Row) -> Option<Reason> {
        let strength = self.blended(score, row) - score;
        let sentence = format!(
            "By what reviewers decided before, there is a chance of {:.0} % that they would confirm this.",
            self.feedback.chance(row) * 100.0
        );
        (strength >= LEAST_GAIN).then(|| Reason { name: REVIEWERS.to_owned(), strength, sentence })
    }
}

/// Learns from verdicts; the weight is the smallest that orders the verdicts kept from fitting best. None while
/// there are too few.
///
/// # Errors
/// When the regression fails. Keep what was taught before.
pub fn teach(verdicts: &[Judged]) -> Result<Option<Taught>, FitError> {
    if verdicts.len() < FEWEST_VERDICTS {
        return Ok(None);
    }
    let (kept, learnt): (Vec<_>, Vec<_>) =
        verdicts.iter().enumerate().partition(|(position, _)| position % HELD_OUT == 0);
    let rows: Vec<Row> = learnt.iter().map(|(_, judged)| judged.row).collect();
    let targets: Vec<bool> = learnt.iter().map(|(_, judged)| judged.is_confirmed).collect();
    let Some(feedback) = Feedback::fit_from(1, matrix(&rows).view(), &targets)? else { return Ok(None) };
    let precision = |weight: f64| {
        let scored = kept.iter().map(|(_, judged)| {
            let chance = feedback.chance(&judged.row);
            (blend(judged.score, chance, weight), judged.is_confirmed)
        });
        average_precision(scored.collect())
    };
    let tried = WEIGHTS.map(|weight| (weight, precision(weight)));
    let best = tried.into_iter().fold(tried[0], |best, next| if next.1 > best.1 { next } else { best });
    Ok(Some(Taught { weight: best.0, precision: best.1, precision_without: tried[0].1, feedback }))
}

/// A score in which what reviewers taught has this weight.
#[must_use]
pub fn blend(score: f64, chance: f64, weight: f64) -> f64 {
    (1.0 - weight) * score + weight * chance
}

/// The mean of the precision at each confirmed one, in the order of their scores; 0 when there is none.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn average_precision(mut scored: Vec<(f64, bool)>) -> f64 {
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let (mut hits, mut sum) = (0.0, 0.0);
    for (place, (_, is_confirmed)) in scored.iter().enumerate() {
        if *is_confirmed {
            hits += 1.0;
            sum += hits / (place + 1) as f64;
        }
    }
    if hits > 0.0 { sum / hits } else { 0.0 }
}

fn matrix(rows: &[Row]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), COUNT), |(i, j)| rows[i][j])
}
