//! Work that was reported and charged to nobody: unbilled (the wallet was short and the feature's policy
//! refuses) and unrated (no card has a price for it).

use kernel::{CustomerId, ReceiptId, Timestamp, WalletId};
use ledger::EntryKind;
use store::cold::customers;
use store::finds::{self, Found};

use crate::about::{ChargeFacts, from_json};
use crate::{App, AppError, EventIdentity, Page, PageRequest, Principal, Scope};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpaid {
    pub receipt: ReceiptId,
    pub customer: CustomerId,
    pub customer_name: String,
    /// `unbilled` or `unrated`.
    pub kind: EntryKind,
    pub recorded_at: Timestamp,
    pub feature: Option<String>,
    pub model: Option<String>,
    /// Why there is no price; `None` for unbilled work.
    pub reason: Option<String>,
    pub event: Option<EventIdentity>,
}

/// The last recorded first.
pub async fn list(app: &App, by: &Principal, page: &PageRequest) -> Result<Page<Unpaid>, AppError> {
    by.require(Scope::Admin)?;
    let limit = page.limit()?;
    let before = page.after(|cursor| {
        let (at, receipt) = cursor.split_once('.')?;
        let receipt: ReceiptId = receipt.parse().ok()?;
        Some((Timestamp::from_micros(at.parse().ok()?)?, receipt.wallet, receipt.seq))
    })?;
    let found = finds::unpaid(app.store(), before, limit + 1).await?;
    let mut rows = Vec::with_capacity(found.len());
    for found in found {
        rows.push(unpaid(app, found).await?);
    }
    Ok(Page::cut(rows, limit, |row| format!("{}.{}", row.recorded_at.micros(), row.receipt)))
}

async fn unpaid(app: &App, found: Found) -> Result<Unpaid, AppError> {
    let facts: ChargeFacts = from_json(found.about.as_deref().unwrap_or_default())?;
    let (feature, model) = facts.priced.map(|p| *p).map(|p| (p.feature, p.model)).unzip();
    Ok(Unpaid {
        receipt: ReceiptId { wallet: found.wallet, seq: found.seq },
        customer: facts.customer,
        customer_name: name_of(app, found.wallet).await?,
        kind: found.kind,
        recorded_at: found.recorded_at,
        feature,
        model,
        reason: facts.unrated,
        event: facts.event,
    })
}

async fn name_of(app: &App, wallet: WalletId) -> Result<String, AppError> {
    let row = customers::by_wallet(app.store().reader(), wallet.uuid()).await?;
    Ok(row.map(|row| row.name).unwrap_or_default())
}
