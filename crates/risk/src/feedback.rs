//! What reviewers teach: a logistic regression on the same features, from their verdicts.

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::model::{Columns, FitError};

/// Fewer verdicts than this teach nothing that lasts.
pub const FEWEST_VERDICTS: usize = 200;
/// Of each kind.
const FEWEST_OF_A_KIND: usize = 20;
/// Values are cut here, in standard deviations, so that one wallet does not bend the line.
const CLIP: f64 = 6.0;
/// Strength of the ridge.
const RIDGE: f64 = 1.0;
const MAX_ROUNDS: u64 = 200;

/// The chance that a reviewer would confirm abuse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    columns: Columns,
    weights: Vec<f64>,
    intercept: f64,
}

impl Feedback {
    /// Fits on one row of features for each verdict; true is confirmed abuse. None while there are too few.
    ///
    /// # Errors
    /// When no column varies or linfa's solver fails.
    pub fn fit(rows: ArrayView2<f64>, confirmed: &[bool]) -> Result<Option<Feedback>, FitError> {
        Feedback::fit_from(FEWEST_VERDICTS, rows, confirmed)
    }

    /// As [`Feedback::fit`] on a part of the verdicts.
    pub(crate) fn fit_from(
        fewest: usize,
        rows: ArrayView2<f64>,
        confirmed: &[bool],
    ) -> Result<Option<Feedback>, FitError> {
        let abusive = confirmed.iter().filter(|c| **c).count();
        let is_enough = rows.nrows() == confirmed.len()
            && rows.nrows() >= fewest
            && abusive.min(confirmed.len() - abusive) >= FEWEST_OF_A_KIND;
        if !is_enough {
            return Ok(None);
        }
        let columns = Columns::learn(rows)?;
        let clean = columns.clean_all(rows).mapv(|v| v.clamp(-CLIP, CLIP));
        let targets = Array1::from_iter(confirmed.iter().map(|c| usize::from(*c)));
        let fitted = LogisticRegression::default()
            .alpha(RIDGE)
            .max_iterations(MAX_ROUNDS)
            .fit(&Dataset::new(clean.clone(), targets))
            .map_err(|error| FitError::Logistic(error.to_string()))?;
        let mut weights = fitted.params().to_vec();
        let mut intercept = fitted.intercept();
        if !weights.iter().chain([&intercept]).all(|w| w.is_finite()) {
            return Err(FitError::Logistic("a weight is not finite".to_owned()));
        }
        // linfa calls either class positive, whichever it meets first. The confirmed must come out higher.
        if mean_line(clean.view(), &weights, confirmed, true)
            < mean_line(clean.view(), &weights, confirmed, false)
        {
            weights.iter_mut().for_each(|w| *w = -*w);
            intercept = -intercept;
        }
        Ok(Some(Feedback { columns, weights, intercept }))
    }

    /// 0 to 1.
    #[must_use]
    pub fn chance(&self, row: &[f64]) -> f64 {
        let mut clean = vec![0.0; self.columns.kept()];
        self.columns.clean(row, &mut clean);
        let parts = clean.iter().zip(&self.weights).map(|(v, w)| v.clamp(-CLIP, CLIP) * w);
        1.0 / (1.0 + (-(parts.sum::<f64>() + self.intercept)).exp())
    }
}

#[allow(clippy::cast_precision_loss)]
fn mean_line(rows: ArrayView2<f64>, weights: &[f64], confirmed: &[bool], kind: bool) -> f64 {
    let chosen: Vec<f64> = rows
        .axis_iter(Axis(0))
        .zip(confirmed)
        .filter(|(_, c)| **c == kind)
        .map(|(row, _)| row.iter().zip(weights).map(|(v, w)| v * w).sum())
        .collect();
    chosen.iter().sum::<f64>() / chosen.len().max(1) as f64
}
