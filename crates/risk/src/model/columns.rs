use ndarray::{Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{FitError, MIN_ROWS};

/// What was learnt of the columns, to give every model clean rows: finite, and without columns that say nothing
/// or say what another said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Columns {
    kept: Vec<Column>,
    width: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Column {
    at: usize,
    lowest: f64,
    highest: f64,
    median: f64,
    mean: f64,
    deviation: f64,
}

impl Columns {
    /// Learns from rows × columns. A column that is constant, has no finite value, or equals an earlier one in
    /// every row is left out.
    ///
    /// # Errors
    /// With fewer than [`MIN_ROWS`] rows, or when no column varies.
    pub fn learn(rows: ArrayView2<f64>) -> Result<Columns, FitError> {
        if rows.nrows() < MIN_ROWS {
            return Err(FitError::TooFewRows { rows: rows.nrows() });
        }
        let mut kept: Vec<Column> = Vec::new();
        for (at, values) in rows.columns().into_iter().enumerate() {
            let is_double = || kept.iter().any(|c| same(rows.column(c.at), values));
            if let Some(column) = Column::learn(at, values)
                && !is_double()
            {
                kept.push(column);
            }
        }
        if kept.is_empty() {
            return Err(FitError::NothingVaries { rows: rows.nrows() });
        }
        Ok(Columns { kept, width: rows.ncols() })
    }

    /// Columns of a row as it comes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Columns of a clean row.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Writes the row in standard deviations from the mean: missing values at the median, infinite ones at the
    /// edge of what was seen. A row that is too short misses its last values.
    pub fn clean(&self, row: &[f64], out: &mut [f64]) {
        for (column, out) in self.kept.iter().zip(out) {
            *out = column.clean(row.get(column.at).copied().unwrap_or(f64::NAN));
        }
    }

    #[must_use]
    pub fn clean_all(&self, rows: ArrayView2<f64>) -> Array2<f64> {
        let mut clean = Array2::zeros((rows.nrows(), self.kept.len()));
        // Row by row, as they lie in memory.
        for (mut out, row) in clean.rows_mut().into_iter().zip(rows.rows()) {
            for (out, column) in out.iter_mut().zip(&self.kept) {
                *out = column.clean(row[column.at]);
            }
        }
        clean
    }
}

impl Column {
    #[allow(clippy::cast_precision_loss)]
    fn learn(at: usize, values: ArrayView1<f64>) -> Option<Column> {
        let mut finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        finite.sort_unstable_by(f64::total_cmp);
        let (&lowest, &highest) = (finite.first()?, finite.last()?);
        // Scaled first, so that values near the end of the range of doubles do not overflow.
        let scale = highest.abs().max(lowest.abs());
        if lowest >= highest || scale <= 0.0 {
            return None;
        }
        let count = finite.len() as f64;
        let mean = finite.iter().map(|v| v / scale).sum::<f64>() / count;
        let variance = finite.iter().map(|v| (v / scale - mean).powi(2)).sum::<f64>() / count;
        let deviation = variance.sqrt() * scale;
        let median = finite[finite.len() / 2];
        (deviation > 0.0 && deviation.is_finite()).then_some(Column {
            at,
            lowest,
            highest,
            median,
            mean: mean * scale,
            deviation,
        })
    }

    fn clean(&self, value: f64) -> f64 {
        let value = match value {
            v if v.is_nan() => self.median,
            v if v == f64::INFINITY => self.highest,
            v if v == f64::NEG_INFINITY => self.lowest,
            v => v,
        };
        ((value - self.mean) / self.deviation).clamp(-1e9, 1e9)
    }
}

fn same(a: ArrayView1<f64>, b: ArrayView1<f64>) -> bool {
    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}
