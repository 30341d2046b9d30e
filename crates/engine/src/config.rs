/// Limits of the engine; every queue and batch is bounded.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Commands that may wait in one lane; more answer 503 at once.
    pub queue: usize,
    /// Commands in one transaction, and the rest of those that came together with the last of them.
    pub batch: usize,
    /// Wallets a lane remembers between batches.
    pub remembered_wallets: usize,
    pub faults: Faults,
}

/// Ways to break the engine on purpose. The shipped executable passes the default; only the test
/// package's own executable builds another, so that tests can show that they would notice.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Writes without asking whether another process moved the lane.
    pub ignores_fence: bool,
    /// Decides without looking whether the key was used.
    pub ignores_keys: bool,
    /// Answers before the commit.
    pub answers_early: bool,
    /// Time stands still: nothing lapses or expires.
    pub stops_the_clock: bool,
    /// SQLite is told not to wait for the disk at a commit.
    pub syncs_lazily: bool,
    /// Is called at each [`Place`] and need not return.
    pub at: Option<fn(Place)>,
}

/// A place of the writing path where a process may die and nothing may be wrong afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A batch has its transaction and nothing else.
    BeforeFence,
    /// The lane's fence was moved, no row is written.
    AfterFence,
    /// All rows are written.
    BeforeCommit,
    /// The database has committed and no caller knows.
    AfterCommit,
    /// Projections are about to be committed.
    InProjections,
}

impl Faults {
    pub(crate) fn reach(&self, place: Place) {
        if let Some(at) = self.at {
            at(place);
        }
    }
}

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig { queue: 16_384, batch: 1_024, remembered_wallets: 100_000, faults: Faults::default() }
    }
}
