//! How good are the risk scores? With a folder: that set alone, no peers. Without: both public sets, and PyOD and
//! scikit-learn on the same rows and splits. The last line is one JSON object.

mod abuse;
mod anomaly;
mod cpu;
mod disguise;
mod http;
mod metrics;
mod npz;
mod peers;
mod replay;
mod service;
mod timed;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Replays labelled sets through the risk scores and says how good they were")]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    /// A folder with accounts.csv, payments.csv, events.jsonl.gz and labels.csv, or one with .npz files.
    folder: Option<PathBuf>,
    /// Where to write the scores of an abuse set, in the form that evaluate.py reads.
    #[arg(long)]
    scores: Option<PathBuf>,
    /// Feed an abuse set through the service on a database instead, in copies up to so many signals.
    #[arg(long, value_name = "SIGNALS")]
    service: Option<usize>,
    /// Send an abuse set through the service's HTTP API instead, at most so many signals of it.
    #[arg(long, value_name = "SIGNALS", conflicts_with = "service")]
    http: Option<usize>,
    /// Take from an abuse set's sign-ups only what a running installation learns from one: neither plan nor network.
    #[arg(long)]
    as_live: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Write a copy of an abuse set in which the abusers are harder to see.
    Disguise(disguise::Order),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Some(Command::Disguise(order)) => disguise::run(order),
        None => evaluate(&arguments),
    };
    match done {
        Ok(last) => {
            println!("{last}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("risk-eval: {error}");
            ExitCode::FAILURE
        }
    }
}

fn evaluate(arguments: &Arguments) -> Result<String, String> {
    match (&arguments.folder, arguments.service, arguments.http) {
        (folder, Some(signals), _) => served(folder.as_deref(), signals, arguments.as_live),
        (folder, None, Some(signals)) => called(folder.as_deref(), signals),
        (Some(folder), None, None) => one(folder, arguments.scores.as_deref(), arguments.as_live),
        (None, None, None) => both(arguments.scores.as_deref()),
    }
}

fn one(folder: &Path, scores: Option<&Path>, as_live: bool) -> Result<String, String> {
    let sets = anomaly::sets(folder)?;
    let last = if sets.is_empty() {
        serde_json::to_string(&abusers(folder, scores, as_live)?)
    } else {
        serde_json::to_string(&anomaly::summary(&anomalies(&sets)?))
    };
    last.map_err(|e| e.to_string())
}

/// A set through the service; without a folder the public one.
fn served(folder: Option<&Path>, signals: usize, as_live: bool) -> Result<String, String> {
    let set = open(&folder.map_or_else(|| data().join("abuse"), Path::to_path_buf), as_live)?;
    serde_json::to_string(&service::run(&set, signals)?).map_err(|e| e.to_string())
}

/// A set through the service's HTTP API; without a folder the public one.
fn called(folder: Option<&Path>, signals: usize) -> Result<String, String> {
    let folder = folder.map_or_else(|| data().join("abuse"), Path::to_path_buf);
    let set = open(&folder, false)?;
    serde_json::to_string(&http::run(&folder, &set, signals)?).map_err(|e| e.to_string())
}

fn data() -> PathBuf {
    std::env::var_os("SCRIP_TEST_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from)
}

/// The public sets lie where the tests' other data lie.
fn both(scores: Option<&Path>) -> Result<String, String> {
    let data = data();
    let folder = data.join("anomaly");
    let rows = anomalies(&anomaly::sets(&folder)?)?;
    peers::compare(&folder, &rows)?;
    let folder = data.join("abuse");
    let written = scores.map_or_else(|| std::env::temp_dir().join("risk-eval-scores.csv"), Path::to_path_buf);
    let abuse = abusers(&folder, Some(&written), false)?;
    peers::judge(&folder, &written, &abuse)?;
    if scores.is_none() {
        std::fs::remove_file(&written).map_err(|e| format!("{}: {e}", written.display()))?;
    }
    let all = serde_json::json!({ "anomaly": anomaly::summary(&rows), "abuse": abuse });
    Ok(all.to_string())
}

fn open(folder: &Path, as_live: bool) -> Result<abuse::Set, String> {
    let mut set = abuse::Set::open(folder)?;
    if as_live {
        set.forget_sign_ups();
    }
    Ok(set)
}

fn anomalies(sets: &[PathBuf]) -> Result<Vec<anomaly::Row>, String> {
    println!(
        "{:<16} {:>7} {:>7} {:>9} {:>9} {:>9} {:>11} {:>9}",
        "set", "AUC", "AP", "fit s", "µs/row", "failures", "forest: s", "µs/row"
    );
    let mut rows = Vec::new();
    for set in sets {
        let row = anomaly::evaluate(set)?;
        println!(
            "{:<16} {:>7.4} {:>7.4} {:>9.3} {:>9.2} {:>9} {:>11.4} {:>9.2}",
            row.set,
            row.auc,
            row.ap,
            row.fit_seconds,
            row.score_micros,
            row.fit_failures,
            row.forest.fit_seconds,
            row.forest.score_micros
        );
        rows.push(row);
    }
    Ok(rows)
}

fn abusers(folder: &Path, scores: Option<&Path>, as_live: bool) -> Result<timed::Summary, String> {
    let set = open(folder, as_live)?;
    let run = replay::replay(&set);
    if let Some(path) = scores {
        replay::write(path, &set, &run)?;
    }
    run.print();
    let summary = timed::summarise(&set, &run.scores, &run.spent);
    for (class, share) in &summary.recall_by_archetype {
        println!("{class:<18} found   {share:.3}");
    }
    for (class, share) in &summary.flagged_by_honest_class {
        println!("{class:<18} flagged {share:.3}");
    }
    Ok(summary)
}
