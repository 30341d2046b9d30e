use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

/// Empirical cumulative distributions (ECOD; Li et al. 2022): how far out in the tails lies each value?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ecod {
    columns: Vec<Tails>,
}

/// Quantiles of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tails {
    sorted: Vec<f64>,
}

/// More than this many values are thinned to their quantiles, with both ends kept.
const KEPT_VALUES: usize = 20_000;

impl Ecod {
    #[must_use]
    pub fn fit(rows: ArrayView2<f64>) -> Ecod {
        let columns = rows.columns().into_iter().map(|column| {
            let mut sorted = column.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            if sorted.len() > KEPT_VALUES {
                let last = sorted.len() - 1;
                sorted = (0..KEPT_VALUES).map(|i| sorted[i * last / (KEPT_VALUES - 1)]).collect();
            }
            Tails { sorted }
        });
        Ecod { columns: columns.collect() }
    }

    /// Natural logarithms, for each column that of its emptier side, summed; at least 0.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        self.columns.iter().zip(row).map(|(tails, value)| tails.surprise(*value)).sum()
    }
}

impl Tails {
    /// -ln of the share of values at most, or at least, this one, whichever is smaller; half a row where there
    /// is none.
    #[allow(clippy::cast_precision_loss)]
    fn surprise(&self, value: f64) -> f64 {
        let count = self.sorted.len() as f64;
        let below = self.sorted.partition_point(|v| *v < value);
        let up_to = (below + equal(&self.sorted[below..], value)) as f64;
        let from = count - below as f64;
        -(up_to.min(from).max(0.5) / count).ln()
    }
}

/// How many values at the beginning of these are not above `value`. Hardly any as a rule: looked for in steps that
/// double.
fn equal(sorted: &[f64], value: f64) -> usize {
    let mut reach = 1;
    while reach <= sorted.len() && sorted[reach - 1] <= value {
        reach *= 2;
    }
    sorted[..reach.min(sorted.len())].partition_point(|v| *v <= value)
}
