use std::io;
use std::path::PathBuf;

use client::ClientError;

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("--concurrency {asked}: between 1 and {max} requests can be under way at once")]
    Concurrency { asked: usize, max: usize },
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a trace that can be replayed: {reason}", path.display())]
    NotATrace { path: PathBuf, reason: String },
    #[error("{}, line {line}: {reason}", path.display())]
    BadLine { path: PathBuf, line: u64, reason: String },
    #[error("the server's address or the API key cannot be used")]
    Client(#[from] ClientError),
    #[error("{doing} failed")]
    Call { doing: &'static str, source: ClientError },
    #[error("row {row}: the {step} failed; the same command again goes on from there")]
    Row { row: u64, step: &'static str, source: ClientError },
    #[error("row {row}: still not enough credits after {grants} grants of {step} credits")]
    OutOfFunds { row: u64, grants: u32, step: String },
    #[error("row {row}: {quotes} quotes in a row had run out or were not the hold's")]
    StaleQuotes { row: u64, quotes: u32 },
    #[error("the server's list of postings does not end: {0}")]
    EndlessJournal(&'static str),
    #[error("the sum of {0} is larger than can be counted")]
    TooLarge(&'static str),
    #[error("a part of the replay stopped unexpectedly")]
    Stopped(#[from] tokio::task::JoinError),
}
