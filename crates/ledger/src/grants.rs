use kernel::{Credits, Seq};

use crate::MAX_OPEN_LOTS;
use crate::draft::Draft;
use crate::entry::{Account, EntryKind, Terms};
use crate::refusal::Refusal;
use crate::wallet::LotTerms;

pub(crate) fn grant(draft: &mut Draft, terms: &LotTerms) -> Result<(), Refusal> {
    if let Some(expires_at) = terms.expires_at.filter(|at| *at <= draft.now) {
        return Err(Refusal::ExpiryPassed { expires_at });
    }
    if draft.wallet.lots.values().filter(|l| l.is_open()).count() >= MAX_OPEN_LOTS {
        return Err(Refusal::TooManyLots { limit: MAX_OPEN_LOTS });
    }
    let (now, lot) = (draft.now, draft.next_seq());
    draft.open(EntryKind::Grant, now, None, Terms::Lot(terms.clone()));
    let pays_debt = draft.wallet.debt.min(terms.granted);
    draft.moves(Account::Issued, Account::Debt, pays_debt, Some(lot))?;
    let rest = terms.granted.minus_or_zero(pays_debt);
    draft.moves(Account::Issued, Account::Available, rest, Some(lot))?;
    draft.close();
    Ok(())
}

pub(crate) fn void(draft: &mut Draft, grant: Seq) -> Result<(), Refusal> {
    let lot = draft.wallet.lots.get(&grant).cloned().ok_or(Refusal::UnknownGrant)?;
    if lot.terms.voided {
        return Err(Refusal::GrantVoided);
    }
    let now = draft.now;
    let terms = LotTerms { voided: true, ..lot.terms };
    draft.open(EntryKind::GrantVoid, now, None, Terms::LotAfter { lot: grant, terms });
    draft.moves(Account::Available, Account::Revoked, lot.remaining, Some(grant))?;
    draft.close();
    Ok(())
}

pub(crate) fn claw_back(draft: &mut Draft, grant: Seq, credits: Credits) -> Result<(), Refusal> {
    let lot = draft.wallet.lots.get(&grant).cloned().ok_or(Refusal::UnknownGrant)?;
    if lot.terms.voided {
        return Err(Refusal::GrantVoided);
    }
    let left = lot.terms.granted.minus_or_zero(lot.terms.clawed_back);
    if credits > left {
        return Err(Refusal::ClawbackTooLarge { asked: credits, left });
    }
    let now = draft.now;
    let clawed_back = lot.terms.clawed_back.checked_add(credits).ok_or(Refusal::TooLarge)?;
    let terms = LotTerms { clawed_back, ..lot.terms };
    draft.open(EntryKind::Clawback, now, None, Terms::LotAfter { lot: grant, terms });
    let taken = lot.remaining.min(credits);
    draft.moves(Account::Available, Account::Revoked, taken, Some(grant))?;
    draft.moves(Account::Debt, Account::Revoked, credits.minus_or_zero(taken), Some(grant))?;
    draft.close();
    Ok(())
}
