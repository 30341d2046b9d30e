/// Limits of the engine; every queue and batch is bounded.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Commands that may wait in one lane; more answer 503 at once.
    pub queue: usize,
    /// Commands in one transaction.
    pub batch: usize,
    /// Wallets a lane remembers between batches.
    pub remembered_wallets: usize,
    pub faults: Faults,
}

/// Ways to break the engine on purpose. The shipped executable passes the default; only the test
/// package's own executable builds another, so that tests can show that they would notice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Writes without asking whether another process moved the lane.
    pub ignores_fence: bool,
    /// Decides without looking whether the key was used.
    pub ignores_keys: bool,
    /// Answers before the commit.
    pub answers_early: bool,
}

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig { queue: 16_384, batch: 1_024, remembered_wallets: 100_000, faults: Faults::default() }
    }
}
