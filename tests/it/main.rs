//! The stories: a file each, one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod activity;
mod architecture;
mod bad_input;
mod browser;
mod console;
mod corruption;
mod engine;
mod kill;
mod parallel;
mod payments;
mod plans;
mod portal;
mod postgres_cluster;
mod readme;
mod rules_defaults;
mod rules_errors;
mod rules_grants;
mod rules_holds;
mod rules_idempotency;
mod rules_idempotency_of_batches;
mod rules_ids;
mod rules_journal;
mod rules_lists;
mod rules_not_enough_credits;
mod rules_quantities;
mod rules_rounding;
mod rules_time;
mod rules_who;
mod schemathesis;
mod sealed;
mod statements;
mod stopping;
