use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

/// Histograms (HBOS; Goldstein, Dengel 2012): how empty is the bin of each value?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hbos {
    columns: Vec<Histogram>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Histogram {
    lowest: f64,
    bin_width: f64,
    /// -ln of the share of the fullest bin that each bin reaches.
    surprise: Vec<f64>,
    outside: f64,
}

const BINS: usize = 20;
/// Bins hold this share of the fullest one at least, so that one empty bin does not decide alone.
const FLOOR: f64 = 0.002;

impl Hbos {
    #[must_use]
    pub fn fit(rows: ArrayView2<f64>) -> Hbos {
        Hbos { columns: rows.columns().into_iter().map(|c| Histogram::fit(&c.to_vec())).collect() }
    }

    /// Natural logarithms summed over the columns; at least 0.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        self.columns.iter().zip(row).map(|(histogram, value)| histogram.surprise(*value)).sum()
    }
}

impl Histogram {
    #[allow(clippy::cast_precision_loss)]
    fn fit(values: &[f64]) -> Histogram {
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let bin_width = ((highest - lowest) / BINS as f64).max(f64::MIN_POSITIVE);
        let mut counts = [0_usize; BINS];
        for value in values {
            counts[bin(*value, lowest, bin_width).min(BINS - 1)] += 1;
        }
        let fullest = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
        let surprise = |count: usize| -((count as f64 / fullest).max(FLOOR)).ln();
        Histogram {
            lowest,
            bin_width,
            surprise: counts.iter().map(|c| surprise(*c)).collect(),
            outside: surprise(0),
        }
    }

    fn surprise(&self, value: f64) -> f64 {
        if value < self.lowest - self.bin_width {
            return self.outside;
        }
        let bin = bin(value, self.lowest, self.bin_width);
        // The upper end belongs to the last bin.
        let bin = if bin == BINS { BINS - 1 } else { bin };
        self.surprise.get(bin).copied().unwrap_or(self.outside)
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn bin(value: f64, lowest: f64, bin_width: f64) -> usize {
    ((value - lowest) / bin_width).max(0.0) as usize
}
