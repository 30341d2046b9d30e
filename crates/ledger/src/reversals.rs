use std::collections::BTreeMap;

use kernel::{Credits, Seq};

use crate::DEFAULT_PRIORITY;
use crate::draft::Draft;
use crate::entry::{Account, Entry, EntryKind, Line, Terms};
use crate::refusal::Refusal;
use crate::wallet::{GrantKind, LotTerms};

/// Undoes the spending lines of `receipt`: its own debt shrinks, uncovered work is uncovered no more, and
/// credits return to their very lots, once for each (expired or voided ones pass them on at once, clawed
/// back ones pay debt first). Debt that a grant has paid meanwhile comes back as a lot of its own.
pub(crate) fn reverse(draft: &mut Draft, receipt: &Entry, lots: &[(Seq, LotTerms)]) -> Result<(), Refusal> {
    if !matches!(receipt.kind, EntryKind::Capture | EntryKind::Debit) {
        return Err(Refusal::UnknownReceipt);
    }
    let spent: Vec<&Line> = receipt.lines.iter().filter(|l| l.to == Account::Spent).collect();
    let owed = spent.iter().filter(|l| l.from == Account::Debt).map(|l| l.amount.micros()).sum();
    let owed = Credits::from_micros(owed);
    let still_owed = owed.min(draft.wallet.debt);
    let paid_since = owed.minus_or_zero(still_owed);
    let (now, own) = (draft.now, draft.next_seq());
    let mut terms = refilled(draft, &spent, lots)?;
    if paid_since.is_positive() {
        terms.insert(own, refund_lot(paid_since));
    }
    draft.open(EntryKind::Reverse, now, None, Terms::Reverse { receipt: receipt.seq, lots: terms });
    draft.moves(Account::Spent, Account::Debt, still_owed, None)?;
    for line in spent.iter().filter(|line| line.from == Account::Uncovered) {
        draft.moves(Account::Spent, Account::Uncovered, line.amount, None)?;
    }
    for (lot, amount) in by_lot(&spent)? {
        draft.give_back(Account::Spent, amount, lot)?;
    }
    draft.moves(Account::Spent, Account::Available, paid_since, Some(own))?;
    draft.close();
    Ok(())
}

/// What each lot paid, from what it had held and from what was available, in the order in which they paid.
fn by_lot(spent: &[&Line]) -> Result<Vec<(Seq, Credits)>, Refusal> {
    let mut paid: Vec<(Seq, Credits)> = Vec::new();
    for line in spent.iter().filter(|line| matches!(line.from, Account::Available | Account::Held)) {
        let Some(lot) = line.lot else { continue };
        match paid.iter_mut().find(|(seq, _)| *seq == lot) {
            Some((_, sum)) => *sum = sum.checked_add(line.amount).ok_or(Refusal::TooLarge)?,
            None => paid.push((lot, line.amount)),
        }
    }
    Ok(paid)
}

/// The terms of every lot that gets credits back, so that a fold needs no lot that it has forgotten.
/// What the wallet knows of a lot is newer than what was loaded beside it.
fn refilled(
    draft: &Draft,
    spent: &[&Line],
    loaded: &[(Seq, LotTerms)],
) -> Result<BTreeMap<Seq, LotTerms>, Refusal> {
    let newest = |seq: Seq| {
        let known = draft.wallet.lots.get(&seq).map(|lot| &lot.terms);
        let terms = known.or_else(|| loaded.iter().find(|(lot, _)| *lot == seq).map(|(_, terms)| terms));
        terms.map(|terms| (seq, terms.clone())).ok_or(Refusal::UnknownGrant)
    };
    spent.iter().filter_map(|line| line.lot).map(newest).collect()
}

fn refund_lot(granted: Credits) -> LotTerms {
    LotTerms {
        kind: GrantKind::Refund,
        granted,
        priority: DEFAULT_PRIORITY,
        expires_at: None,
        paid: None,
        clawed_back: Credits::ZERO,
        voided: false,
    }
}
