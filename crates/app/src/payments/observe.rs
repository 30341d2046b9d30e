//! What the gateway says now, through billing's state machine, into one transaction.

use billing::{BillingError, Change, CheckoutState, Effect, Purchase, Report, observe as decide};
use kernel::{CheckoutId, new_uuid};
use store::cold::checkouts::{self, Model};
use store::cold::{inbox, outbox, queue};
use store::{DatabaseTransaction, Queue, StoreError, Uuid};

use crate::about::{from_json, to_json};
use crate::payments::credits::{CREDIT_COMMAND, CreditCommand};
use crate::{App, AppError};

/// Tries against others that observe the same purchase; each sees what the winner wrote.
const TRIES: u32 = 8;

#[derive(Debug)]
pub(super) enum Observed {
    /// What came of it, in a sentence; the event of the lease has ended with it.
    Settled(String),
    /// Nothing of ours.
    Foreign,
    /// A person must look.
    Wrong(BillingError),
    /// The lease went to somebody else, who does the same.
    LostLease,
}

/// `event` is the lease of the inbox row that caused the read; it ends in the same transaction.
pub(super) async fn observe(
    app: &App,
    gateway: &str,
    report: &Report,
    event: Option<Uuid>,
) -> Result<Observed, AppError> {
    let mut tries = 0;
    loop {
        let Some(row) = find(app, gateway, report).await? else { return Ok(Observed::Foreign) };
        let before: Purchase = from_json(&row.purchase)?;
        let change = match decide(&before, report) {
            Ok(change) => change,
            Err(error) => return Ok(Observed::Wrong(error)),
        };
        let said = sentence(&change, change.purchase == before);
        let next = next(app, row, &change)?;
        tries += 1;
        match write(app, (&next, change.purchase != before), &change.effects, event, &said).await {
            Ok(Written::Yes) => {
                app.bells().outbox.notify_one();
                return Ok(Observed::Settled(said));
            }
            Ok(Written::LostLease) => return Ok(Observed::LostLease),
            Ok(Written::Moved) if tries < TRIES => {}
            Ok(Written::Moved) => {
                return Err(StoreError::Corrupt(format!("checkout {} moves all the time", next.id)).into());
            }
            Err(AppError::Unavailable { cause: Some(cause), .. })
                if tries < TRIES
                    && cause.downcast_ref::<StoreError>().is_some_and(StoreError::is_transient) => {}
            Err(error) => return Err(error),
        }
    }
}

enum Written {
    Yes,
    Moved,
    LostLease,
}

async fn write(
    app: &App,
    (row, is_changed): (&Model, bool),
    effects: &[Effect],
    event: Option<Uuid>,
    said: &str,
) -> Result<Written, AppError> {
    let txn = app.store().write().await?;
    if is_changed && !checkouts::update(&txn, row).await? {
        return Ok(Written::Moved);
    }
    for effect in effects {
        insert(app, &txn, row, effect).await?;
    }
    if let Some(token) = event {
        inbox::set_effect(&txn, token, said).await?;
        if !queue::end(&txn, Queue::Inbox, token, queue::DONE, None, app.now().micros()).await? {
            return Ok(Written::LostLease);
        }
    }
    txn.commit().await.map_err(StoreError::from)?;
    Ok(Written::Yes)
}

/// Keyed by the payment, never by the event.
async fn insert(app: &App, txn: &DatabaseTransaction, row: &Model, effect: &Effect) -> Result<(), AppError> {
    let (Effect::Grant { key, .. } | Effect::Clawback { key, .. } | Effect::Restore { key, .. }) = effect;
    let command = CreditCommand { checkout: CheckoutId::from_uuid(row.id), effect: effect.clone() };
    let key = format!("credit/{}/{key}", row.gateway);
    let work = outbox::Model::new(new_uuid(), key, CREDIT_COMMAND, to_json(&command)?, app.now().micros());
    outbox::insert(txn, work).await?;
    Ok(())
}

/// Our own reference comes back with every object; ids find what somebody made without it.
pub(super) async fn find(app: &App, gateway: &str, report: &Report) -> Result<Option<Model>, AppError> {
    let db = app.store().reader();
    let (checkout, payment) = (report.checkout.as_ref(), report.payment.as_ref());
    let references =
        [checkout.and_then(|c| c.reference.as_ref()), payment.and_then(|p| p.reference.as_ref())];
    for reference in references.into_iter().flatten() {
        if let Ok(id) = reference.parse::<CheckoutId>() {
            return Ok(checkouts::by_id(db, id.uuid()).await?.filter(|row| row.gateway == gateway));
        }
    }
    for id in [checkout.map(|c| &c.id.0), payment.map(|p| &p.id.0)].into_iter().flatten() {
        if let Some(row) = checkouts::by_gateway_id(db, gateway, id).await? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

fn next(app: &App, row: Model, change: &Change) -> Result<Model, AppError> {
    let purchase = &change.purchase;
    let (state, error) = match &purchase.state {
        // The gateway's page is there, even if its making was never answered.
        CheckoutState::Open => (checkouts::OPEN, None),
        CheckoutState::Processing => (checkouts::PROCESSING, None),
        CheckoutState::Failed { reason } => (checkouts::PAYMENT_FAILED, Some(reason.clone())),
        CheckoutState::Expired => (checkouts::EXPIRED, None),
        CheckoutState::Paid => (checkouts::PAID, None),
    };
    let is_opening = purchase.state == CheckoutState::Open && row.url.is_none();
    let is_settled = !matches!(purchase.state, CheckoutState::Open | CheckoutState::Processing);
    let settled_at =
        row.settled_at.or_else(|| is_settled.then(|| purchase.paid_at.unwrap_or(app.now()).micros()));
    Ok(Model {
        gateway_id: purchase.checkout.as_ref().map(|c| c.0.clone()).or(row.gateway_id),
        payment: purchase.payment.as_ref().map(|p| p.0.clone()).or(row.payment),
        // Until the page's address is known the caller waits for the job.
        state: if is_opening { row.state } else { state.to_owned() },
        error,
        purchase: to_json(purchase)?,
        settled_at: if state == checkouts::PAID {
            purchase.paid_at.map(|at| at.micros())
        } else {
            settled_at
        },
        ..row
    })
}

fn sentence(change: &Change, is_old: bool) -> String {
    let told: Vec<String> = change
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::Grant { credits, .. } => format!("{credits} credits bought"),
            Effect::Clawback { credits, .. } => format!("{credits} credits taken back"),
            Effect::Restore { credits, .. } => format!("{credits} credits given back"),
        })
        .collect();
    let reference = &change.purchase.terms.reference;
    match (told.is_empty(), is_old) {
        (false, _) => format!("{reference}: {}", told.join(", ")),
        (true, true) => format!("{reference}: nothing new"),
        (true, false) => format!("{reference}: {}", state(&change.purchase.state)),
    }
}

fn state(state: &CheckoutState) -> String {
    match state {
        CheckoutState::Open => "open".to_owned(),
        CheckoutState::Processing => "the money is on its way".to_owned(),
        CheckoutState::Failed { reason } => format!("payment failed: {reason}"),
        CheckoutState::Expired => "expired".to_owned(),
        CheckoutState::Paid => "paid".to_owned(),
    }
}
