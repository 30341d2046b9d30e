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
mod breaking;
mod browser;
mod console;
mod console_stories;
mod corruption;
mod costs;
mod demo;
mod doctor;
mod engine;
mod following;
mod forms;
mod history;
mod identity;
mod interleavings;
mod kill;
mod operators;
mod outage;
mod parallel;
mod payment_signals;
mod payments;
mod payments_events;
mod payments_faults;
mod payments_returns;
mod plans;
mod portal;
mod postgres_cluster;
mod prints;
mod readme;
mod restrictions;
mod retention;
mod risk;
mod risk_appeals;
mod risk_cards;
mod risk_corrections;
mod risk_days;
mod risk_exceptions;
mod risk_following;
mod risk_holds;
mod risk_lessons;
mod risk_lifting;
mod risk_models;
mod risk_pages;
mod risk_patterns;
mod risk_patterns_of_networks;
mod risk_patterns_of_speed;
mod risk_payments;
mod risk_sign_ups;
mod risk_velocity;
mod rules_defaults;
mod rules_errors;
mod rules_grants;
mod rules_holds;
mod rules_idempotency;
mod rules_idempotency_in_flight;
mod rules_idempotency_keys;
mod rules_idempotency_of_batches;
mod rules_ids;
mod rules_journal;
mod rules_lists;
mod rules_not_enough_credits;
mod rules_quantities;
mod rules_rounding;
mod rules_time;
mod rules_who;
mod samples;
mod schemathesis;
mod sealed;
mod smtp;
mod starting;
mod statements;
mod stopping;
mod stripe_python;
mod upgrades;
mod used;
