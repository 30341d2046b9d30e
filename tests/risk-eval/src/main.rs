//! How good are the risk scores? With a folder: that set alone, no peers. Without: both public sets, and PyOD and
//! scikit-learn on the same rows and splits. The last line is one JSON object. A run over a public set that misses a goal
//! of the page about risk fails and says which.

mod abuse;
mod anomaly;
mod cpu;
mod disguise;
mod goals;
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
use serde::Serialize;

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

/// How a run ended.
struct Report {
    /// One JSON object.
    last: String,
    /// Goals that it missed, in sentences.
    missed: Vec<String>,
}

impl Report {
    fn of(outcome: &impl Serialize, missed: Vec<String>) -> Result<Report, String> {
        Ok(Report { last: serde_json::to_string(outcome).map_err(|e| e.to_string())?, missed })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Some(Command::Disguise(order)) => {
            disguise::run(order).map(|last| Report { last, missed: Vec::new() })
        }
        None => evaluate(&arguments),
    };
    match done {
        Ok(report) => {
            println!("{}", report.last);
            report.missed.iter().for_each(|goal| eprintln!("risk-eval: missed: {goal}"));
            if report.missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("risk-eval: {error}");
            ExitCode::FAILURE
        }
    }
}

fn evaluate(arguments: &Arguments) -> Result<Report, String> {
    match (&arguments.folder, arguments.service, arguments.http) {
        (folder, Some(signals), _) => served(folder.as_deref(), signals, arguments.as_live),
        (folder, None, Some(signals)) => called(folder.as_deref(), signals),
        (Some(folder), None, None) => one(folder, arguments.scores.as_deref(), arguments.as_live),
        (None, None, None) => both(arguments.scores.as_deref()),
    }
}

/// Goals are those of the public sets: on another one only what the service has to do anywhere is one.
fn one(folder: &Path, scores: Option<&Path>, as_live: bool) -> Result<Report, String> {
    let sets = anomaly::sets(folder)?;
    if sets.is_empty() {
        Report::of(&abusers(folder, scores, as_live)?, Vec::new())
    } else {
        Report::of(&anomaly::summary(&anomalies(&sets)?), Vec::new())
    }
}

/// A set through the service; without a folder the public one.
fn served(folder: Option<&Path>, signals: usize, as_live: bool) -> Result<Report, String> {
    let set = open(&folder.map_or_else(|| data().join("abuse"), Path::to_path_buf), as_live)?;
    let outcome = service::run(&set, signals)?;
    let mut missed = goals::missed_by_service(&outcome);
    if folder.is_none() {
        missed.extend(goals::missed_on_set_a(&outcome.quality));
    }
    Report::of(&outcome, missed)
}

/// A set through the service's HTTP API; without a folder the public one. Goals are those of the whole set.
fn called(folder: Option<&Path>, signals: usize) -> Result<Report, String> {
    let path = folder.map_or_else(|| data().join("abuse"), Path::to_path_buf);
    let outcome = http::run(&path, &open(&path, false)?, signals)?;
    let is_set_a = folder.is_none() && outcome.is_whole;
    let missed = if is_set_a { goals::missed_on_set_a(&outcome.quality) } else { Vec::new() };
    Report::of(&outcome, missed)
}

fn data() -> PathBuf {
    std::env::var_os("SCRIP_TEST_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from)
}

/// The public sets lie where the tests' other data lie.
fn both(scores: Option<&Path>) -> Result<Report, String> {
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
    let anomaly = anomaly::summary(&rows);
    let mut missed = goals::missed_on_public_sets(&anomaly);
    missed.extend(goals::missed_on_set_a(&abuse));
    Report::of(&serde_json::json!({ "anomaly": anomaly, "abuse": abuse }), missed)
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
