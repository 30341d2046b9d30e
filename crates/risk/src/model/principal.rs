use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_reduction::Pca;
use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::{FitError, Seed};

/// Principal components by linfa: how far from the middle, measured along and across the usual directions?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Principal {
    mean: Vec<f64>,
    /// One direction after the other, each as long as `mean`, scaled to unit variance.
    directions: Vec<f64>,
}

const CLIP: f64 = 6.0;
const MAX_ROWS: usize = 4_000;
/// Added to every variance, so that a direction in which nothing varies does not rule all.
const VARIANCE_FLOOR: f64 = 1e-2;

impl Principal {
    /// Fits on clean rows, on at most 4,000 of them.
    ///
    /// # Errors
    /// When linfa's decomposition fails or finds nothing finite.
    #[allow(clippy::cast_precision_loss)]
    pub fn fit(rows: ArrayView2<f64>, mut seed: Seed) -> Result<Principal, FitError> {
        let chosen = seed.sample(rows.nrows(), MAX_ROWS);
        let sample = Array2::from_shape_fn((chosen.len(), rows.ncols()), |(i, j)| {
            rows[[chosen[i], j]].clamp(-CLIP, CLIP)
        });
        let data = DatasetBase::from(sample);
        let model = Pca::params(rows.ncols().min(chosen.len()))
            .fit(&data)
            .map_err(|error| FitError::Principal(error.to_string()))?;
        let mut directions = Vec::with_capacity(model.components().len());
        for (direction, singular) in model.components().axis_iter(Axis(0)).zip(model.singular_values()) {
            let variance = singular * singular / chosen.len() as f64 + VARIANCE_FLOOR;
            directions.extend(direction.iter().map(|v| v / variance.sqrt()));
        }
        let mean = model.mean().to_vec();
        if directions.iter().chain(&mean).all(|v| v.is_finite()) {
            Ok(Principal { mean, directions })
        } else {
            Err(FitError::Principal("a direction is not finite".to_owned()))
        }
    }

    /// Squared distance in units of variance.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        self.directions.chunks(self.mean.len()).map(|d| self.along(d, row).powi(2)).sum()
    }

    fn along(&self, direction: &[f64], row: &[f64]) -> f64 {
        let parts = direction.iter().zip(row).zip(&self.mean);
        parts.map(|((d, value), mean)| d * (value.clamp(-CLIP, CLIP) - mean)).sum()
    }
}
