use std::collections::BTreeMap;

use kernel::{Credits, Seq};

use crate::DEFAULT_PRIORITY;
use crate::draft::Draft;
use crate::entry::{Account, Entry, EntryKind, Line, Terms};
use crate::refusal::Refusal;
use crate::wallet::{GrantKind, LotTerms};

/// Undoes the spending lines of `receipt`: credits return to their very lots (expired or voided ones
/// pass them on at once), debt shrinks, uncovered work is uncovered no more. Debt that a grant has paid
/// meanwhile comes back as a lot of its own.
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
    let terms = terms(draft, lots, paid_since.is_positive().then(|| (own, refund_lot(paid_since))));
    draft.open(EntryKind::Reverse, now, None, Terms::Reverse { receipt: receipt.seq, lots: terms });
    for line in spent {
        match (line.from, line.lot) {
            (Account::Uncovered, _) => draft.moves(Account::Spent, Account::Uncovered, line.amount, None)?,
            (Account::Available | Account::Held, Some(lot)) => {
                draft.give_back(Account::Spent, line.amount, lot)?;
            }
            _ => {}
        }
    }
    draft.moves(Account::Spent, Account::Debt, still_owed, None)?;
    draft.moves(Account::Spent, Account::Available, paid_since, Some(own))?;
    draft.close(None);
    Ok(())
}

/// What the wallet knows of a lot is newer than what was loaded beside it.
fn terms(draft: &Draft, loaded: &[(Seq, LotTerms)], own: Option<(Seq, LotTerms)>) -> BTreeMap<Seq, LotTerms> {
    let newest = |(seq, terms): &(Seq, LotTerms)| {
        (*seq, draft.wallet.lots.get(seq).map_or_else(|| terms.clone(), |lot| lot.terms.clone()))
    };
    loaded.iter().map(newest).chain(own).collect()
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
