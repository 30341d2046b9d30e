//! What is measured.

use crate::spread::Spread;

/// Who does the work, and how it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Peer {
    /// PostgreSQL's own load generator with one transaction per debit.
    NaivePgbench,
    /// The same transaction behind a small HTTP server.
    NaiveHttp,
    /// The same transaction in this process.
    Naive,
    /// `Engine::submit` in this process.
    Engine,
    /// `POST /v1/usage`.
    Scrip,
    /// `POST /v1/usage`, three of a hundred sent before.
    ScripReplays,
    /// `POST /v1/usage/batch`; counted in items.
    ScripBulk,
    /// `POST /v1/holds` and its capture; counted in pairs.
    ScripHolds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    pub is_sqlite: bool,
    pub peer: Peer,
    pub spread: Spread,
    /// Each sends its next call when the last one was answered.
    pub callers: usize,
}

/// One measurement of a case.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    pub pace: crate::tally::Pace,
    /// CPU microseconds per operation.
    pub database_us: f64,
    pub server_us: f64,
    pub generator_us: f64,
}

/// Items of one bulk request.
pub const BULK_ITEMS: usize = 100;
/// Of a hundred calls, with [`Peer::ScripReplays`].
pub const REPLAYED_PERCENT: usize = 3;

impl Peer {
    pub fn name(self) -> &'static str {
        match self {
            Peer::NaivePgbench => "naive, pgbench",
            Peer::NaiveHttp => "naive, HTTP",
            Peer::Naive => "naive, in process",
            Peer::Engine => "engine, in process",
            Peer::Scrip => "Scrip, HTTP",
            Peer::ScripReplays => "Scrip, HTTP, 3 % replays",
            Peer::ScripBulk => "Scrip, HTTP, bulk of 100",
            Peer::ScripHolds => "Scrip, HTTP, hold + capture",
        }
    }

    /// Whom the same caller would use instead.
    pub fn baseline(self, is_sqlite: bool) -> Option<Peer> {
        match self {
            Peer::NaivePgbench | Peer::NaiveHttp | Peer::Naive => None,
            Peer::Engine if is_sqlite => Some(Peer::Naive),
            Peer::Engine | Peer::ScripBulk => Some(Peer::NaivePgbench),
            Peer::Scrip | Peer::ScripReplays | Peer::ScripHolds => Some(Peer::NaiveHttp),
        }
    }
}

impl Case {
    pub fn postgres(peer: Peer, spread: Spread, callers: usize) -> Case {
        Case { is_sqlite: false, peer, spread, callers }
    }

    pub fn sqlite(peer: Peer, spread: Spread, callers: usize) -> Case {
        Case { is_sqlite: true, peer, spread, callers }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let database = if self.is_sqlite { "SQLite" } else { "PostgreSQL" };
        write!(f, "{}, {database}, {}, {} callers", self.peer.name(), self.spread.name(), self.callers)
    }
}
