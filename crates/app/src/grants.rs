use billing::plus_months;
use engine::EngineCommand;
use kernel::{Credits, CustomerId, GrantId, Money, Timestamp, WalletId};
use ledger::{Account, Command, DEFAULT_PRIORITY, Entry, EntryKind, GrantKind, LotTerms, Terms};
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::about::{GrantFacts, facts};
use crate::charge::sum;
use crate::submit::{request, submit};
use crate::text::{Checks, SENTENCE_MAX_CHARS};
use crate::{App, AppError, CustomerRef, Done, Keyed, Principal, Scope, customers};

/// Packs live this long (rules.md, "Time"); promotions until said.
const PURCHASE_MONTHS: u32 = 12;

#[derive(Clone, Debug)]
pub struct NewGrant {
    pub customer: CustomerRef,
    pub credits: Credits,
    pub kind: GrantKind,
    /// Purchases live twelve months when absent, other grants for ever.
    pub expires_at: Option<Timestamp>,
    /// Smaller burns first; 50 when absent.
    pub priority: Option<i16>,
    pub reason: Option<String>,
    /// Money paid for all of it, in the customer's currency.
    pub paid: Option<Money>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub id: GrantId,
    pub customer: CustomerId,
    pub credits: Credits,
    pub kind: GrantKind,
    pub priority: i16,
    pub expires_at: Option<Timestamp>,
    pub paid: Option<Money>,
    pub reason: Option<String>,
    /// The part that paid debt at once.
    pub paid_debt: Credits,
    pub voided: bool,
    /// What the void took back.
    pub revoked: Credits,
    pub created_at: Timestamp,
}

pub async fn create(
    app: &App,
    by: &Principal,
    new: NewGrant,
    keyed: &Keyed,
) -> Result<Done<Grant>, AppError> {
    by.require(Scope::Admin)?;
    check(&new)?;
    let known = customers::in_body(app, by, &new.customer).await?;
    check_currency(app, known.id, new.paid).await?;
    let terms = LotTerms {
        kind: new.kind,
        granted: new.credits,
        priority: new.priority.unwrap_or(DEFAULT_PRIORITY),
        expires_at: new.expires_at.or_else(|| expiry(new.kind, app.now())),
        paid: new.paid.filter(|money| money.amount > 0),
        clawed_back: Credits::ZERO,
        voided: false,
    };
    let facts = GrantFacts { customer: known.id, reason: new.reason, created_at: None };
    let request = request(known.wallet, keyed, EngineCommand::Ledger(Command::Grant(terms)), &facts)?;
    let answer = submit(app, request).await?;
    Ok(Done { value: grant(known.wallet, &answer.entry)?, replayed: answer.replayed })
}

/// Takes back what is left of a grant; what is held follows when its hold ends.
pub async fn void(app: &App, by: &Principal, id: GrantId, keyed: &Keyed) -> Result<Done<Grant>, AppError> {
    by.require(Scope::Admin)?;
    let made = store::journal::entry(app.store(), id.wallet, id.seq).await?;
    let made = made.filter(|e| e.kind == EntryKind::Grant).ok_or(AppError::not_found("grant"))?;
    let facts = GrantFacts { created_at: Some(made.recorded_at), ..facts(&made)? };
    let command = EngineCommand::Ledger(Command::VoidGrant { grant: id.seq });
    let answer = submit(app, request(id.wallet, keyed, command, &facts)?).await?;
    Ok(Done { value: grant(id.wallet, &answer.entry)?, replayed: answer.replayed })
}

/// When credits bought at `at` expire: for the page before the purchase.
pub fn expiry_after(at: Timestamp, months: u32) -> Timestamp {
    plus_months(at, months)
}

/// One grant; a customer sees their own.
pub async fn get(app: &App, by: &Principal, id: GrantId) -> Result<Grant, AppError> {
    by.require_own(Scope::Read)?;
    by.may_see_wallet(app, id.wallet, "grant").await?;
    let made = store::journal::entry(app.store(), id.wallet, id.seq).await?;
    let made = made.filter(|e| e.kind == EntryKind::Grant).ok_or(AppError::not_found("grant"))?;
    grant(id.wallet, &made)
}

fn check(new: &NewGrant) -> Result<(), AppError> {
    let mut checks = Checks::default();
    checks.ensure(new.credits.is_positive(), "credits", "must be more than 0");
    checks.ensure(new.credits <= Credits::INPUT_MAX, "credits", "must be at most 1000000000");
    checks.optional_text("reason", new.reason.as_ref(), SENTENCE_MAX_CHARS);
    checks.ensure(new.paid.is_none_or(|m| m.amount >= 0), "paid.amount", "must not be negative");
    checks.done()
}

/// A wallet's lots have one currency, the customer's (rules.md, "Grants").
async fn check_currency(app: &App, customer: CustomerId, paid: Option<Money>) -> Result<(), AppError> {
    let Some(paid) = paid else { return Ok(()) };
    let currency = customers::load(app, customer).await?.currency;
    if paid.currency == currency {
        return Ok(());
    }
    Err(AppError::invalid("paid.currency", format!("must be {currency}, the customer's currency")))
}

fn expiry(kind: GrantKind, now: Timestamp) -> Option<Timestamp> {
    (kind == GrantKind::Purchase).then(|| plus_months(now, PURCHASE_MONTHS))
}

pub(crate) fn grant(wallet: WalletId, entry: &Entry) -> Result<Grant, AppError> {
    let (seq, terms) = match &entry.terms {
        Terms::Lot(terms) => (entry.seq, terms),
        Terms::LotAfter { lot, terms } => (*lot, terms),
        _ => return Err(StoreError::Corrupt(format!("entry {} is no grant", entry.seq)).into()),
    };
    let facts: GrantFacts = facts(entry)?;
    Ok(Grant {
        id: GrantId { wallet, seq },
        customer: facts.customer,
        credits: terms.granted,
        kind: terms.kind,
        priority: terms.priority,
        expires_at: terms.expires_at,
        paid: terms.paid,
        reason: facts.reason,
        paid_debt: sum(entry, |l| l.from == Account::Issued && l.to == Account::Debt),
        voided: terms.voided,
        revoked: sum(entry, |l| l.to == Account::Revoked),
        created_at: facts.created_at.unwrap_or(entry.recorded_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purchase_lives_twelve_months_and_a_promotion_until_said() {
        let at: Timestamp = "2028-02-29T10:00:00.5Z".parse().unwrap();
        let later = expiry(GrantKind::Purchase, at).map(|t| t.to_string());
        assert_eq!(later.as_deref(), Some("2029-02-28T10:00:00.500Z"));
        assert_eq!(expiry(GrantKind::Promo, at), None);
    }
}
