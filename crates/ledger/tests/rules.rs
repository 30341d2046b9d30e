//! A test for every sentence of `rules.md` (Journal, Time, Holds, Not enough credits, Grants) that the
//! ledger keeps. Expected figures are worked out by hand.

mod common;

use common::{
    Story, at, authorize, capture, capture_total, cr, debit, extend, gated_debit, lot, paid, priority, until,
};
use kernel::{Credits, Timestamp};
use ledger::Account::{Available, Debt, Expired, Held, Issued, Revoked, Spent, Uncovered};
use ledger::{
    CaptureCharge, Command, Entry, EntryKind, Gate, HoldState, LotTerms, MAX_OPEN_HOLDS, MAX_OPEN_LOTS,
    Refusal, Terms, WhenShort, audit, check, due, fold, settled,
};

const OVERDRAFT_5: WhenShort = WhenShort::Overdraft { limit: Credits::whole(5) };

// --- Journal -------------------------------------------------------------------------------------

#[test]
fn a_command_writes_one_row_per_lot_and_movement() {
    let mut story = Story::new();
    let (a, b) = (story.grant(priority(10, lot(3))), story.grant(lot(3)));
    let receipt = story.debit(8, OVERDRAFT_5);
    let expected = [(Available, Spent, 3, Some(a)), (Available, Spent, 3, Some(b)), (Debt, Spent, 2, None)];
    assert_eq!(story.postings(receipt), expected);

    let lines = &story.entry(receipt).lines;
    assert_eq!(lines[0].lot_remaining, Some(cr(0)));
    assert_eq!(lines.iter().map(|l| l.available_after).collect::<Vec<_>>(), [cr(3), cr(0), cr(0)]);
    assert_eq!(lines.iter().map(|l| l.debt_after).collect::<Vec<_>>(), [cr(0), cr(0), cr(2)]);
}

#[test]
fn a_command_that_moves_nothing_writes_one_line_of_amount_0_without_lot() {
    let mut story = Story::new();
    story.grant(lot(1));
    let hold = story.hold(0);
    story.does(extend(hold, 0, Some(1_000)));
    story.does(capture(hold, 0, false, WhenShort::Absorb));
    story.void(hold);
    story.debit(0, WhenShort::Refuse);
    story.debit(9, WhenShort::Unbilled);
    story.does(Command::Unrated);
    for entry in &story.journal[1..] {
        let [line] = entry.lines.as_slice() else { panic!("{entry:?}") };
        assert_eq!((line.amount, line.lot, line.lot_remaining), (cr(0), None, None), "{entry:?}");
        assert_eq!(line.available_after, cr(1));
    }
    assert_eq!(story.wallet.rows, 8);
}

#[test]
fn seqs_have_no_gaps() {
    let mut story = Story::new();
    story.grant(until(10, lot(5)));
    story.hold_for(2, 20);
    story.at(30);
    story.does(Command::Unrated);
    let seqs: Vec<_> = story.journal.iter().map(|e| (e.seq, e.kind)).collect();
    let kinds = [EntryKind::Grant, EntryKind::Hold, EntryKind::Expire, EntryKind::Lapse, EntryKind::Unrated];
    assert_eq!(seqs, (1..).zip(kinds).collect::<Vec<_>>());
}

#[test]
fn a_reading_folds_a_projection_and_the_postings_after_it() {
    let mut story = Story::new();
    story.grant(lot(10));
    let hold = story.hold(4);
    story.debit(6, WhenShort::Refuse);
    let mut projection = story.wallet.clone();
    projection.compact();
    let seen = story.wallet.seq;
    story.capture(hold, 4);
    story.reverse(3);
    story.reverse(4);
    for entry in story.journal.iter().filter(|e| e.seq > seen) {
        assert_eq!(fold(&mut projection, entry), Ok(()));
    }
    assert_eq!(projection.available, cr(10));
    assert_eq!(projection.lots, story.wallet.lots);
    assert_eq!(check(&projection), Ok(()));
}

/// Otherwise a wallet folded from a snapshot that forgot the lot has credits without one.
#[test]
fn a_reversal_carries_the_terms_of_every_lot_that_it_refills() {
    let mut story = Story::new();
    let grant = story.grant(lot(4));
    let receipt = story.debit(4, WhenShort::Refuse);
    let mut lean = story.wallet.clone();
    lean.compact();
    let entry = Box::new(story.entry(receipt).clone());
    let reversal = story.does(Command::Reverse { receipt: entry, lots: Vec::new() });

    assert_eq!(fold(&mut lean, story.entry(reversal)), Ok(()));
    assert_eq!(check(&lean), Ok(()));
    assert_eq!(lean.lots[&grant].remaining, cr(4));
}

#[test]
fn a_reversal_whose_lots_nobody_knows_is_refused() {
    let mut story = Story::new();
    story.grant(lot(4));
    let receipt = story.debit(4, WhenShort::Refuse);
    story.wallet.compact();
    let entry = Box::new(story.entry(receipt).clone());
    let command = Command::Reverse { receipt: entry, lots: Vec::new() };
    assert_eq!(story.refusal(command), Refusal::UnknownGrant);
}

// --- Time ----------------------------------------------------------------------------------------

#[test]
fn now_is_never_before_the_wallets_last_entry() {
    let mut story = Story::new();
    story.at(100).grant(lot(5));
    story.at(50).debit(1, WhenShort::Refuse);
    assert_eq!((story.last().recorded_at, story.last().effective_at), (at(100), at(100)));
    let hold = story.hold_for(1, 10);
    assert_eq!(story.wallet.holds[&hold].terms.expires_at, at(110));
}

#[test]
fn settled_rows_come_first_with_a_seq_of_their_own_no_key_and_their_instant() {
    let mut story = Story::new();
    let a = story.grant(until(100, lot(5)));
    let b = story.grant(until(300, lot(6)));
    let hold = story.hold_for(7, 200);
    story.at(400).debit(0, WhenShort::Refuse);

    let rows: Vec<_> = story.journal[3..].iter().map(|e| (e.seq, e.kind, e.effective_at)).collect();
    let expected =
        [(4, EntryKind::Lapse, at(200)), (5, EntryKind::Expire, at(300)), (6, EntryKind::Debit, at(400))];
    assert_eq!(rows, expected);
    assert!(story.journal.iter().all(|e| e.key.is_none()));
    assert!(story.journal[3..].iter().all(|e| e.recorded_at == at(400)));
    assert_eq!(story.entry(4).hold, Some(hold));
    assert_eq!(story.postings(4), [(Held, Expired, 5, Some(a)), (Held, Available, 2, Some(b))]);
    assert_eq!(story.postings(5), [(Available, Expired, 6, Some(b))]);
}

#[test]
fn settled_rows_are_posted_only_with_a_command_that_succeeds() {
    let mut story = Story::new();
    story.grant(until(100, lot(5)));
    story.at(200);
    assert!(story.decide(&debit(1, WhenShort::Refuse)).is_err());
    assert_eq!(story.wallet.seq, 1);
    assert_eq!(due(&story.wallet, story.now).map(|rows| rows.len()), Ok(1), "it is still due");
}

#[test]
fn a_lapse_and_an_expiry_of_one_instant_end_with_everything_expired() {
    let mut story = Story::new();
    let grant = story.grant(until(100, lot(5)));
    story.hold_for(2, 100);
    story.at(100).does(Command::Unrated);
    assert_eq!(story.postings(3), [(Held, Expired, 2, Some(grant))]);
    assert_eq!(story.postings(4), [(Available, Expired, 3, Some(grant))]);
    assert_eq!(story.balances(), (0, 0, 0));
}

#[test]
fn expires_at_is_exclusive() {
    let mut story = Story::new();
    story.grant(until(100, lot(5)));
    let hold = story.hold_for(2, 50);
    assert_eq!(story.balances_at(49), (3, 2, 0));
    assert_eq!(story.balances_at(50), (5, 0, 0));
    assert_eq!(story.balances_at(99), (5, 0, 0));
    assert_eq!(story.balances_at(100), (0, 0, 0));

    let last = at(50).micros() - 1;
    story.now = Timestamp::from_micros_saturating(last);
    assert!(story.decide(&Command::VoidHold { hold }).is_ok());
    story.at(50);
    let lapsed = Refusal::HoldNotOpen { state: HoldState::Lapsed };
    assert_eq!(story.refusal(Command::VoidHold { hold }), lapsed);
}

#[test]
fn a_quote_is_valid_until_its_end_exclusive() {
    let mut story = Story::new();
    story.grant(lot(5));
    let gate = Gate { valid_until: Some(at(10)), ..Gate::default() };
    assert!(story.at(9).decide(&gated_debit(gate.clone())).is_ok());
    assert_eq!(story.at(10).refusal(gated_debit(gate)), Refusal::QuoteExpired { valid_until: at(10) });
}

#[test]
fn as_of_is_the_rows_recorded_until_then_and_time_facts_at_it() {
    let mut story = Story::new();
    story.grant(until(100, lot(5)));
    story.at(200).grant(lot(7));

    let mut then = Story::new().wallet;
    for entry in story.journal.iter().filter(|e| e.recorded_at <= at(150)) {
        assert_eq!(fold(&mut then, entry), Ok(()));
    }
    let seen = |seconds| settled(&then, at(seconds)).map(|w| w.available);
    assert_eq!((seen(50), seen(100), seen(150)), (Ok(cr(5)), Ok(cr(0)), Ok(cr(0))));
}

#[test]
fn a_job_that_posts_what_is_due_changes_nothing_that_anybody_sees() {
    let mut story = Story::new();
    story.grant(until(100, lot(5)));
    story.hold_for(2, 150);
    let expected: Vec<_> = [100, 149, 150, 900].map(|s| story.balances_at(s)).into();
    assert_eq!(expected, [(0, 2, 0), (0, 2, 0), (0, 0, 0), (0, 0, 0)]);

    let rows = due(&story.wallet, at(120)).expect("time never fails");
    rows.iter().for_each(|row| fold(&mut story.wallet, row).expect("a due row folds"));
    assert_eq!(story.wallet.seq, 3);
    assert_eq!([120, 149, 150, 900].map(|s| story.balances_at(s)).to_vec(), expected);
}

#[test]
fn late_usage_is_drawn_from_the_lots_of_now() {
    let mut story = Story::new();
    story.grant(until(100, lot(5)));
    let later = story.at(200).grant(lot(7));
    let receipt = story.debit(3, WhenShort::Refuse);
    assert_eq!(story.postings(receipt), [(Available, Spent, 3, Some(later))]);
}

// --- Holds ---------------------------------------------------------------------------------------

#[test]
fn the_lots_of_a_hold_are_frozen() {
    let mut story = Story::new();
    let taken = story.grant(lot(5));
    let hold = story.hold(4);
    let better = story.grant(priority(1, lot(5)));
    let receipt = story.capture(hold, 4);
    assert_eq!(story.postings(receipt), [(Held, Spent, 4, Some(taken))]);
    assert_eq!(story.lot(better), (5, 0));
}

#[test]
fn extend_adds_credits_in_burn_order_to_the_lots_it_has() {
    let mut story = Story::new();
    let first = story.grant(lot(5));
    let hold = story.hold(4);
    let better = story.grant(priority(1, lot(5)));
    let row = story.does(extend(hold, 6, None));
    let expected = [(Available, Held, 5, Some(better)), (Available, Held, 1, Some(first))];
    assert_eq!(story.postings(row), expected);
    assert_eq!(story.lots_of(hold), [(first, 5), (better, 5)]);
    assert_eq!(story.wallet.holds[&hold].terms.authorized, cr(10));
}

#[test]
fn extend_never_shortens() {
    let mut story = Story::new();
    let hold = story.hold_for(0, 100);
    story.at(10).does(extend(hold, 0, Some(20)));
    assert_eq!(story.wallet.holds[&hold].terms.expires_at, at(100));
    story.does(extend(hold, 0, Some(91)));
    assert_eq!(story.wallet.holds[&hold].terms.expires_at, at(101));
    story.does(extend(hold, 0, None));
    assert_eq!(story.wallet.holds[&hold].terms.expires_at, at(101));
}

#[test]
fn a_final_capture_releases_the_rest_and_another_one_is_refused() {
    let mut story = Story::new();
    let grant = story.grant(lot(10));
    let hold = story.hold(6);
    let receipt = story.does(capture(hold, 2, true, WhenShort::Refuse));
    let expected = [(Held, Spent, 2, Some(grant)), (Held, Available, 4, Some(grant))];
    assert_eq!(story.postings(receipt), expected);
    let state = HoldState::Captured;
    assert_eq!(story.refusal(capture(hold, 0, true, WhenShort::Absorb)), Refusal::HoldNotOpen { state });
    assert_eq!(story.refusal(Command::VoidHold { hold }), Refusal::HoldNotOpen { state });
    assert_eq!(story.refusal(extend(hold, 0, Some(1))), Refusal::HoldNotOpen { state });
}

#[test]
fn several_captures_cost_the_price_of_all_minus_what_was_captured() {
    let mut story = Story::new();
    story.grant(lot(20));
    let hold = story.hold(10);
    for (total, seen, expected) in [(3, 0, 3), (7, 1, 4), (5, 2, 0), (8, 3, 1)] {
        let before = story.wallet.held;
        story.does(capture_total(hold, total, seen));
        assert_eq!(before.checked_sub(story.wallet.held), Some(cr(expected)), "a total of {total}");
    }
    let terms = &story.wallet.holds[&hold].terms;
    assert_eq!((terms.captured, terms.captures), (cr(8), 4));
    assert_eq!(terms.progress.as_deref(), Some("{\"total\":8}"));
    assert_eq!(story.balances(), (10, 2, 0));
}

#[test]
fn a_capture_priced_before_another_one_is_priced_again() {
    let mut story = Story::new();
    story.grant(lot(20));
    let hold = story.hold(10);
    story.does(capture_total(hold, 3, 0));
    assert_eq!(story.refusal(capture_total(hold, 4, 0)), Refusal::HoldMoved);
}

#[test]
fn after_lapse_a_capture_is_a_debit_at_the_frozen_price() {
    let mut story = Story::new();
    let first = story.grant(until(120, lot(5)));
    let second = story.grant(lot(5));
    let hold = story.hold_for(4, 100);
    story.at(150);
    let part = story.does(capture(hold, 2, false, WhenShort::Refuse));
    let rest = story.does(capture(hold, 2, true, WhenShort::Refuse));

    // The lapse gave the four credits back to the first lot, which expired before the capture.
    assert_eq!(story.postings(part), [(Available, Spent, 2, Some(second))]);
    assert_eq!(story.postings(rest), [(Available, Spent, 2, Some(second))]);
    assert_eq!((story.lot(first), story.balances()), ((0, 0), (1, 0, 0)));
    assert_eq!(story.wallet.holds[&hold].terms.state, HoldState::Captured);
}

#[test]
fn void_gives_back_only_what_was_not_captured() {
    let mut story = Story::new();
    let grant = story.grant(lot(5));
    let hold = story.hold(4);
    story.does(capture(hold, 1, false, WhenShort::Refuse));
    let void = story.void(hold);
    assert_eq!(story.postings(void), [(Held, Available, 3, Some(grant))]);
}

#[test]
fn what_expired_meanwhile_expires_at_once_on_void() {
    let mut story = Story::new();
    let (short, long) = (story.grant(until(100, lot(3))), story.grant(until(200, lot(3))));
    let hold = story.hold(5);
    let void = story.at(100).void(hold);
    let expected = [(Held, Expired, 3, Some(short)), (Held, Available, 2, Some(long))];
    assert_eq!(story.postings(void), expected);
}

#[test]
fn a_hold_that_is_not_there_is_unknown() {
    let story = Story::new();
    assert_eq!(story.refusal(Command::VoidHold { hold: 7 }), Refusal::UnknownHold);
    assert_eq!(story.refusal(extend(7, 1, None)), Refusal::UnknownHold);
    assert_eq!(story.refusal(capture(7, 1, true, WhenShort::Absorb)), Refusal::UnknownHold);
}

// --- Not enough credits --------------------------------------------------------------------------

#[test]
fn a_hold_or_usage_that_is_short_changes_nothing() {
    let mut story = Story::new();
    story.grant(lot(5));
    let short = Refusal::Short { needed: cr(6), available: cr(5) };
    assert_eq!(story.refusal(authorize(6, 900)), short);
    assert_eq!(story.refusal(debit(6, WhenShort::Refuse)), short);
    assert_eq!(story.debit(5, WhenShort::Refuse), 2, "all of it can be spent");
}

#[test]
fn a_capture_above_the_hold_takes_held_then_available_then_absorbs() {
    let mut story = Story::new();
    let (a, b) = (story.grant(priority(10, lot(3))), story.grant(lot(3)));
    let hold = story.hold(4);
    let receipt = story.does(capture(hold, 9, true, WhenShort::Absorb));
    let expected = [
        (Held, Spent, 3, Some(a)),
        (Held, Spent, 1, Some(b)),
        (Available, Spent, 2, Some(b)),
        (Uncovered, Spent, 3, None),
    ];
    assert_eq!(story.postings(receipt), expected);
    assert_eq!(story.balances(), (0, 0, 0));
    assert_eq!(story.wallet.holds[&hold].terms.captured, cr(9));
}

#[test]
fn an_overdraft_is_debt_up_to_its_limit_and_the_rest_is_absorbed() {
    let mut story = Story::new();
    let hold = story.hold(0);
    let receipt = story.does(capture(hold, 3, true, OVERDRAFT_5));
    assert_eq!(story.postings(receipt), [(Debt, Spent, 3, None)]);
    let receipt = story.debit(4, OVERDRAFT_5);
    assert_eq!(story.postings(receipt), [(Debt, Spent, 2, None), (Uncovered, Spent, 2, None)]);
    let receipt = story.debit(1, OVERDRAFT_5);
    assert_eq!(story.postings(receipt), [(Uncovered, Spent, 1, None)]);
    assert_eq!(story.balances(), (0, 0, 5));
}

#[test]
fn a_capture_that_its_policy_refuses_leaves_the_hold_unchanged() {
    for when_short in [WhenShort::Refuse, WhenShort::Unbilled] {
        let mut story = Story::new();
        let grant = story.grant(lot(5));
        let hold = story.hold(3);
        let short = Refusal::Short { needed: cr(6), available: cr(5) };
        assert_eq!(story.refusal(capture(hold, 6, true, when_short)), short);
        assert_eq!(story.lots_of(hold), [(grant, 3)]);
        story.does(capture(hold, 5, true, when_short));
        assert_eq!(story.balances(), (0, 0, 0));
    }
}

#[test]
fn an_event_that_its_policy_refuses_is_kept_unbilled_and_moves_nothing() {
    let mut story = Story::new();
    story.grant(lot(5));
    story.debit(6, WhenShort::Unbilled);
    assert_eq!(story.last().kind, EntryKind::Unbilled);
    assert_eq!(story.balances(), (5, 0, 0));
    story.debit(5, WhenShort::Unbilled);
    assert_eq!(story.last().kind, EntryKind::Debit);
}

#[test]
fn an_unpriceable_event_is_kept_unrated_and_moves_nothing() {
    let mut story = Story::new();
    story.grant(lot(5));
    story.does(Command::Unrated);
    assert_eq!((story.last().kind, story.balances()), (EntryKind::Unrated, (5, 0, 0)));
}

#[test]
fn a_reversal_returns_credits_to_their_very_lots_and_takes_back_debt_and_uncovered_work() {
    let mut story = Story::new();
    let (a, b) = (story.grant(priority(10, until(100, lot(3)))), story.grant(lot(3)));
    let receipt = story.debit(13, OVERDRAFT_5);
    assert_eq!(story.balances(), (0, 0, 5));
    let reversal = story.at(100).reverse(receipt);
    let expected = [
        (Spent, Debt, 5, None),
        (Spent, Uncovered, 2, None),
        (Spent, Expired, 3, Some(a)),
        (Spent, Available, 3, Some(b)),
    ];
    assert_eq!(story.postings(reversal), expected);
    assert_eq!(story.balances(), (3, 0, 0));
}

#[test]
fn a_reversal_of_debt_that_a_grant_has_paid_meanwhile_is_a_lot_of_its_own() {
    let mut story = Story::new();
    let receipt = story.debit(4, OVERDRAFT_5);
    let grant = story.grant(lot(3));
    assert_eq!(story.postings(grant), [(Issued, Debt, 3, Some(grant))]);
    let reversal = story.reverse(receipt);
    let expected = [(Spent, Debt, 1, None), (Spent, Available, 3, Some(reversal))];
    assert_eq!(story.postings(reversal), expected);
    assert_eq!((story.balances(), story.lot(reversal)), ((3, 0, 0), (3, 0)));
}

#[test]
fn a_reversal_to_a_voided_lot_is_revoked() {
    let mut story = Story::new();
    let grant = story.grant(until(100, lot(3)));
    let receipt = story.debit(2, WhenShort::Refuse);
    story.does(Command::VoidGrant { grant });
    let reversal = story.reverse(receipt);
    assert_eq!(story.postings(reversal), [(Spent, Revoked, 2, Some(grant))]);
}

#[test]
fn only_receipts_can_be_reversed() {
    let mut story = Story::new();
    story.grant(lot(3));
    story.hold(1);
    story.does(Command::Unrated);
    for seq in 1..=3 {
        assert_eq!(story.refusal(story.reversal(seq)), Refusal::UnknownReceipt);
    }
}

// --- Grants --------------------------------------------------------------------------------------

#[test]
fn a_grant_pays_debt_first() {
    let mut story = Story::new();
    story.debit(5, OVERDRAFT_5);
    let small = story.grant(lot(2));
    assert_eq!(story.postings(small), [(Issued, Debt, 2, Some(small))]);
    let large = story.grant(lot(10));
    assert_eq!(story.postings(large), [(Issued, Debt, 3, Some(large)), (Issued, Available, 7, Some(large))]);
    assert_eq!((story.balances(), story.lot(large)), ((7, 0, 0), (7, 0)));
}

#[test]
fn unpaid_burns_before_paid() {
    let mut story = Story::new();
    let bought = story.grant(paid(1, lot(5)));
    let given = story.grant(lot(5));
    assert_eq!(story.wallet.burn_order(), [given, bought]);
}

/// As floats both are 2^53, and as whole cents per credit both are 0.
#[test]
fn cost_basis_is_compared_by_cross_multiplication() {
    let mut story = Story::new();
    let dearer = story.grant(paid(9_007_199_254_740_993, lot(1)));
    let cheaper = story.grant(paid(9_007_199_254_740_992, lot(1)));
    let third = story.grant(paid(1, lot(3)));
    let half = story.grant(paid(1, lot(2)));
    let two_fifths = story.grant(paid(2, lot(5)));
    assert_eq!(story.wallet.burn_order(), [third, two_fifths, half, cheaper, dearer]);
}

#[test]
fn lots_alike_in_all_else_burn_by_id() {
    let mut story = Story::new();
    let lots: Vec<_> = (0..3).map(|_| story.grant(paid(10, lot(5)))).collect();
    assert_eq!(story.wallet.burn_order(), lots);
}

#[test]
fn a_smaller_priority_burns_first_and_the_default_is_50() {
    let mut story = Story::new();
    let late = story.grant(priority(51, lot(1)));
    let default = story.grant(lot(1));
    let early = story.grant(priority(49, lot(1)));
    assert_eq!(story.wallet.burn_order(), [early, default, late]);
    assert_eq!(ledger::DEFAULT_PRIORITY, 50);
}

#[test]
fn a_grant_that_has_expired_is_refused() {
    let mut story = Story::new();
    story.at(100);
    let refusal = Refusal::ExpiryPassed { expires_at: at(100) };
    assert_eq!(story.refusal(Command::Grant(until(100, lot(1)))), refusal);
    story.grant(until(101, lot(1)));
}

#[test]
fn a_clawback_takes_what_is_left_of_its_grant_and_the_rest_becomes_debt() {
    let mut story = Story::new();
    let other = story.grant(lot(10));
    let refunded = story.grant(priority(10, paid(1_000, lot(10))));
    story.debit(7, WhenShort::Refuse);
    let claw = |credits| Command::Clawback { grant: refunded, credits: cr(credits) };
    let row = story.does(claw(5));
    let expected = [(Available, Revoked, 3, Some(refunded)), (Debt, Revoked, 2, Some(refunded))];
    assert_eq!(story.postings(row), expected);
    assert_eq!((story.balances(), story.lot(other)), ((10, 0, 2), (10, 0)));
    let refusal = Refusal::ClawbackTooLarge { asked: cr(6), left: cr(5) };
    assert_eq!(story.refusal(claw(6)), refusal, "no more than was granted, however many refunds");
    story.does(claw(5));
    assert_eq!(story.balances(), (10, 0, 7));
    assert_eq!(story.refusal(claw(1)), Refusal::ClawbackTooLarge { asked: cr(1), left: cr(0) });
}

#[test]
fn credits_that_come_back_to_a_clawed_back_lot_pay_debt_first() {
    let mut story = Story::new();
    let bought = story.grant(paid(1_000, lot(10)));
    let other = story.grant(lot(5));
    let hold = story.hold(12);
    assert_eq!(story.lots_of(hold), [(other, 5), (bought, 7)]);
    story.does(Command::Clawback { grant: bought, credits: cr(10) });
    assert_eq!(story.balances(), (0, 12, 7));
    let row = story.void(hold);
    assert_eq!(
        story.postings(row),
        [(Held, Available, 5, Some(other)), (Held, Debt, 7, Some(bought))],
        "only the lot that was clawed back pays"
    );
    assert_eq!(story.balances(), (5, 0, 0));
}

#[test]
fn a_release_a_lapse_and_a_reversal_pay_debt_in_the_same_way() {
    let clawed = || {
        let mut story = Story::new();
        let bought = story.grant(paid(1_000, until(1_000, lot(10))));
        let hold = story.hold_for(6, 2_000);
        (story, bought, hold)
    };
    let claw = |bought, credits| Command::Clawback { grant: bought, credits: cr(credits) };

    let (mut story, bought, hold) = clawed();
    story.does(claw(bought, 8));
    let row = story.capture(hold, 1);
    let lines =
        [(Held, Spent, 1, Some(bought)), (Held, Debt, 4, Some(bought)), (Held, Available, 1, Some(bought))];
    assert_eq!(story.postings(row), lines, "a final capture");
    assert_eq!(story.balances(), (1, 0, 0));

    // The lot has expired before the hold lapses; what it owes is paid, only the rest expires.
    let (mut story, bought, _) = clawed();
    story.does(claw(bought, 8));
    assert_eq!(story.balances_at(1_999), (0, 6, 4));
    assert_eq!(story.balances_at(2_000), (0, 0, 0));
    story.at(2_000).grant(lot(1));
    let lapse = story.journal.iter().find(|e| e.kind == EntryKind::Lapse).expect("a lapse").seq;
    assert_eq!(story.postings(lapse), [(Held, Debt, 4, Some(bought)), (Held, Expired, 2, Some(bought))]);

    // All of it is spent, part of it by a hold, when the purchase is disputed; then the work is undone.
    let (mut story, bought, hold) = clawed();
    let receipt = story.capture(hold, 10);
    story.does(claw(bought, 10));
    assert_eq!(story.balances(), (0, 0, 10));
    let row = story.reverse(receipt);
    assert_eq!(story.postings(row), [(Spent, Debt, 10, Some(bought))], "once for a lot");
    assert_eq!(story.balances(), (0, 0, 0));
}

#[test]
fn credits_that_come_back_pay_no_more_debt_than_was_clawed_back_or_is_owed() {
    let mut story = Story::new();
    let bought = story.grant(paid(1_000, lot(10)));
    let hold = story.hold(8);
    story.does(Command::Clawback { grant: bought, credits: cr(3) });
    assert_eq!(story.balances(), (0, 8, 1));
    story.debit(5, WhenShort::Overdraft { limit: cr(100) });
    assert_eq!(story.balances(), (0, 8, 6));
    story.void(hold);
    assert_eq!(story.balances(), (5, 0, 3), "three were clawed back");
    // A grant has paid the debt before: then there is none, and everything comes back.
    let mut story = Story::new();
    let bought = story.grant(paid(1_000, lot(10)));
    let hold = story.hold(8);
    story.does(Command::Clawback { grant: bought, credits: cr(10) });
    story.grant(lot(8));
    assert_eq!(story.balances(), (0, 8, 0));
    story.void(hold);
    assert_eq!(story.balances(), (8, 0, 0));
}

#[test]
fn a_grant_that_is_not_there_is_unknown() {
    let story = Story::new();
    assert_eq!(story.refusal(Command::VoidGrant { grant: 7 }), Refusal::UnknownGrant);
    assert_eq!(story.refusal(Command::Clawback { grant: 7, credits: cr(1) }), Refusal::UnknownGrant);
}

// --- Limits --------------------------------------------------------------------------------------

#[test]
fn a_limit_of_0_refuses_everything() {
    let mut story = Story::new();
    story.grant(lot(5));
    let calls = Gate { calls_per_minute: Some(0), ..Gate::default() };
    let limited = Refusal::RateLimited { limit: 0, retry_after_seconds: 60 };
    assert_eq!(story.refusal(gated_debit(calls.clone())), limited);
    let hold = |gate| Command::Authorize { credits: cr(0), ttl_seconds: 900, gate };
    assert_eq!(story.refusal(hold(calls)), limited);
    let holds = Gate { max_open_holds: Some(0), ..Gate::default() };
    assert_eq!(story.refusal(hold(holds)), Refusal::TooManyHolds { limit: 0 });
}

#[test]
fn the_gate_is_judged_in_its_order_before_the_balance() {
    let story = Story::new();
    let mut gate = Gate {
        is_done: false,
        valid_until: Some(at(0)),
        is_denied: true,
        calls_per_minute: Some(0),
        max_open_holds: Some(0),
    };
    let refusal = |gate: &Gate| {
        story.refusal(Command::Authorize { credits: cr(1), ttl_seconds: 900, gate: gate.clone() })
    };
    assert_eq!(refusal(&gate), Refusal::QuoteExpired { valid_until: at(0) });
    gate.valid_until = None;
    assert_eq!(refusal(&gate), Refusal::NotEntitled);
    gate.is_denied = false;
    assert_eq!(refusal(&gate), Refusal::RateLimited { limit: 0, retry_after_seconds: 60 });
    gate.calls_per_minute = None;
    assert_eq!(refusal(&gate), Refusal::TooManyHolds { limit: 0 });
    gate.max_open_holds = None;
    assert_eq!(refusal(&gate), Refusal::Short { needed: cr(1), available: cr(0) });
}

#[test]
fn a_limit_is_for_any_minute_and_the_told_wait_is_enough() {
    let mut story = Story::new();
    story.grant(lot(50));
    let gate = || Gate { calls_per_minute: Some(2), ..Gate::default() };
    story.does(gated_debit(gate()));
    story.at(20).does(Command::Authorize { credits: cr(1), ttl_seconds: 900, gate: gate() });
    let refusal = story.at(30).refusal(gated_debit(gate()));
    assert_eq!(refusal, Refusal::RateLimited { limit: 2, retry_after_seconds: 31 });
    story.at(61).does(gated_debit(gate()));
    assert!(story.decide(&gated_debit(gate())).is_err(), "the hold of second 20 still counts");
}

/// The first call may have come at the end of its second, 59.1 seconds before the third.
#[test]
fn a_second_counts_until_all_of_it_is_a_minute_ago() {
    let mut story = Story::new();
    story.grant(lot(50));
    let gate = || Gate { calls_per_minute: Some(2), ..Gate::default() };
    let micros_after = |seconds, micros| Timestamp::from_micros_saturating(at(seconds).micros() + micros);
    story.now = micros_after(0, 999_999);
    story.does(gated_debit(gate()));
    story.now = micros_after(60, 0);
    story.does(gated_debit(gate()));
    story.now = micros_after(60, 100_000);
    let refusal = Refusal::RateLimited { limit: 2, retry_after_seconds: 1 };
    assert_eq!(story.refusal(gated_debit(gate())), refusal);
}

#[test]
fn open_lots_and_holds_have_a_named_limit() {
    let mut story = Story::new();
    let first = story.grant(lot(1));
    let hold = story.hold(0);
    let (a_lot, a_hold) = (story.wallet.lots[&first].clone(), story.wallet.holds[&hold].clone());
    for (n, seq) in (1_000..).take(MAX_OPEN_HOLDS - 1).enumerate() {
        story.wallet.holds.insert(seq, a_hold.clone());
        if n < MAX_OPEN_LOTS - 1 {
            story.wallet.lots.insert(seq, a_lot.clone());
        }
    }
    assert_eq!(story.refusal(Command::Grant(lot(1))), Refusal::TooManyLots { limit: MAX_OPEN_LOTS });
    let many = u32::try_from(MAX_OPEN_HOLDS).expect("a small number");
    assert_eq!(story.refusal(authorize(0, 900)), Refusal::TooManyHolds { limit: many });
}

// --- Amounts -------------------------------------------------------------------------------------

/// Otherwise the lapse of the hold would overflow, and with it every later command and reading.
#[test]
fn a_grant_that_time_could_not_settle_is_refused() {
    let mut story = Story::new();
    let most = LotTerms { granted: Credits::from_micros(i64::MAX), ..lot(0) };
    story.grant(most.clone());
    let hold = story.does(Command::Authorize {
        credits: Credits::from_micros(i64::MAX),
        ttl_seconds: 10,
        gate: Gate::default(),
    });
    assert_eq!(story.refusal(Command::Grant(most)), Refusal::TooLarge);
    assert_eq!(story.refusal(Command::Grant(lot(1))), Refusal::TooLarge);
    story.void(hold);
    assert_eq!(story.wallet.available, Credits::from_micros(i64::MAX));
}

#[test]
fn debt_and_captures_that_leave_the_range_are_refused() {
    let mut story = Story::new();
    let all = Credits::from_micros(i64::MAX);
    let hold = story.hold(0);
    let capture = |credits| Command::Capture {
        hold,
        charge: CaptureCharge::Credits(credits),
        is_final: false,
        when_short: WhenShort::Overdraft { limit: all },
    };
    story.does(capture(all));
    assert_eq!(story.wallet.debt, all);
    assert_eq!(story.refusal(capture(Credits::from_micros(1))), Refusal::TooLarge);
}

/// The edge parses amounts; the ledger is the wall behind it, for a negative debit would mint credits.
#[test]
fn a_negative_amount_is_refused_wherever_it_stands() {
    let mut story = Story::new();
    let grant = story.grant(lot(5));
    let hold = story.hold(2);
    let commands = [
        Command::Grant(lot(-1)),
        Command::Clawback { grant, credits: cr(-1) },
        authorize(-1, 900),
        extend(hold, -1, None),
        capture(hold, -1, true, WhenShort::Absorb),
        capture_total(hold, -1, 0),
        debit(-1, WhenShort::Absorb),
    ];
    for command in commands {
        assert_eq!(story.refusal(command), Refusal::TooLarge);
    }
}

#[test]
fn a_stored_line_of_a_negative_amount_does_not_fold() {
    let mut story = Story::new();
    let receipt = {
        story.grant(lot(5));
        story.debit(2, WhenShort::Refuse)
    };
    let mut row: Entry = story.entry(receipt).clone();
    row.lines[0].amount = cr(-2);
    assert_eq!(fold(&mut story.wallet, &row), Err(Refusal::TooLarge));
}

// --- check ---------------------------------------------------------------------------------------

type Break<'a> = &'a dyn Fn(&mut ledger::Wallet);

#[test]
fn check_notices_every_broken_sum() {
    let mut story = Story::new();
    let grant = story.grant(lot(10));
    let (a, b) = (story.hold(4), story.hold(2));
    assert_eq!(check(&story.wallet), Ok(()));
    let breaks: [(&str, Break<'_>); 8] = [
        ("available", &|w| w.available = cr(3)),
        ("held", &|w| w.held = cr(5)),
        ("debt", &|w| w.debt = cr(-1)),
        ("more than was granted", &|w| w.lots.values_mut().for_each(|l| l.terms.granted = cr(9))),
        ("a hold of other lots", &|w| w.holds.values_mut().for_each(|h| h.lots.clear())),
        ("a closed hold", &|w| {
            w.holds.values_mut().for_each(|h| h.terms.state = HoldState::Voided);
        }),
        ("a lot that is not there", &|w| {
            w.lots.clear();
            (w.available, w.held) = (cr(0), cr(0));
        }),
        ("a negative part", &|w| {
            w.holds.entry(a).and_modify(|h| h.lots = vec![(grant, cr(-1))]);
            w.holds.entry(b).and_modify(|h| h.lots = vec![(grant, cr(7))]);
        }),
    ];
    for (what, break_it) in breaks {
        let mut broken = story.wallet.clone();
        break_it(&mut broken);
        assert!(check(&broken).is_err(), "{what}");
    }
}

#[test]
fn an_audit_notices_every_altered_figure_of_a_row() {
    let mut story = Story::new();
    story.at(10).grant(lot(10));
    let before = story.wallet.clone();
    let receipt = story.at(20).debit(4, WhenShort::Refuse);
    let row = story.entry(receipt).clone();
    assert_eq!(audit(&mut before.clone(), &row), Ok(()));
    let alterations: [fn(&mut Entry); 8] = [
        |row| row.seq += 1,
        |row| row.recorded_at = at(5),
        |row| row.effective_at = at(21),
        |row| row.lines[0].amount = cr(3),
        |row| row.lines[0].available_after = cr(7),
        |row| row.lines[0].held_after = cr(1),
        |row| row.lines[0].debt_after = cr(1),
        |row| row.lines[0].lot_remaining = Some(cr(7)),
    ];
    for (n, alter) in alterations.into_iter().enumerate() {
        let mut altered = row.clone();
        alter(&mut altered);
        assert!(audit(&mut before.clone(), &altered).is_err(), "alteration {n}");
    }
}

#[test]
fn what_an_entry_says_is_what_the_fold_needs() {
    let mut story = Story::new();
    story.grant(lot(10));
    let hold = story.hold(4);
    let terms = story.wallet.holds[&hold].terms.clone();
    assert_eq!(story.last().terms, Terms::Hold(terms));
    assert_eq!(story.last().hold, Some(hold));
}
