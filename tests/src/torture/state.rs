use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::stage::{Counts, Stage};

/// All rounds of one commit, from a file with one round a line.
pub struct State {
    path: PathBuf,
    pub rounds: Vec<Round>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Round {
    pub commit: String,
    pub stage: String,
    pub seed: u64,
    pub strikes: usize,
    pub operations: usize,
    pub had_happened: usize,
    pub repeats: u64,
    pub reads: u64,
    pub ordered: usize,
    pub flaws: usize,
    pub first_flaw: Option<String>,
    pub seconds: u64,
}

impl State {
    /// Rounds of other commits stay in the file and count for nothing.
    pub fn read(path: &Path, commit: &str) -> State {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let rounds = text.lines().filter_map(|line| serde_json::from_str::<Round>(line).ok());
        State { path: path.to_owned(), rounds: rounds.filter(|round| round.commit == commit).collect() }
    }

    pub fn add(&mut self, round: Round) {
        let line = serde_json::to_string(&round).expect("a round is JSON");
        let file = File::options().create(true).append(true).open(&self.path);
        writeln!(file.expect("the state can be written"), "{line}").expect("the disk has space");
        self.rounds.push(round);
    }

    pub fn rounds_of(&self, stage: &str) -> impl Iterator<Item = &Round> {
        self.rounds.iter().filter(move |round| round.stage == stage)
    }

    pub fn operations(&self) -> usize {
        self.rounds.iter().map(|round| round.operations).sum()
    }

    /// In the unit in which the stage's aim is counted.
    pub fn done(&self, stage: &Stage) -> usize {
        match stage.counts {
            Counts::Strikes => self.rounds_of(stage.name).map(|round| round.strikes).sum(),
            Counts::OperationsOfAll => self.operations(),
        }
    }
}
