//! One search box: mail address, name, external id, any of our ids, the gateway's id of a payment or a
//! checkout, a job.

use std::collections::BTreeSet;

use kernel::{ApiKeyId, CheckoutId, CustomerId, GrantId, HoldId, QuoteId, ReceiptId, WalletId};
use ledger::EntryKind;
use store::cold::{api_keys, checkouts, customers};
use store::finds::{self, Found};

use crate::text::{NAME_MAX_CHARS, is_text};
use crate::{App, AppError, Principal, Scope, payments};

/// Hits of one search, of customers and of jobs each.
pub const HITS_MAX: u64 = 20;

/// A customer, and what of theirs was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub customer: CustomerId,
    pub name: String,
    pub email: String,
    pub external_id: String,
    /// Such as `hold hld_…` or `job render-7`; empty for the customer itself.
    pub what: String,
}

pub async fn search(app: &App, by: &Principal, text: &str) -> Result<Vec<Hit>, AppError> {
    by.require(Scope::Admin)?;
    let text = text.trim();
    if !is_text(text, NAME_MAX_CHARS) {
        return Ok(Vec::new());
    }
    if let Some(hits) = by_id(app, text).await? {
        return Ok(hits);
    }
    if let Some(hit) = by_gateway_id(app, by, text).await? {
        return Ok(vec![hit]);
    }
    let rows = customers::search(app.store().reader(), text, HITS_MAX).await?;
    let mut hits: Vec<Hit> = rows.into_iter().map(|row| hit(row, String::new())).collect();
    hits.extend(by_job(app, text).await?);
    Ok(hits)
}

/// `None` when the text is no id of ours.
async fn by_id(app: &App, text: &str) -> Result<Option<Vec<Hit>>, AppError> {
    let db = app.store().reader();
    if let Ok(id) = text.parse::<CustomerId>() {
        let row = customers::by_id(db, id.uuid()).await?;
        return Ok(Some(row.into_iter().map(|row| hit(row, String::new())).collect()));
    }
    if let Ok(id) = text.parse::<CheckoutId>() {
        let Some(checkout) = checkouts::by_id(db, id.uuid()).await? else { return Ok(Some(Vec::new())) };
        let row = customers::by_id(db, checkout.customer).await?;
        return Ok(Some(row.into_iter().map(|row| hit(row, format!("purchase {id}"))).collect()));
    }
    if let Ok(id) = text.parse::<ApiKeyId>() {
        let key = api_keys::by_id(db, id.uuid()).await?;
        let Some(owner) = key.and_then(|key| key.customer) else { return Ok(Some(Vec::new())) };
        let row = customers::by_id(db, owner).await?;
        return Ok(Some(row.into_iter().map(|row| hit(row, format!("API key {id}"))).collect()));
    }
    let Some((wallet, what)) = wallet_of(text) else { return Ok(None) };
    let row = customers::by_wallet(db, wallet.uuid()).await?;
    Ok(Some(row.into_iter().map(|row| hit(row, format!("{what} {text}"))).collect()))
}

/// The gateway's own name for a payment or a checkout.
async fn by_gateway_id(app: &App, by: &Principal, text: &str) -> Result<Option<Hit>, AppError> {
    if !payments::is_configured(app) {
        return Ok(None);
    }
    let Some(purchase) = payments::of_gateway_id(app, by, text).await? else { return Ok(None) };
    let row = customers::by_id(app.store().reader(), purchase.customer.uuid()).await?;
    Ok(row.map(|row| hit(row, format!("purchase {}", purchase.id))))
}

fn wallet_of(text: &str) -> Option<(WalletId, &'static str)> {
    let wallet = || text.parse().ok().map(|id: WalletId| (id, "wallet"));
    let grant = || text.parse().ok().map(|id: GrantId| (id.wallet, "grant"));
    let hold = || text.parse().ok().map(|id: HoldId| (id.wallet, "hold"));
    let receipt = || text.parse().ok().map(|id: ReceiptId| (id.wallet, "receipt"));
    let quote = || text.parse().ok().map(|id: QuoteId| (id.wallet, "quote"));
    wallet().or_else(grant).or_else(hold).or_else(receipt).or_else(quote)
}

/// One hit a customer and object.
async fn by_job(app: &App, job: &str) -> Result<Vec<Hit>, AppError> {
    let (mut hits, mut seen) = (Vec::new(), BTreeSet::new());
    for found in finds::of_job(app.store(), job, HITS_MAX).await? {
        let what = named(&found);
        if !seen.insert(what.clone()) {
            continue;
        }
        let row = customers::by_wallet(app.store().reader(), found.wallet.uuid()).await?;
        hits.extend(row.map(|row| hit(row, format!("job {job}: {what}"))));
    }
    Ok(hits)
}

fn named(found: &Found) -> String {
    let (wallet, seq) = (found.wallet, found.seq);
    match found.kind {
        EntryKind::Hold => format!("hold {}", HoldId { wallet, seq }),
        EntryKind::Extend | EntryKind::Void | EntryKind::Lapse => "hold that was changed".to_owned(),
        EntryKind::Restrict | EntryKind::Release => "change of the account".to_owned(),
        kind => format!("{kind} {}", ReceiptId { wallet, seq }),
    }
}

fn hit(row: customers::Model, what: String) -> Hit {
    Hit {
        customer: CustomerId::from_uuid(row.id),
        name: row.name,
        email: row.email,
        external_id: row.external_id,
        what,
    }
}
