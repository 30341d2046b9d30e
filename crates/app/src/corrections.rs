//! What operators do to one customer's credits, each act with a reason and a row in the audit log.

use engine::{EngineCommand, Request};
use kernel::{CheckoutId, Credits, CustomerId, GrantId, ReceiptId, Timestamp, WalletId};
use ledger::{Command, EntryKind, GrantKind};
use serde::Serialize;
use serde_json::json;
use store::cold::customers as rows;

use crate::about::GrantFacts;
use crate::accounts::Session;
use crate::audit::{Act, Asked, audited};
use crate::grants::{Grant, NewGrant};
use crate::payments::{self, NewRefund};
use crate::receipts::Receipt;
use crate::submit::{request, submit_or_first};
use crate::{App, AppError, CustomerRef, Keyed, Principal, Scope, customers, grants, receipts, wallets};

#[derive(Clone, Copy, Debug)]
pub struct Gift {
    pub credits: Credits,
    pub kind: GrantKind,
    pub expires_at: Option<Timestamp>,
}

/// A correction of a balance.
#[derive(Clone, Copy, Debug)]
pub enum Adjustment {
    Add {
        credits: Credits,
    },
    /// From what is available of one lot, never more.
    Take {
        credits: Credits,
        grant: GrantId,
    },
}

#[derive(Serialize)]
struct Input {
    credits: Credits,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<GrantKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<GrantId>,
}

pub async fn grant(
    app: &App,
    by: &Session,
    customer: CustomerId,
    act: &Act,
    gift: Gift,
) -> Result<Grant, AppError> {
    let input =
        Input { credits: gift.credits, kind: Some(gift.kind), expires_at: gift.expires_at, from: None };
    give(app, by, customer, act, ("grant.create", gift, input)).await
}

pub async fn adjust(
    app: &App,
    by: &Session,
    customer: CustomerId,
    act: &Act,
    adjustment: Adjustment,
) -> Result<(), AppError> {
    match adjustment {
        Adjustment::Add { credits } => {
            let gift = Gift { credits, kind: GrantKind::Adjustment, expires_at: None };
            let input = Input { credits, kind: None, expires_at: None, from: None };
            give(app, by, customer, act, ("wallet.add", gift, input)).await.map(|_| ())
        }
        Adjustment::Take { credits, grant } => take(app, by, customer, act, (credits, grant)).await,
    }
}

/// Takes back what is left of a grant.
pub async fn void_grant(app: &App, by: &Session, id: GrantId, act: &Act) -> Result<CustomerId, AppError> {
    let customer = owner(app, id.wallet, "grant").await?;
    let (action, subject) = ("grant.void", id.to_string());
    let asked = Asked { by, act, action, subject, customer: Some(customer), input: json!({}) };
    let work = async |keyed: Keyed| grants::void(app, &by.user.principal(), id, &keyed).await;
    audited(app, asked, || balances(app, id.wallet), work).await?;
    Ok(customer)
}

/// Undoes a debit or a capture.
pub async fn reverse(app: &App, by: &Session, id: ReceiptId, act: &Act) -> Result<CustomerId, AppError> {
    let customer = owner(app, id.wallet, "receipt").await?;
    let (action, subject) = ("receipt.reverse", id.to_string());
    let asked = Asked { by, act, action, subject, customer: Some(customer), input: json!({}) };
    let work = async |keyed: Keyed| -> Result<Receipt, AppError> {
        Ok(receipts::reverse(app, &by.user.principal(), id, &keyed).await?.value)
    };
    audited(app, asked, || balances(app, id.wallet), work).await?;
    Ok(customer)
}

/// Asks the gateway to give back what is left of a payment; the credits follow from what it says.
pub async fn refund(app: &App, by: &Session, id: CheckoutId, act: &Act) -> Result<CustomerId, AppError> {
    let purchase = payments::get(app, &by.user.principal(), id).await?;
    let (customer, wallet) = (purchase.customer, customers::load(app, purchase.customer).await?.wallet);
    let (action, subject) = ("purchase.refund", id.to_string());
    let asked = Asked { by, act, action, subject, customer: Some(customer), input: json!({}) };
    let new = NewRefund { checkout: id, amount_minor: None, reason: act.reason.trim().to_owned() };
    let work = async |keyed: Keyed| payments::refund(app, &by.user.principal(), new, &keyed).await;
    audited(app, asked, || balances(app, wallet), work).await?;
    Ok(customer)
}

/// The grant itself, for whoever decides about voiding it.
pub async fn grant_of(app: &App, by: &Principal, id: GrantId) -> Result<Grant, AppError> {
    by.require(Scope::Admin)?;
    let entry = store::journal::entry(app.store(), id.wallet, id.seq).await?;
    let made = entry.filter(|e| e.kind == EntryKind::Grant).ok_or(AppError::not_found("grant"))?;
    grants::grant(id.wallet, &made)
}

async fn give(
    app: &App,
    by: &Session,
    customer: CustomerId,
    act: &Act,
    (action, gift, input): (&'static str, Gift, Input),
) -> Result<Grant, AppError> {
    let wallet = customers::load(app, customer).await?.wallet;
    let asked = Asked { by, act, action, subject: customer.to_string(), customer: Some(customer), input };
    let new = NewGrant {
        customer: CustomerRef::Id(customer),
        credits: gift.credits,
        kind: gift.kind,
        expires_at: gift.expires_at,
        priority: None,
        reason: Some(act.reason.trim().to_owned()),
        paid: None,
    };
    let work = async |keyed: Keyed| -> Result<Grant, AppError> {
        Ok(grants::create(app, &by.user.principal(), new, &keyed).await?.value)
    };
    audited(app, asked, || balances(app, wallet), work).await
}

async fn take(
    app: &App,
    by: &Session,
    customer: CustomerId,
    act: &Act,
    (credits, grant): (Credits, GrantId),
) -> Result<(), AppError> {
    let wallet = customers::load(app, customer).await?.wallet;
    if grant.wallet != wallet {
        return Err(AppError::not_found("grant"));
    }
    let input = Input { credits, kind: None, expires_at: None, from: Some(grant) };
    let (action, subject) = ("wallet.take", customer.to_string());
    let asked = Asked { by, act, action, subject, customer: Some(customer), input };
    let work = async |keyed: Keyed| claw_back(app, customer, act, (credits, grant), keyed).await;
    audited(app, asked, || balances(app, wallet), work).await
}

/// The ledger would make debt of what is no longer there; an operator's correction must not. Usage that
/// comes in between the look and the act is the one way to it, and shows as debt.
async fn claw_back(
    app: &App,
    customer: CustomerId,
    act: &Act,
    (credits, grant): (Credits, GrantId),
    keyed: Keyed,
) -> Result<(), AppError> {
    let prepared = prepare_claw_back(app, customer, act, (credits, grant), &keyed).await;
    submit_or_first(app, grant.wallet, &keyed, prepared).await?;
    Ok(())
}

async fn prepare_claw_back(
    app: &App,
    customer: CustomerId,
    act: &Act,
    (credits, grant): (Credits, GrantId),
    keyed: &Keyed,
) -> Result<Request, AppError> {
    let made = store::journal::entry(app.store(), grant.wallet, grant.seq).await?;
    let made = made.ok_or(AppError::not_found("grant"))?;
    let wallet = wallets::current(app, grant.wallet).await?;
    let left = wallet.lots.get(&grant.seq).map_or(Credits::ZERO, |lot| lot.remaining);
    if !credits.is_positive() || credits > left {
        return Err(AppError::invalid("credits", format!("must be more than 0 and at most {left}")));
    }
    let reason = Some(act.reason.trim().to_owned());
    let facts = GrantFacts { customer, reason, created_at: Some(made.recorded_at) };
    let command = EngineCommand::Ledger(Command::Clawback { grant: grant.seq, credits });
    request(grant.wallet, keyed, command, &facts)
}

/// For the audit log: what the wallet holds.
async fn balances(app: &App, wallet: WalletId) -> Result<String, AppError> {
    let wallet = wallets::current(app, wallet).await?;
    Ok(json!({ "available": wallet.available, "held": wallet.held, "debt": wallet.debt }).to_string())
}

async fn owner(app: &App, wallet: WalletId, what: &'static str) -> Result<CustomerId, AppError> {
    let row = rows::by_wallet(app.store().reader(), wallet.uuid()).await?;
    Ok(CustomerId::from_uuid(row.ok_or(AppError::not_found(what))?.id))
}
