use kernel::{Credits, Seq};

use crate::MAX_OPEN_HOLDS;
use crate::debits::cover;
use crate::decide::{CaptureCharge, Gate, WhenShort};
use crate::draft::Draft;
use crate::entry::{Account, EntryKind, Terms};
use crate::refusal::Refusal;
use crate::restrictions;
use crate::wallet::{Hold, HoldState, HoldTerms};

pub(crate) fn authorize(
    draft: &mut Draft,
    credits: Credits,
    ttl_seconds: i64,
    gate: &Gate,
) -> Result<(), Refusal> {
    gate.judge(&draft.wallet, draft.now)?;
    let ours = u32::try_from(MAX_OPEN_HOLDS).unwrap_or(u32::MAX);
    let limit = gate.max_open_holds.unwrap_or(ours).min(ours);
    if draft.wallet.open_holds() >= limit as usize {
        return Err(Refusal::TooManyHolds { limit });
    }
    needs(draft, credits)?;
    let (now, hold) = (draft.now, draft.next_seq());
    let terms = HoldTerms {
        state: HoldState::Open,
        authorized: credits,
        captured: Credits::ZERO,
        remaining: Credits::ZERO,
        captures: 0,
        expires_at: now.plus_seconds(ttl_seconds),
        progress: None,
    };
    draft.open(EntryKind::Hold, now, Some(hold), Terms::Hold(terms));
    draft.take_available(Account::Held, credits)?;
    draft.close();
    Ok(())
}

pub(crate) fn extend(
    draft: &mut Draft,
    hold: Seq,
    credits: Credits,
    ttl_seconds: Option<i64>,
) -> Result<(), Refusal> {
    let mut terms = open_hold(draft, hold)?.terms;
    // More credits are new work; more time is not.
    if credits.is_positive() {
        restrictions::judge(&draft.wallet, draft.now)?;
    }
    needs(draft, credits)?;
    let now = draft.now;
    terms.authorized = terms.authorized.checked_add(credits).ok_or(Refusal::TooLarge)?;
    if let Some(ttl_seconds) = ttl_seconds {
        terms.expires_at = terms.expires_at.max(now.plus_seconds(ttl_seconds));
    }
    draft.open(EntryKind::Extend, now, Some(hold), Terms::Hold(terms));
    draft.take_available(Account::Held, credits)?;
    draft.close();
    Ok(())
}

pub(crate) fn capture(
    draft: &mut Draft,
    seq: Seq,
    charge: &CaptureCharge,
    is_final: bool,
    when_short: WhenShort,
) -> Result<(), Refusal> {
    let hold = draft.hold(seq).cloned().ok_or(Refusal::UnknownHold)?;
    if !matches!(hold.terms.state, HoldState::Open | HoldState::Lapsed) {
        return Err(Refusal::HoldNotOpen { state: hold.terms.state });
    }
    let (cost, terms) = after_capture(&hold.terms, charge, is_final)?;
    let now = draft.now;
    draft.open(EntryKind::Capture, now, Some(seq), Terms::Hold(terms));
    let left = take_held(draft, &hold, cost)?;
    let taken = draft.take_available(Account::Spent, left)?;
    let missing = left.minus_or_zero(taken);
    if matches!(when_short, WhenShort::Refuse | WhenShort::Unbilled) && missing.is_positive() {
        let available = cost.minus_or_zero(missing);
        return Err(Refusal::Short { needed: cost, available });
    }
    cover(draft, missing, when_short)?;
    if is_final && hold.is_open() {
        release(draft, seq)?;
    }
    draft.close();
    Ok(())
}

pub(crate) fn void(draft: &mut Draft, hold: Seq) -> Result<(), Refusal> {
    let mut terms = open_hold(draft, hold)?.terms;
    terms.state = HoldState::Voided;
    let now = draft.now;
    draft.open(EntryKind::Void, now, Some(hold), Terms::Hold(terms));
    release(draft, hold)?;
    draft.close();
    Ok(())
}

fn open_hold(draft: &Draft, hold: Seq) -> Result<Hold, Refusal> {
    let hold = draft.hold(hold).cloned().ok_or(Refusal::UnknownHold)?;
    if hold.is_open() { Ok(hold) } else { Err(Refusal::HoldNotOpen { state: hold.terms.state }) }
}

fn needs(draft: &Draft, credits: Credits) -> Result<(), Refusal> {
    let available = draft.wallet.available;
    if credits > available { Err(Refusal::Short { needed: credits, available }) } else { Ok(()) }
}

/// The cost of this capture and the hold's terms after it.
fn after_capture(
    before: &HoldTerms,
    charge: &CaptureCharge,
    is_final: bool,
) -> Result<(Credits, HoldTerms), Refusal> {
    let mut terms = before.clone();
    let cost = match charge {
        CaptureCharge::Credits(credits) => *credits,
        CaptureCharge::Cumulative { captures_seen, .. } if *captures_seen != before.captures => {
            return Err(Refusal::HoldMoved);
        }
        CaptureCharge::Cumulative { total, progress, .. } => {
            terms.progress = Some(progress.clone());
            total.minus_or_zero(before.captured)
        }
    };
    terms.captured = before.captured.checked_add(cost).ok_or(Refusal::TooLarge)?;
    terms.captures = before.captures.saturating_add(1);
    if is_final {
        terms.state = HoldState::Captured;
    }
    Ok((cost, terms))
}

/// Spends what is set aside, in the order in which it was taken; answers what is still to be paid.
fn take_held(draft: &mut Draft, hold: &Hold, cost: Credits) -> Result<Credits, Refusal> {
    let mut left = cost;
    for (lot, credits) in &hold.lots {
        let part = left.min(*credits);
        draft.moves(Account::Held, Account::Spent, part, Some(*lot))?;
        left = left.minus_or_zero(part);
    }
    Ok(left)
}

fn release(draft: &mut Draft, hold: Seq) -> Result<(), Refusal> {
    let lots = draft.hold(hold).map(|h| h.lots.clone()).unwrap_or_default();
    for (lot, credits) in lots {
        draft.give_back(Account::Held, credits, lot)?;
    }
    Ok(())
}
