//! Restrictions rule by rule: new work is kept out, all else goes on, and time ends them without an entry.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use common::*;
use kernel::Timestamp;
use ledger::{
    Command, EntryKind, Gate, Refusal, Restriction, StepUp, Terms, Wallet, WhenShort, audit, decide, fold,
};

fn restrict(until: Option<Timestamp>, step_up: StepUp) -> Command {
    Command::Restrict { until, step_up }
}

const RELEASE: Command = Command::Release { restriction: None };

#[test]
fn a_restricted_wallet_takes_no_new_work_and_finishes_what_has_begun() {
    let mut story = Story::new();
    story.grant(lot(20));
    let (first, second, third) = (story.hold(3), story.hold(4), story.hold(5));
    let done = story.debit(1, WhenShort::Refuse);
    story.does(restrict(None, StepUp::Review));
    let refused = Refusal::Restricted { until: None, step_up: StepUp::Review };
    assert_eq!(story.refusal(authorize(1, 900)), refused);
    assert_eq!(story.refusal(debit(1, WhenShort::Refuse)), refused);
    assert_eq!(story.refusal(Command::Extend { hold: first, credits: cr(1), ttl_seconds: None }), refused);
    story.does(Command::Extend { hold: first, credits: cr(0), ttl_seconds: Some(2_000) });
    story.capture(first, 3);
    story.void(second);
    story.reverse(done);
    story.grant(lot(1));
    let gate = Gate { is_done: true, ..Gate::default() };
    story.does(Command::Debit { price: cr(2), gate, when_short: WhenShort::Absorb });
    assert_eq!(story.balances(), (11, 5, 0));
    story.at(2_000);
    assert_eq!(story.refusal(authorize(1, 900)), refused);
    assert_eq!(story.balances_at(2_000), (16, 0, 0), "the hold {third} lapses as ever");
}

#[test]
fn the_restriction_is_told_before_all_that_the_plan_and_the_balance_would_say() {
    let mut story = Story::new();
    story.does(restrict(Some(at(60)), StepUp::Wait));
    let gate = Gate {
        valid_until: Some(at(0)),
        is_denied: true,
        calls_per_minute: Some(0),
        max_open_holds: Some(0),
        ..Gate::default()
    };
    let refusal = story.refusal(Command::Authorize { credits: cr(9), ttl_seconds: 900, gate });
    assert_eq!(refusal, Refusal::Restricted { until: Some(at(60)), step_up: StepUp::Wait });
}

#[test]
fn its_end_is_exclusive_and_needs_no_entry() {
    let mut story = Story::new();
    story.grant(lot(5));
    story.does(restrict(Some(at(60)), StepUp::ConfirmCard));
    assert!(matches!(story.at(59).refusal(authorize(1, 900)), Refusal::Restricted { .. }));
    let entries = story.journal.len();
    story.at(60).hold(1);
    assert_eq!(story.journal.len(), entries + 1);
    assert_eq!(story.wallet.restriction_at(at(60)), None);
    assert_eq!(story.refusal(RELEASE), Refusal::NotRestricted);
}

#[test]
fn a_longer_restriction_replaces_a_shorter_one_and_never_the_other_way() {
    let mut story = Story::new();
    story.does(restrict(Some(at(60)), StepUp::Wait));
    let longer = Refusal::RestrictedLonger { until: Some(at(60)) };
    assert_eq!(story.refusal(restrict(Some(at(59)), StepUp::Wait)), longer);
    story.does(restrict(Some(at(60)), StepUp::VerifyMail));
    story.does(restrict(None, StepUp::Review));
    let endless = Refusal::RestrictedLonger { until: None };
    assert_eq!(story.refusal(restrict(Some(Timestamp::MAX), StepUp::Wait)), endless);
    let last = story.does(restrict(None, StepUp::ConfirmCard));
    let expected = Restriction { seq: last, since: at(0), until: None, step_up: StepUp::ConfirmCard };
    assert_eq!(story.wallet.restriction, Some(expected));
    let past = Refusal::ExpiryPassed { expires_at: at(0) };
    assert_eq!(story.refusal(restrict(Some(at(0)), StepUp::Wait)), past);
}

#[test]
fn a_release_that_names_a_restriction_ends_no_other() {
    let mut story = Story::new();
    story.grant(lot(1));
    let first = story.does(restrict(Some(at(60)), StepUp::VerifyMail));
    let second = story.does(restrict(None, StepUp::Review));
    let named = |seq| Command::Release { restriction: Some(seq) };
    assert_eq!(story.refusal(named(first)), Refusal::NotRestricted);
    story.does(named(second));
    assert_eq!(story.refusal(RELEASE), Refusal::NotRestricted);
    story.hold(1);
}

#[test]
fn both_entries_move_nothing_and_count_as_no_call() {
    let mut story = Story::new();
    story.grant(lot(3));
    let calls = story.wallet.calls.clone();
    for (command, kind) in
        [(restrict(Some(at(9)), StepUp::Wait), EntryKind::Restrict), (RELEASE, EntryKind::Release)]
    {
        story.does(command);
        let entry = story.last();
        assert_eq!((entry.kind, entry.lines.len()), (kind, 1));
        assert!(entry.lines[0].amount.is_zero());
        assert_eq!(story.balances(), (3, 0, 0));
    }
    assert_eq!(story.wallet.calls, calls);
}

/// An entry that restricts under another name, by another kind or not at all was made by no decision.
#[test]
fn an_altered_restriction_is_noticed() {
    let wallet = Story::new().wallet;
    let change = decide(&wallet, &restrict(Some(at(9)), StepUp::Wait), at(0)).expect("nothing refuses it");
    let [entry] = change.entries.as_slice() else { panic!("one entry") };
    assert!(audit(&mut wallet.clone(), entry).is_ok());
    let Terms::Restriction(Some(made)) = entry.terms else { panic!("a restriction") };
    let alter = |alter: &dyn Fn(&mut ledger::Entry)| {
        let mut altered = entry.clone();
        alter(&mut altered);
        audit(&mut wallet.clone(), &altered).is_err()
    };
    assert!(alter(&|e| e.terms = Terms::Restriction(Some(Restriction { seq: 7, ..made }))));
    assert!(alter(&|e| e.terms = Terms::Restriction(Some(Restriction { since: at(1), ..made }))));
    assert!(alter(&|e| e.terms = Terms::Restriction(None)));
    assert!(alter(&|e| e.terms = Terms::None));
    assert!(alter(&|e| e.kind = EntryKind::Release));
    assert!(alter(&|e| e.kind = EntryKind::Unrated));
}

/// Snapshots of wallets that were never restricted are what they were before there were restrictions.
#[test]
fn an_older_snapshot_is_read_and_written_as_it_was() {
    let mut story = Story::new();
    story.grant(lot(3));
    let json = serde_json::to_string(&story.wallet).expect("JSON");
    assert!(!json.contains("restriction"));
    let read: Wallet = serde_json::from_str(&json).expect("a wallet");
    assert_eq!(read, story.wallet);
    let seq = story.does(restrict(None, StepUp::Review));
    let json = serde_json::to_string(&story.wallet).expect("JSON");
    assert_eq!(serde_json::from_str::<Wallet>(&json).expect("a wallet"), story.wallet);
    let mut folded = read;
    fold(&mut folded, story.entry(seq)).expect("it folds");
    assert_eq!(folded, story.wallet);
}
