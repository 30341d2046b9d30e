//! One test per row of `pitfalls.md` that a pure ledger can show. `hold-3` and `idem-*` are promises
//! about keys, which the engine keeps; what the ledger owes them is here: deciding is repeatable and
//! no decision makes up a key. Expected figures are worked out by hand.

mod common;

use common::{Story, at, authorize, capture, capture_total, cr, debit, extend, lot, paid, priority, until};
use ledger::Account::{Available, Expired, Held, Issued, Revoked, Spent};
use ledger::{Command, EntryKind, HoldState, Refusal, WhenShort, check, fold};

#[test]
fn lot_1_lots_burn_by_priority_then_expiry_then_cost_basis_then_id() {
    let mut story = Story::new();
    let late_priority = story.grant(priority(60, until(100, lot(1))));
    let never = story.grant(lot(1));
    let dear = story.grant(paid(20, until(500, lot(1))));
    let cheap = story.grant(paid(10, until(500, lot(1))));
    let unpaid = story.grant(until(500, lot(1)));
    let unpaid_later = story.grant(until(500, lot(1)));
    let soon = story.grant(until(200, lot(1)));
    let first = story.grant(priority(10, lot(1)));

    let receipt = story.debit(8, WhenShort::Refuse);

    let order: Vec<_> = [first, soon, unpaid, unpaid_later, cheap, dear, never, late_priority]
        .map(|lot| (Available, Spent, 1, Some(lot)))
        .into();
    assert_eq!(story.postings(receipt), order);
}

#[test]
fn lot_2_pack_credits_survive_the_end_of_an_allotment() {
    let mut story = Story::new();
    let pack = story.grant(paid(1_000, until(31_536_000, lot(100))));
    let allotment = story.grant(until(2_592_000, lot(50)));
    story.debit(20, WhenShort::Refuse);
    assert_eq!((story.lot(pack), story.lot(allotment)), ((100, 0), (30, 0)));

    // The next period: the old allotment is over, the new one begins, the pack is as it was.
    story.at(2_592_000);
    let renewed = story.grant(until(5_184_000, lot(50)));

    assert_eq!(story.lot(pack), (100, 0));
    assert_eq!(story.lot(allotment), (0, 0));
    assert_eq!(story.lot(renewed), (50, 0));
    assert_eq!(story.balances(), (150, 0, 0));
}

#[test]
fn lot_3_one_grant_of_many_can_be_voided_and_only_what_remains_of_it_goes() {
    let mut story = Story::new();
    let kept = story.grant(lot(10));
    let wrong = story.grant(priority(10, lot(10)));
    story.debit(4, WhenShort::Refuse);

    let void = story.does(Command::VoidGrant { grant: wrong });

    assert_eq!(story.postings(void), [(Available, Revoked, 6, Some(wrong))]);
    assert_eq!((story.lot(kept), story.lot(wrong)), ((10, 0), (0, 0)));
    assert_eq!(story.balances(), (10, 0, 0));
    assert_eq!(story.refusal(Command::VoidGrant { grant: wrong }), Refusal::GrantVoided);
}

#[test]
fn lot_4_what_a_hold_has_of_a_voided_grant_is_revoked_when_the_hold_ends() {
    let mut story = Story::new();
    let wrong = story.grant(lot(10));
    let hold = story.hold(8);
    story.does(Command::VoidGrant { grant: wrong });
    assert_eq!(story.balances(), (0, 8, 0));

    let receipt = story.capture(hold, 5);

    let expected = [(Held, Spent, 5, Some(wrong)), (Held, Revoked, 3, Some(wrong))];
    assert_eq!(story.postings(receipt), expected);
    assert_eq!(story.balances(), (0, 0, 0));
}

#[test]
fn hold_1_open_holds_count_in_the_check_of_what_is_available() {
    let mut story = Story::new();
    story.grant(lot(10));
    let (a, b) = (story.hold(4), story.hold(5));
    assert_eq!(story.balances(), (1, 9, 0));

    let short = Refusal::Short { needed: cr(2), available: cr(1) };
    assert_eq!(story.refusal(authorize(2, 900)), short);
    assert_eq!(story.refusal(extend(a, 2, None)), short);
    assert_eq!(story.refusal(debit(2, WhenShort::Refuse)), short);

    let held: i64 = [a, b].iter().flat_map(|hold| story.lots_of(*hold)).map(|(_, credits)| credits).sum();
    assert_eq!(held, 9);
}

#[test]
fn hold_2_a_hold_of_the_expected_cost_grows_while_the_answer_streams() {
    let mut story = Story::new();
    let grant = story.grant(lot(100));
    let hold = story.hold(2);
    story.does(extend(hold, 3, None));
    story.does(extend(hold, 1, Some(1_200)));
    assert_eq!(story.lots_of(hold), [(grant, 6)]);
    assert_eq!(story.balances(), (94, 6, 0));

    let receipt = story.capture(hold, 6);

    assert_eq!(story.postings(receipt), [(Held, Spent, 6, Some(grant))]);
    assert_eq!(story.balances(), (94, 0, 0));
}

#[test]
fn hold_3_deciding_again_on_the_same_wallet_makes_the_same_hold() {
    let mut story = Story::new();
    story.grant(until(50, lot(10)));
    story.at(10);
    let first = story.decide(&authorize(4, 900));
    assert_eq!(story.decide(&authorize(4, 900)), first);
    assert_eq!(story.balances(), (10, 0, 0), "deciding alone holds nothing");
}

#[test]
fn hold_4_void_restores_the_very_lots() {
    let mut story = Story::new();
    let a = story.grant(priority(10, lot(3)));
    let b = story.grant(priority(20, lot(4)));
    let c = story.grant(priority(30, lot(5)));
    let hold = story.hold(6);
    assert_eq!((story.lot(a), story.lot(b), story.lot(c)), ((0, 3), (1, 3), (5, 0)));

    let void = story.void(hold);

    assert_eq!(story.postings(void), [(Held, Available, 3, Some(a)), (Held, Available, 3, Some(b))]);
    assert_eq!((story.lot(a), story.lot(b), story.lot(c)), ((3, 0), (4, 0), (5, 0)));
    assert_eq!(story.wallet.holds[&hold].terms.state, HoldState::Voided);
}

#[test]
fn hold_5_a_client_that_goes_away_is_charged_for_what_it_used() {
    let mut story = Story::new();
    let grant = story.grant(lot(10));
    let hold = story.hold(5);
    story.does(capture_total(hold, 2, 0));
    let receipt = story.does(capture(hold, 1, true, WhenShort::Absorb));

    let expected = [(Held, Spent, 1, Some(grant)), (Held, Available, 2, Some(grant))];
    assert_eq!(story.postings(receipt), expected);
    assert_eq!(story.balances(), (7, 0, 0));
}

#[test]
fn hold_5_an_explicit_zero_is_a_capture_and_not_a_missing_one() {
    let mut story = Story::new();
    let grant = story.grant(lot(10));
    let hold = story.hold(5);

    let receipt = story.capture(hold, 0);

    assert_eq!(story.entry(receipt).kind, EntryKind::Capture);
    assert_eq!(story.postings(receipt), [(Held, Available, 5, Some(grant))]);
    let terms = &story.wallet.holds[&hold].terms;
    assert_eq!((terms.state, terms.captures, terms.captured), (HoldState::Captured, 1, cr(0)));
}

#[test]
fn exp_1_a_lot_expires_on_its_own_date_whenever_somebody_looks() {
    let mut story = Story::new();
    let grant = story.grant(until(100, lot(10)));
    story.at(1_000);
    story.does(Command::Unrated);

    let expiry = &story.journal[1];
    assert_eq!(expiry.kind, EntryKind::Expire);
    assert_eq!((expiry.effective_at, expiry.recorded_at), (at(100), at(1_000)));
    assert_eq!(story.postings(2), [(Available, Expired, 10, Some(grant))]);
}

#[test]
fn exp_2_an_expired_balance_cannot_be_spent_before_any_job_ran() {
    let mut story = Story::new();
    story.grant(until(100, lot(10)));
    assert_eq!(story.balances_at(99), (10, 0, 0));
    assert_eq!(story.balances_at(100), (0, 0, 0));

    story.at(100);
    let short = Refusal::Short { needed: cr(1), available: cr(0) };
    assert_eq!(story.refusal(debit(1, WhenShort::Refuse)), short);
    assert_eq!(story.refusal(authorize(1, 900)), short);
}

#[test]
fn exp_3_a_hold_keeps_its_credits_past_expiry_until_it_ends() {
    let mut story = Story::new();
    let grant = story.grant(until(100, lot(10)));
    let (captured, voided) = (story.hold(4), story.hold(3));
    assert_eq!(story.balances_at(200), (0, 7, 0));

    story.at(200);
    let receipt = story.capture(captured, 3);
    let expected = [(Held, Spent, 3, Some(grant)), (Held, Expired, 1, Some(grant))];
    assert_eq!(story.postings(receipt), expected);

    let void = story.void(voided);
    assert_eq!(story.postings(void), [(Held, Expired, 3, Some(grant))]);
    assert_eq!(story.balances(), (0, 0, 0));
}

#[test]
fn idem_a_decision_makes_up_no_key_and_a_replayed_journal_is_the_same_wallet() {
    let mut story = Story::new();
    let grant = story.grant(lot(10));
    let hold = story.hold(5);
    story.capture(hold, 2);
    assert_eq!(story.postings(grant), [(Issued, Available, 10, Some(grant))]);
    assert!(story.journal.iter().all(|entry| entry.key.is_none()));

    let mut again = Story::new().wallet;
    for entry in &story.journal {
        assert_eq!(fold(&mut again, entry), Ok(()));
    }
    assert_eq!(again, story.wallet);
    assert_eq!(check(&again), Ok(()));
}
