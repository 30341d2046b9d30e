use std::fmt::Write;
use std::path::Path;

use super::Torture;
use super::stage::{Counts, STAGES, Stage};
use super::state::State;

const HEAD: &str = "\
# Reliability: what was broken, and what was lost

This page is written by `just torture`. Nobody edits it.

Sixteen clients move credits over HTTP: grants, debits, batches, holds, captures, voids, reversals. Some holds
lapse and some grants expire meanwhile. Every client writes its own log and repeats a request with the same
idempotency key until it has an answer. While they work, something is broken again and again. Afterwards a
fresh server reads the journal, and these must hold:

- Every acknowledged operation is in the journal exactly once and did what was asked for.
- Nothing else is in the journal. Every lapse and expiry is there once, at its instant.
- Every repeat of an acknowledged request got the first answer, byte for byte.
- Every balance that was read meanwhile was possible: nothing negative, the lots add up.
- For the two wallets that time does not touch, some order of all operations and reads explains every answer.
- `scrip verify` finds nothing.

The tests have a canary for each kind of fault: a server that is wrong on purpose and must be noticed.
What could not run says \"not run\".

";

/// Replaces the page by one that tells what was done so far.
pub fn write(path: &Path, torture: &Torture, state: &State, missing: &[(&str, &str)]) {
    let mut page = HEAD.to_owned();
    let seconds: u64 = state.rounds.iter().map(|round| round.seconds).sum();
    let _ = writeln!(
        page,
        "Commit `{}`, seed {}, {} rounds of {} minutes in sum, {} operations acknowledged.\n",
        torture.commit,
        torture.seed,
        state.rounds.len(),
        seconds / 60,
        state.operations()
    );
    page += "| what was broken | aim | done | operations | had happened without an answer | asked again | \
             reads checked | put in order | anomalies |\n";
    page += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    for stage in &STAGES {
        page += &row(stage, state, missing);
    }
    for round in state.rounds.iter().filter(|round| round.flaws > 0) {
        let first = round.first_flaw.as_deref().unwrap_or_default();
        let _ = writeln!(page, "\nAnomaly in \"{}\", seed {}: {first}", round.stage, round.seed);
    }
    std::fs::write(path, page).expect("the page can be written");
}

fn row(stage: &Stage, state: &State, missing: &[(&str, &str)]) -> String {
    let Stage { name, wanted, counts, .. } = stage;
    if let Some((_, needs)) = missing.iter().find(|(missing, _)| missing == name) {
        return format!("| {name} | {wanted} | not run: needs {needs} | | | | | | |\n");
    }
    if state.rounds_of(name).next().is_none() && *counts == Counts::Strikes {
        return format!("| {name} | {wanted} | not run | | | | | | |\n");
    }
    let mut sums = [0; 6];
    for round in state.rounds_of(name) {
        let of_round = [
            round.operations as u64,
            round.had_happened as u64,
            round.repeats,
            round.reads,
            round.ordered as u64,
            round.flaws as u64,
        ];
        sums.iter_mut().zip(of_round).for_each(|(sum, count)| *sum += count);
    }
    let cells: Vec<String> = sums.iter().map(ToString::to_string).collect();
    format!("| {name} | {wanted} | {} | {} |\n", state.done(stage), cells.join(" | "))
}
