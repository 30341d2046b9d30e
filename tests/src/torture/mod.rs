//! The long run: many rounds of a broken bank, each with a seed of its own, until everything that is wanted
//! has been done or the time is over. What is done is written down after every round, so the next run
//! goes on from there. Several rounds at once share a machine's waits: for restarts, for the disk, for what
//! falls due.

mod stage;
mod state;
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::bank::{Flaw, Report};
use crate::random::SplitMix64;
use crate::say;
pub use stage::{STAGES, Stage};
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
    pub rounds_at_once: usize,
}

/// What the rounds at work know together.
struct Progress {
    state: State,
    /// Stages that the machine lacks something for, with what that is.
    missing: Vec<(&'static str, &'static str)>,
    running: Vec<&'static Stage>,
    is_broken: bool,
}

/// Whether all rounds so far found nothing wrong. The first round that does is the last to begin.
pub fn run(torture: &Torture) -> bool {
    let begin = Instant::now();
    let state = State::read(&torture.state, &torture.commit);
    let progress = Mutex::new(Progress { state, missing: Vec::new(), running: Vec::new(), is_broken: false });
    thread::scope(|scope| {
        for _ in 0..torture.rounds_at_once {
            scope.spawn(|| while begin.elapsed() < torture.time && round(torture, &progress) {});
        }
    });
    let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    table::write(&torture.report, torture, &progress.state, &progress.missing);
    progress.state.rounds.iter().all(|round| round.flaws == 0)
}

/// False when nothing is left to begin.
fn round(torture: &Torture, progress: &Mutex<Progress>) -> bool {
    let lock = || -> MutexGuard<'_, Progress> { progress.lock().unwrap_or_else(PoisonError::into_inner) };
    let mut now = lock();
    let Some(stage) = now.next().filter(|_| !now.is_broken) else { return false };
    let begun = now.state.rounds.len() + now.running.len();
    let number = now.state.rounds_of(stage.name).count() + now.running_of(stage) + 1;
    now.running.push(stage);
    drop(now);
    let seed = SplitMix64::seeded(torture.seed ^ (begun as u64)).draw();
    say(&format!("{}, round {number}, seed {seed}", stage.name));
    let since = Instant::now();
    let round = || stage.run(&torture.server, SplitMix64::seeded(seed));
    let done = catch_unwind(AssertUnwindSafe(round)).unwrap_or_else(|panic| Some(Err(panicked(&*panic))));
    let mut now = lock();
    let own = now.running.iter().position(|running| running.name == stage.name).expect("it is at work");
    now.running.swap_remove(own);
    match done {
        None => now.missing.push((stage.name, stage.needs)),
        Some(result) => {
            now.is_broken |= result.is_err();
            now.state.add(as_round(stage, seed, result, since.elapsed(), &torture.commit));
        }
    }
    table::write(&torture.report, torture, &now.state, &now.missing);
    true
}

impl Progress {
    /// The one that is furthest behind, so that a short run has something of everything.
    fn next(&self) -> Option<&'static Stage> {
        let open = STAGES.iter().filter(|stage| !self.missing.iter().any(|(name, _)| *name == stage.name));
        let done = |stage: &Stage| self.state.done(stage) + self.running_of(stage) * stage.size();
        open.filter(|stage| done(stage) < stage.wanted).min_by_key(|stage| done(stage) * 1_000 / stage.wanted)
    }

    fn running_of(&self, stage: &Stage) -> usize {
        self.running.iter().filter(|running| running.name == stage.name).count()
    }
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
            say(&format!("  {}: {report}", stage.name));
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
            flaws.iter().take(20).for_each(|flaw| say(&format!("  {}: {flaw}", stage.name)));
        }
    }
    round
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Vec<Flaw> {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    vec![Flaw::broken_off(text.unwrap_or_default())]
}
