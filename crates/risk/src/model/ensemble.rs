use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::{Columns, Ecod, FitError, Forest, Hbos, Mixture, Principal, Seed};

/// Five models that are wrong in different ways, joined into one measure of how unusual a row is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ensemble {
    columns: Columns,
    forest: Forest,
    ecod: Ecod,
    hbos: Hbos,
    mixture: Mixture,
    principal: Principal,
    /// Mean and standard deviation of each member's score over the rows it was fitted on.
    usual: [(f64, f64); MEMBERS],
    /// Sorted scores of the rows it was fitted on, thinned to at most 1,001 quantiles.
    quantiles: Vec<f64>,
}

const MEMBERS: usize = 5;
/// Of forest, ECOD, HBOS, mixture and principal components. The forest leads: it is the best of them alone. The
/// others see what axis-parallel cuts do not, and one of them with a long tail must not drown it.
const WEIGHTS: [f64; MEMBERS] = [1.0, 0.2, 0.1, 0.1, 0.05];
const MAX_QUANTILES: usize = 1_001;
/// Widest row that is cleaned without an allocation.
const NARROW: usize = 64;

impl Ensemble {
    /// Fits on rows × columns as they come; all randomness follows from `model_id`, so that the same id and rows
    /// give the same bits.
    ///
    /// # Errors
    /// With too few rows, when no column varies, or when a decomposition fails. Keep the old model then.
    pub fn fit(model_id: &str, rows: ArrayView2<f64>) -> Result<Ensemble, FitError> {
        let columns = Columns::learn(rows)?;
        let clean = columns.clean_all(rows);
        let mut ensemble = Ensemble {
            forest: Forest::fit(clean.view(), Seed::of(model_id, "forest")),
            ecod: Ecod::fit(clean.view()),
            hbos: Hbos::fit(clean.view()),
            mixture: Mixture::fit(clean.view(), Seed::of(model_id, "mixture"))?,
            principal: Principal::fit(clean.view(), Seed::of(model_id, "principal"))?,
            usual: [(0.0, 1.0); MEMBERS],
            quantiles: Vec::new(),
            columns,
        };
        // A model that is fitted on many rows learns what is usual from an even part of them.
        let step = clean.nrows().div_ceil(MAX_USUAL_ROWS);
        let members: Vec<[f64; MEMBERS]> =
            clean.rows().into_iter().step_by(step).map(|row| ensemble.members(&row.to_vec())).collect();
        ensemble.usual = std::array::from_fn(|member| mean_and_deviation(&members, member));
        let mut scores: Vec<f64> = members.iter().map(|m| ensemble.join(*m)).collect();
        scores.sort_unstable_by(f64::total_cmp);
        ensemble.quantiles = thinned(&scores);
        Ok(ensemble)
    }

    /// How many columns a row must have.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.width()
    }

    /// Weighted mean of standard scores: 0 for a usual row, more for an unusual one. Always finite.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        let kept = self.columns.kept();
        if kept <= NARROW {
            let mut clean = [0.0; NARROW];
            self.columns.clean(row, &mut clean[..kept]);
            self.join(self.members(&clean[..kept]))
        } else {
            let mut clean = vec![0.0; kept];
            self.columns.clean(row, &mut clean);
            self.join(self.members(&clean))
        }
    }

    /// The share of the rows it was fitted on that were less unusual, 0 to 1.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn share_below(&self, row: &[f64]) -> f64 {
        let score = self.score(row);
        self.quantiles.partition_point(|q| *q < score) as f64 / self.quantiles.len().max(1) as f64
    }

    fn members(&self, clean: &[f64]) -> [f64; MEMBERS] {
        [
            self.forest.score(clean),
            self.ecod.score(clean),
            self.hbos.score(clean),
            self.mixture.score(clean),
            self.principal.score(clean),
        ]
    }

    fn join(&self, members: [f64; MEMBERS]) -> f64 {
        let parts = members.iter().zip(self.usual).zip(WEIGHTS);
        let sum: f64 = parts
            .map(|((score, (mean, deviation)), weight)| {
                weight * ((score - mean) / deviation).clamp(-FAR, FAR)
            })
            .sum();
        sum / WEIGHTS.iter().sum::<f64>()
    }
}

const MAX_USUAL_ROWS: usize = 2_000;
/// No member is further out than this many standard deviations.
const FAR: f64 = 1_000.0;

#[allow(clippy::cast_precision_loss)]
fn mean_and_deviation(members: &[[f64; MEMBERS]], member: usize) -> (f64, f64) {
    let count = members.len() as f64;
    let mean = members.iter().map(|m| m[member]).sum::<f64>() / count;
    let variance = members.iter().map(|m| (m[member] - mean).powi(2)).sum::<f64>() / count;
    let deviation = variance.sqrt();
    (mean, if deviation > 0.0 && deviation.is_finite() { deviation } else { 1.0 })
}

fn thinned(sorted: &[f64]) -> Vec<f64> {
    let last = sorted.len() - 1;
    if sorted.len() <= MAX_QUANTILES {
        return sorted.to_vec();
    }
    (0..MAX_QUANTILES).map(|i| sorted[i * last / (MAX_QUANTILES - 1)]).collect()
}
