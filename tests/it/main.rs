//! The stories: a file each, one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod architecture;
mod engine;
mod kill;
mod parallel;
mod postgres_cluster;
mod readme;
mod rules_ids;
mod rules_journal;
mod rules_who;
mod schemathesis;
mod statements;
