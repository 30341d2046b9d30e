//! Random command sequences against a naive model, 100,000 steps in a run.
//!
//! `SCRIP_TEST_SEED` walks other ways; a failure prints its seed and the smallest steps that fail.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests, which clippy does not see as tests")]

mod harness;
mod model;
mod steps;

use std::cell::Cell;

use kernel::{Credits, Timestamp};
use ledger::{Change, Command, EntryKind, Refusal, Wallet, decide};
use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use harness::{Decide, Harness, fold_agrees};
use model::Flaw;
use steps::{Flavour, Step, step};

/// In each of the four flavours.
const STEPS: usize = 25_000;
const DEFAULT_SEED: u64 = 20_260_131;

const ORDINARY: Flavour = Flavour { unit: 1, longest_wait: 4, grants: 12 };
const HASTY: Flavour = Flavour { unit: 250_000, longest_wait: 40, grants: 20 };
const POOR: Flavour = Flavour { unit: 1_000_000, longest_wait: 2, grants: 4 };
/// Thirty of these units are half of all that fits.
const HUGE: Flavour = Flavour { unit: i64::MAX / 60, longest_wait: 6, grants: 20 };

#[test]
fn ordinary_wallets_do_what_the_model_does() {
    let accepted = agrees(ORDINARY);
    assert!(accepted > STEPS / 3, "{accepted} of {STEPS} steps were accepted");
}

#[test]
fn wallets_whose_lots_expire_and_holds_lapse_do_what_the_model_does() {
    agrees(HASTY);
}

#[test]
fn wallets_in_debt_do_what_the_model_does() {
    agrees(POOR);
}

#[test]
fn wallets_near_the_end_of_the_range_do_what_the_model_does() {
    agrees(HUGE);
}

/// Canaries: each flaw in the model must part it from the ledger within a few thousand steps.
#[test]
fn a_model_with_any_flaw_is_noticed() {
    for flaw in [
        Flaw::PaidBurnsFirst,
        Flaw::ExpiryIsInclusive,
        Flaw::HeldCreditsExpire,
        Flaw::GrantsIgnoreDebt,
        Flaw::VoidReturnsToAnotherLot,
        Flaw::ReturnedCreditsOutliveTheirLot,
        Flaw::AnOverdraftHasNoLimit,
        Flaw::AnExtensionMayShorten,
        Flaw::AReversalForgetsDebt,
        Flaw::ReturnedCreditsIgnoreDebt,
        Flaw::ARestrictionHasNoEnd,
        Flaw::AnExtensionIsNoNewWork,
        Flaw::AReleaseIgnoresTheName,
    ] {
        assert!(is_noticed(decide, Some(flaw)), "{flaw:?} went unnoticed");
    }
}

#[test]
fn a_decision_with_any_flaw_is_noticed() {
    let flawed: [(&str, Decide); 7] = [
        ("one line is a micro-credit off", one_line_is_off),
        ("a seq is left out", a_seq_is_left_out),
        ("recorded_at is the clock's", recorded_at_goes_back),
        ("what is due is dated now", due_rows_are_dated_now),
        ("a lot loses its expiry", a_lot_loses_its_expiry),
        ("a stored balance is wrong", a_stored_balance_is_wrong),
        ("a restriction is forgotten", a_restriction_is_forgotten),
    ];
    for (what, decide) in flawed {
        assert!(is_noticed(decide, None), "{what}: unnoticed");
    }
    assert!(!is_noticed(decide, None), "the sound ledger is suspected");
}

#[test]
fn a_fold_of_altered_lines_is_noticed() {
    let before = Wallet::new("wal_00000000000000000000000001".parse().expect("an id"));
    let mut change = decide(&before, &Command::Unrated, Timestamp::EPOCH).expect("nothing refuses it");
    assert_eq!(fold_agrees(&before, &change), Ok(()));
    change.entries[0].lines[0].amount = Credits::from_micros(1);
    assert!(fold_agrees(&before, &change).is_err());
}

fn agrees(flavour: Flavour) -> usize {
    let (walked, accepted) = (Cell::new(0), Cell::new(0));
    let mut cases = Cases::new(10_000);
    while walked.get() < STEPS {
        let result = cases.next().run(&vec(step(flavour), 1..=160), |steps| {
            let mut harness = Harness::new(decide, None);
            harness.walk(&steps).map_err(TestCaseError::fail)?;
            walked.set(walked.get() + steps.len());
            accepted.set(accepted.get() + harness.accepted);
            Ok(())
        });
        match result {
            Ok(()) => {}
            Err(TestError::Fail(why, steps)) => {
                panic!("{why}\nSCRIP_TEST_SEED={}, the smallest steps that fail: {steps:#?}", seed())
            }
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
    }
    accepted.get()
}

fn is_noticed(decide: Decide, flaw: Option<Flaw>) -> bool {
    let mut cases = Cases::new(0);
    let walk = |steps: Vec<Step>| Harness::new(decide, flaw).walk(&steps).map_err(TestCaseError::fail);
    [POOR, ORDINARY, HASTY].into_iter().any(|flavour| {
        (0..20).any(|_| matches!(cases.next().run(&vec(step(flavour), 100), walk), Err(TestError::Fail(..))))
    })
}

/// Runners of one case each, the same for the same seed, without files.
struct Cases {
    root: TestRunner,
}

impl Cases {
    fn new(max_shrink_iters: u32) -> Cases {
        let config = Config { cases: 1, failure_persistence: None, max_shrink_iters, ..Config::default() };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed().to_le_bytes());
        Cases { root: TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)) }
    }

    fn next(&mut self) -> TestRunner {
        let rng = self.root.new_rng();
        TestRunner::new_with_rng(self.root.config().clone(), rng)
    }
}

fn seed() -> u64 {
    std::env::var("SCRIP_TEST_SEED").map_or(DEFAULT_SEED, |text| text.parse().expect("a seed is a number"))
}

fn altered(
    wallet: &Wallet,
    command: &Command,
    now: Timestamp,
    alter: impl Fn(&mut Change),
) -> Result<Change, Refusal> {
    let mut change = decide(wallet, command, now)?;
    alter(&mut change);
    Ok(change)
}

fn one_line_is_off(wallet: &Wallet, command: &Command, now: Timestamp) -> Result<Change, Refusal> {
    altered(wallet, command, now, |change| {
        for line in change.entries.iter_mut().flat_map(|e| &mut e.lines).take(1) {
            line.amount = Credits::from_micros(line.amount.micros() ^ 1);
        }
    })
}

fn a_seq_is_left_out(wallet: &Wallet, command: &Command, now: Timestamp) -> Result<Change, Refusal> {
    altered(wallet, command, now, |change| {
        change.wallet.seq += 1;
        change.entries.iter_mut().rev().take(1).for_each(|entry| entry.seq += 1);
    })
}

fn recorded_at_goes_back(wallet: &Wallet, command: &Command, now: Timestamp) -> Result<Change, Refusal> {
    altered(wallet, command, now, |change| {
        change.wallet.recorded_at = now;
        change.entries.iter_mut().for_each(|entry| entry.recorded_at = now);
    })
}

fn due_rows_are_dated_now(wallet: &Wallet, command: &Command, now: Timestamp) -> Result<Change, Refusal> {
    altered(wallet, command, now, |change| {
        let entries = change.entries.iter_mut();
        let due = entries.filter(|e| matches!(e.kind, EntryKind::Lapse | EntryKind::Expire));
        due.for_each(|entry| entry.effective_at = Timestamp::MAX);
    })
}

fn a_lot_loses_its_expiry(wallet: &Wallet, command: &Command, now: Timestamp) -> Result<Change, Refusal> {
    altered(wallet, command, now, |change| {
        change.wallet.lots.values_mut().for_each(|lot| lot.terms.expires_at = None);
    })
}

fn a_stored_balance_is_wrong(wallet: &Wallet, command: &Command, now: Timestamp) -> Result<Change, Refusal> {
    altered(wallet, command, now, |change| {
        for line in change.entries.iter_mut().flat_map(|e| &mut e.lines) {
            line.held_after = line.available_after;
        }
    })
}

fn a_restriction_is_forgotten(wallet: &Wallet, command: &Command, now: Timestamp) -> Result<Change, Refusal> {
    altered(wallet, command, now, |change| change.wallet.restriction = None)
}
