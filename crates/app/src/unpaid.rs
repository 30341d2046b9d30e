//! Work that was reported and charged to nobody: unbilled (the wallet was short and the feature's policy
//! refuses) and unrated (no card has a price for it).

use kernel::{CustomerId, ReceiptId, Timestamp};
use ledger::EntryKind;
use store::finds::{self, Found};

use crate::about::{ChargeFacts, from_json};
use crate::{App, AppError, EventIdentity, Page, PageRequest, Principal, Scope, customers};

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
    let found = found.into_iter().map(|found| {
        let facts: ChargeFacts = from_json(found.about.as_deref().unwrap_or_default())?;
        Ok((found, facts))
    });
    let found = found.collect::<Result<Vec<_>, AppError>>()?;
    let names = customers::names(app, by, found.iter().map(|(_, facts)| facts.customer)).await?;
    let rows = found.into_iter().map(|(found, facts)| {
        let name = names.get(&facts.customer).cloned().unwrap_or_default();
        unpaid(&found, facts, name)
    });
    Ok(Page::cut(rows.collect(), limit, |row| format!("{}.{}", row.recorded_at.micros(), row.receipt)))
}

fn unpaid(found: &Found, facts: ChargeFacts, customer_name: String) -> Unpaid {
    let (feature, model) = facts.priced.map(|p| *p).map(|p| (p.feature, p.model)).unzip();
    Unpaid {
        receipt: ReceiptId { wallet: found.wallet, seq: found.seq },
        customer: facts.customer,
        customer_name,
        kind: found.kind,
        recorded_at: found.recorded_at,
        feature,
        model,
        reason: facts.unrated,
        event: facts.event,
    }
}
