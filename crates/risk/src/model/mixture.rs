use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::GaussianMixtureModel;
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{FitError, Seed};

/// A Gaussian mixture by linfa: how unlikely is the row under a few overlapping groups?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Group {
    mean: Vec<f64>,
    /// Lower triangle of the Cholesky factor of the precision, row after row, diagonal included.
    factor: Vec<f64>,
    /// ln of weight × density at the mean.
    peak: f64,
}

/// Values are cut here, in standard deviations: unclipped, a quarter of all fits fails.
const CLIP: f64 = 6.0;
/// From exact to safe. What fails on one step is tried on the next.
const LADDER: [(usize, f64); 6] = [(4, 1e-3), (4, 1e-2), (3, 1e-2), (2, 5e-2), (1, 1e-1), (1, 1.0)];
const MAX_ROWS: usize = 2_000;
const MAX_ROUNDS: u64 = 50;
/// Gain in mean log-likelihood below which the fit has arrived.
const TOLERANCE: f64 = 5e-3;

impl Mixture {
    /// Fits on clean rows, on at most 2,000 of them.
    ///
    /// # Errors
    /// When every step of the ladder fails.
    pub fn fit(rows: ArrayView2<f64>, mut seed: Seed) -> Result<Mixture, FitError> {
        let chosen = seed.sample(rows.nrows(), MAX_ROWS);
        let sample = Array2::from_shape_fn((chosen.len(), rows.ncols()), |(i, j)| {
            rows[[chosen[i], j]].clamp(-CLIP, CLIP)
        });
        let data = DatasetBase::from(sample);
        let mut last = String::new();
        for (components, regularisation) in LADDER {
            let fitted = GaussianMixtureModel::params_with_rng(components, seed.generator())
                .n_runs(1)
                .max_n_iterations(MAX_ROUNDS)
                .tolerance(TOLERANCE)
                .reg_covariance(regularisation)
                .fit(&data);
            match fitted.map_err(|error| error.to_string()).and_then(|model| Mixture::of(&model)) {
                Ok(mixture) => return Ok(mixture),
                Err(error) => last = error,
            }
        }
        Err(FitError::Mixture { last })
    }

    /// Minus the log-likelihood, natural logarithm.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        let mut highest = f64::NEG_INFINITY;
        let mut sum = 0.0_f64;
        for group in &self.groups {
            let log = group.log_likelihood(row);
            if log > highest {
                sum = sum * (highest - log).exp() + 1.0;
                highest = log;
            } else {
                sum += (log - highest).exp();
            }
        }
        -(highest + sum.ln())
    }

    fn of(model: &GaussianMixtureModel<f64>) -> Result<Mixture, String> {
        let groups: Result<Vec<Group>, String> = model
            .weights()
            .iter()
            .zip(model.means().rows())
            .zip(model.precisions().outer_iter())
            .map(|((weight, mean), precision)| Group::of(*weight, mean.to_vec(), precision))
            .collect();
        groups.map(|groups| Mixture { groups })
    }
}

impl Group {
    #[allow(clippy::cast_precision_loss)]
    fn of(weight: f64, mean: Vec<f64>, precision: ArrayView2<f64>) -> Result<Group, String> {
        let factor = cholesky(precision).ok_or("a precision is not positive definite")?;
        let half_log_determinant: f64 = (0..mean.len()).map(|i| factor[triangle(i) + i].ln()).sum();
        let peak = weight.max(f64::MIN_POSITIVE).ln() + half_log_determinant
            - 0.5 * mean.len() as f64 * std::f64::consts::TAU.ln();
        let is_finite = peak.is_finite() && factor.iter().chain(&mean).all(|v| v.is_finite());
        if is_finite { Ok(Group { mean, factor, peak }) } else { Err("a group is not finite".to_owned()) }
    }

    /// With precision = L·Lᵀ the distance is |Lᵀ(x − mean)|², which cannot be negative.
    fn log_likelihood(&self, row: &[f64]) -> f64 {
        let width = self.mean.len();
        let mut along = [0.0_f64; 64];
        let mut wide;
        let along: &mut [f64] = if width <= along.len() {
            &mut along[..width]
        } else {
            wide = vec![0.0; width];
            &mut wide
        };
        for (i, (value, mean)) in row.iter().zip(&self.mean).enumerate() {
            let away = value.clamp(-CLIP, CLIP) - mean;
            let line = &self.factor[triangle(i)..=triangle(i) + i];
            for (sum, factor) in along.iter_mut().zip(line) {
                *sum += factor * away;
            }
        }
        self.peak - 0.5 * along.iter().map(|v| v * v).sum::<f64>()
    }
}

/// Where row `i` of a packed lower triangle begins.
fn triangle(i: usize) -> usize {
    i * (i + 1) / 2
}

/// The packed lower factor L with L·Lᵀ = `matrix`, if the matrix is positive definite.
fn cholesky(matrix: ArrayView2<f64>) -> Option<Vec<f64>> {
    let width = matrix.nrows();
    let mut factor = vec![0.0; triangle(width)];
    for i in 0..width {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| factor[triangle(i) + k] * factor[triangle(j) + k]).sum();
            let rest = (matrix[[i, j]] + matrix[[j, i]]) / 2.0 - dot;
            factor[triangle(i) + j] = if i == j {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / factor[triangle(j) + j]
            };
        }
    }
    Some(factor)
}
