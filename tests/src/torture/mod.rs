//! The long run: many rounds of a broken bank, each with a seed of its own, until everything that is wanted
//! has been done or the time is over. What is done is written down after every round, so the next run
//! goes on from there.

mod stage;
mod state;
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::bank::{Flaw, Report};
use crate::random::SplitMix64;
use crate::say;
use stage::{STAGES, Stage};
use state::{Round, State};

pub struct Torture {
    /// The executable of the server, with its faults.
    pub server: PathBuf,
    pub state: PathBuf,
    pub report: PathBuf,
    /// What is tested, in one word.
    pub commit: String,
    pub seed: u64,
    pub time: Duration,
}

/// Whether all rounds so far found nothing wrong.
pub fn run(torture: &Torture) -> bool {
    let begin = Instant::now();
    let mut state = State::read(&torture.state, &torture.commit);
    let mut missing: Vec<(&str, String)> = Vec::new();
    while begin.elapsed() < torture.time {
        let Some(stage) = next(&state, &missing) else { break };
        let seed = SplitMix64::seeded(torture.seed ^ (state.rounds.len() as u64)).draw();
        let since = Instant::now();
        say(&format!("{}, round {}, seed {seed}", stage.name, state.rounds_of(stage.name).count() + 1));
        let round = || stage.run(&torture.server, SplitMix64::seeded(seed));
        let done = catch_unwind(AssertUnwindSafe(round)).unwrap_or_else(|panic| Some(Err(panicked(&*panic))));
        match done {
            None => missing.push((stage.name, stage.needs.to_owned())),
            Some(result) => state.add(as_round(stage, seed, result, since.elapsed(), &torture.commit)),
        }
        table::write(&torture.report, torture, &state, &missing);
    }
    table::write(&torture.report, torture, &state, &missing);
    state.rounds.iter().all(|round| round.flaws == 0)
}

/// The one that is furthest behind, so that a short run has something of everything.
fn next(state: &State, missing: &[(&str, String)]) -> Option<&'static Stage> {
    let open = STAGES.iter().filter(|stage| !missing.iter().any(|(name, _)| *name == stage.name));
    let permille = |stage: &&Stage| state.done(stage) * 1_000 / stage.wanted;
    open.filter(|stage| state.done(stage) < stage.wanted).min_by_key(permille)
}

fn as_round(
    stage: &Stage,
    seed: u64,
    result: Result<Report, Vec<Flaw>>,
    took: Duration,
    commit: &str,
) -> Round {
    let mut round = Round {
        commit: commit.to_owned(),
        stage: stage.name.to_owned(),
        seed,
        seconds: took.as_secs(),
        ..Round::default()
    };
    match result {
        Ok(report) => {
            say(&format!("  {report}"));
            round.strikes = report.strikes;
            round.operations = report.acknowledged;
            round.had_happened = report.had_happened;
            round.repeats = report.repeats;
            round.reads = report.reads;
            round.ordered = report.ordered;
        }
        Err(flaws) => {
            round.flaws = flaws.len();
            round.first_flaw = flaws.first().map(ToString::to_string);
            flaws.iter().take(20).for_each(|flaw| say(&format!("  {flaw}")));
        }
    }
    round
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Vec<Flaw> {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    vec![Flaw::broken_off(text.unwrap_or_default())]
}
