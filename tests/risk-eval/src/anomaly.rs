//! Sets in the format of ADBench: a table, its labels, and three splits into rows to fit on and rows to score.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis};
use risk::model::{Columns, Ensemble, Forest, Seed};
use serde::Serialize;

use crate::cpu;
use crate::metrics::{average_precision, roc_auc};
use crate::npz::Archive;

/// One set, means over its splits; times are processor time.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    pub set: String,
    pub auc: f64,
    pub ap: f64,
    pub fit_seconds: f64,
    pub score_micros: f64,
    pub fit_failures: usize,
    /// The forest alone, which is what the peers' forests compare with.
    pub forest: Forests,
}

/// Seconds of a fit and microseconds a row, of processor time.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Forests {
    pub fit_seconds: f64,
    pub score_micros: f64,
}

/// What ends the output.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub mean_auc: f64,
    pub mean_ap: f64,
    pub fit_failures: usize,
}

pub fn sets(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut sets: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "npz"))
        .collect();
    sets.sort();
    Ok(sets)
}

#[allow(clippy::cast_precision_loss)]
pub fn evaluate(path: &Path) -> Result<Row, String> {
    let archive = Archive::open(path)?;
    let table = archive.matrix("X")?;
    let labels = archive.positions("y")?;
    let set = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut row = Row { set: set.clone(), ..Row::default() };
    let splits = (0..).take_while(|i| archive.matrix(&format!("train_{i}")).is_ok()).count();
    for split in 0..splits {
        let train = table.select(Axis(0), &archive.positions(&format!("train_{split}"))?);
        let test = archive.positions(&format!("test_{split}"))?;
        let is_bad: Vec<bool> = test.iter().map(|i| labels[*i] == 1).collect();
        let rows = table.select(Axis(0), &test);
        let (scores, fit_seconds, score_seconds, failed) =
            fit_and_score(&format!("{set}/{split}"), &train, &rows);
        row.auc += roc_auc(&is_bad, &scores) / splits as f64;
        row.ap += average_precision(&is_bad, &scores) / splits as f64;
        row.fit_seconds += fit_seconds / splits as f64;
        row.score_micros += score_seconds * 1e6 / rows.nrows() as f64 / splits as f64;
        row.fit_failures += usize::from(failed);
        let forest = time_forest(&train, &rows);
        row.forest.fit_seconds += forest.fit_seconds / splits as f64;
        row.forest.score_micros += forest.score_micros / splits as f64;
    }
    Ok(row)
}

/// A fit that fails leaves all rows equal, which is what an installation without a model knows.
fn fit_and_score(id: &str, train: &Array2<f64>, rows: &Array2<f64>) -> (Vec<f64>, f64, f64, bool) {
    let started = cpu::of_thread();
    let fitted = Ensemble::fit(id, train.view());
    let fit_seconds = cpu::of_thread() - started;
    match fitted {
        Ok(model) => {
            let started = cpu::of_thread();
            let scores = rows.rows().into_iter().map(|row| model.score(&row.to_vec())).collect();
            (scores, fit_seconds, cpu::of_thread() - started, false)
        }
        Err(error) => {
            eprintln!("{id}: {error}");
            (vec![0.0; rows.nrows()], fit_seconds, 0.0, true)
        }
    }
}

#[allow(clippy::cast_precision_loss)]
fn time_forest(train: &Array2<f64>, rows: &Array2<f64>) -> Forests {
    let started = cpu::of_thread();
    let Ok(columns) = Columns::learn(train.view()) else { return Forests::default() };
    let forest = Forest::fit(columns.clean_all(train.view()).view(), Seed::of("forest", "alone"));
    let fit_seconds = cpu::of_thread() - started;
    let started = cpu::of_thread();
    let clean = columns.clean_all(rows.view());
    let sum: f64 = clean.rows().into_iter().map(|row| forest.score(&row.to_vec())).sum();
    std::hint::black_box(sum);
    Forests { fit_seconds, score_micros: (cpu::of_thread() - started) * 1e6 / rows.nrows().max(1) as f64 }
}

#[allow(clippy::cast_precision_loss)]
pub fn summary(rows: &[Row]) -> Summary {
    let count = rows.len().max(1) as f64;
    Summary {
        mean_auc: rows.iter().map(|r| r.auc).sum::<f64>() / count,
        mean_ap: rows.iter().map(|r| r.ap).sum::<f64>() / count,
        fit_failures: rows.iter().map(|r| r.fit_failures).sum(),
    }
}
