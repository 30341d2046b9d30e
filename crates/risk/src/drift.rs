//! Has the world moved away from what a model was fitted on? The population stability index per feature.

use ndarray::ArrayView2;

/// From here on a notice is due.
pub const NOTICE: f64 = 0.1;
/// From here on the model should be fitted anew and somebody told.
pub const REFIT: f64 = 0.25;

/// Deciles: the usual choice for this index.
const BINS: usize = 10;
/// An empty bin counts as this share, so that no logarithm is infinite.
const LEAST_SHARE: f64 = 1e-4;

/// The index of each column of `now` against `then`, at least 0. Bins are the deciles of `then`; values that are
/// no numbers are left out. A column without numbers on one of the two sides has index 0: nothing is known.
#[must_use]
pub fn psi(then: ArrayView2<f64>, now: ArrayView2<f64>) -> Vec<f64> {
    let columns = then.columns().into_iter().zip(now.columns());
    columns.map(|(then, now)| column(&numbers(then.iter()), &numbers(now.iter()))).collect()
}

fn numbers<'a>(values: impl Iterator<Item = &'a f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = values.copied().filter(|v| !v.is_nan()).collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers
}

fn column(then: &[f64], now: &[f64]) -> f64 {
    if then.is_empty() || now.is_empty() {
        return 0.0;
    }
    let mut edges: Vec<f64> = (1..BINS).map(|i| then[i * (then.len() - 1) / BINS]).collect();
    edges.dedup();
    let (before, after) = (shares(then, &edges), shares(now, &edges));
    before.iter().zip(after).map(|(b, a)| (a - b) * (a / b).ln()).sum()
}

/// Shares of sorted values in the bins that end with each edge, and in the one above the last.
#[allow(clippy::cast_precision_loss)]
fn shares(sorted: &[f64], edges: &[f64]) -> Vec<f64> {
    let mut below = 0;
    let mut shares = Vec::with_capacity(edges.len() + 1);
    for edge in edges.iter().copied().chain([f64::INFINITY]) {
        let up_to = sorted.partition_point(|v| *v <= edge);
        shares.push(((up_to - below) as f64 / sorted.len() as f64).max(LEAST_SHARE));
        below = up_to;
    }
    shares
}
