//! PyOD and scikit-learn on the same rows and splits, in a virtual environment of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::anomaly::Row;
use crate::timed::Summary;

/// One peer on one split.
#[derive(Deserialize)]
struct PeerRow {
    set: String,
    peer: String,
    auc: f64,
    ap: f64,
    fit_seconds: f64,
    score_micros: f64,
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers.py");
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/requirements.txt");

/// Prints one line for each peer: means over all sets, and our own line last.
pub fn compare(folder: &Path, ours: &[Row]) -> Result<(), String> {
    let python = environment()?;
    let output = run(Command::new(python).arg(SCRIPT).arg(folder))?;
    let rows: Vec<PeerRow> = output
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|e| e.to_string()))
        .collect::<Result<_, _>>()?;
    let mut names: Vec<&str> = rows.iter().map(|r| r.peer.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    println!("{:<24} {:>7} {:>7} {:>9} {:>9}", "mean over sets", "AUC", "AP", "fit s", "µs/row");
    for name in names {
        // A set that a peer's fit failed on is missing there and is not in its mean.
        let of: Vec<&PeerRow> = rows.iter().filter(|r| r.peer == name).collect();
        let mean = |value: fn(&PeerRow) -> f64| mean(of.iter().map(|r| value(r)));
        let sets: std::collections::BTreeSet<&str> = of.iter().map(|r| r.set.as_str()).collect();
        print_line(
            &format!("{name} ({} sets)", sets.len()),
            [mean(|r| r.auc), mean(|r| r.ap), mean(|r| r.fit_seconds), mean(|r| r.score_micros)],
        );
    }
    let of_ours = |value: fn(&Row) -> f64| mean(ours.iter().map(value));
    print_line(
        &format!("scrip ({} sets)", ours.len()),
        [of_ours(|r| r.auc), of_ours(|r| r.ap), of_ours(|r| r.fit_seconds), of_ours(|r| r.score_micros)],
    );
    println!(
        "{:<24} {:>7} {:>7} {:>9.4} {:>9.2}",
        "scrip, its forest alone",
        "",
        "",
        of_ours(|r| r.forest.fit_seconds),
        of_ours(|r| r.forest.score_micros)
    );
    Ok(())
}

/// What the set's own `evaluate.py` says of our scores at a budget equal to prevalence.
#[derive(Deserialize)]
struct Judgement {
    roc_auc: f64,
    ap: f64,
    at_prevalence: AtPrevalence,
}

#[derive(Deserialize)]
struct AtPrevalence {
    recall: f64,
    median_hours_to_detection: Option<f64>,
    preventable_credit_share: f64,
}

/// Has the set's own program score what we wrote, prints it, and compares it with our own reckoning.
pub fn judge(folder: &Path, scores: &Path, ours: &Summary) -> Result<(), String> {
    let mut command = Command::new(environment()?);
    command.arg(folder.join("evaluate.py")).arg("--data").arg(folder).arg("--scores").arg(scores);
    let output = run(command.args(["--budgets", "0.01", "--credits"]))?;
    let theirs: Judgement = serde_json::from_str(&output).map_err(|e| e.to_string())?;
    let (hours, at) = (theirs.at_prevalence.median_hours_to_detection, &theirs.at_prevalence);
    println!(
        "evaluate.py: AUC {:.4}, AP {:.4}; at prevalence recall {:.4}, {:.2} h, {:.4} preventable",
        theirs.roc_auc,
        theirs.ap,
        at.recall,
        hours.unwrap_or(f64::NAN),
        at.preventable_credit_share
    );
    let pairs = [
        (ours.auc, theirs.roc_auc),
        (ours.ap, theirs.ap),
        (ours.median_hours_to_detection.unwrap_or_default(), hours.unwrap_or_default()),
        (ours.preventable_credits, at.preventable_credit_share),
    ];
    // It rounds: hours to two digits, shares to four.
    let differs = pairs.into_iter().any(|(ours, theirs)| (ours - theirs).abs() > 0.006);
    if differs { Err(format!("evaluate.py says otherwise: (ours, its) {pairs:?}")) } else { Ok(()) }
}

fn print_line(name: &str, [auc, ap, fit, score]: [f64; 4]) {
    println!("{name:<24} {auc:>7.4} {ap:>7.4} {fit:>9.4} {score:>9.2}");
}

#[allow(clippy::cast_precision_loss)]
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The Python of the environment beside this executable, made when it is missing.
fn environment() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|e| e.to_string())?;
    let folder = here.parent().ok_or("the executable lies in no folder")?.join("risk-eval-peers");
    let python = folder.join("bin/python");
    if !folder.join("complete").exists() {
        eprintln!("installing the peers into {}", folder.display());
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python).args(["-m", "pip", "install", "-q", "-r", REQUIREMENTS]))?;
        std::fs::write(folder.join("complete"), "").map_err(|e| e.to_string())?;
    }
    Ok(python)
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("{command:?} did not start: {e}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
