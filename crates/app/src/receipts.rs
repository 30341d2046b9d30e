use engine::EngineCommand;
use kernel::{ReceiptId, Timestamp};
use ledger::{Entry, EntryKind};
use serde::{Deserialize, Serialize};
use store::cold::deliveries;

use crate::about::{ChargeFacts, facts};
use crate::charge::{is_receipt, receipt};
use crate::cold::{Route, once};
use crate::submit::{request, submit};
use crate::{App, AppError, Done, Keyed, Principal, Scope, risk};

pub use crate::charge::{Receipt, ReceiptLine};

const DELIVER: Route = Route("POST /v1/receipts/{id}/deliveries");

/// That the output behind a receipt was fetched; the first time counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub receipt: ReceiptId,
    pub delivered_at: Timestamp,
}

pub async fn get(app: &App, by: &Principal, id: ReceiptId) -> Result<Receipt, AppError> {
    by.require_own(Scope::Read)?;
    by.may_see_wallet(app, id.wallet, "receipt").await?;
    let entry = find(app, id).await?;
    let reversal = store::journal::reversal_of(app.store(), id.wallet, id.seq).await?;
    let reversed_by = reversal.map(|seq| ReceiptId { wallet: id.wallet, seq });
    Ok(Receipt { reversed_by, ..receipt(id.wallet, &entry)? })
}

/// Undoes a debit or capture, once: credits go back to their very lots.
pub async fn reverse(
    app: &App,
    by: &Principal,
    id: ReceiptId,
    keyed: &Keyed,
) -> Result<Done<Receipt>, AppError> {
    by.require(Scope::Usage)?;
    let entry = find(app, id).await?;
    let charged: ChargeFacts = facts(&entry)?;
    if !matches!(entry.kind, EntryKind::Debit | EntryKind::Capture) {
        let detail = format!("a receipt of kind {} charged nothing that could be undone", entry.kind);
        return Err(AppError::Conflict { code: "receipt_not_reversible", detail });
    }
    let facts = ChargeFacts {
        hold: charged.hold,
        job: charged.job,
        subject: charged.subject,
        ..ChargeFacts::of(charged.customer)
    };
    let command = EngineCommand::Reverse { receipt: id.seq };
    let answer = submit(app, request(id.wallet, keyed, command, &facts)?).await?;
    Ok(Done { value: receipt(id.wallet, &answer.entry)?, replayed: answer.replayed })
}

pub async fn deliver(
    app: &App,
    by: &Principal,
    id: ReceiptId,
    keyed: Option<&Keyed>,
) -> Result<Done<Delivery>, AppError> {
    by.require(Scope::Usage)?;
    let entry = find(app, id).await?;
    let now = app.now();
    let done = once(app, by, DELIVER, keyed, move |txn| {
        Box::pin(async move {
            if let Some(first) = deliveries::find(txn, id).await? {
                return Ok(delivery(id, Timestamp::from_micros_saturating(first.delivered_at)));
            }
            deliveries::insert(txn, id, now.micros()).await?;
            Ok(delivery(id, now))
        })
    })
    .await?;
    // The first time counts, also for the watch over abuse.
    if !done.replayed && done.value.delivered_at == now {
        risk::delivered(app, id, entry.hold.unwrap_or(id.seq), now);
    }
    Ok(done)
}

async fn find(app: &App, id: ReceiptId) -> Result<Entry, AppError> {
    let entry = store::journal::entry(app.store(), id.wallet, id.seq).await?;
    entry.filter(|e| is_receipt(e.kind)).ok_or(AppError::not_found("receipt"))
}

fn delivery(receipt: ReceiptId, delivered_at: Timestamp) -> Delivery {
    Delivery { receipt, delivered_at }
}
