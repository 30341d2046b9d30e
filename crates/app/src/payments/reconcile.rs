//! Repairs what a lost webhook would have told: asks the gateway what became of purchases that are open
//! here, and which refunds and disputes there were.

use std::collections::BTreeSet;

use billing::CheckoutState;
use gateways::Subject;
use kernel::{CheckoutId, Timestamp};
use store::cold::checkouts;

use crate::payments::observe::{Observed, observe};
use crate::payments::{events, gateway};
use crate::{App, AppError};

/// Open purchases that one run compares; the oldest first, so none is always left out.
const PURCHASES_MAX: u64 = 5_000;
/// The gateway's clock may be behind ours.
const SKEW_SECONDS: i64 = 120;

/// Compares purchases, refunds and disputes of the last `reach_seconds`. Answers what it did, for the
/// schedule's row. Neither half waits for the other to succeed.
pub(crate) async fn reconcile(app: &App, reach_seconds: i64) -> Result<String, AppError> {
    let since = app.now().plus_seconds(-reach_seconds);
    let (purchases, returns) = (reconcile_purchases(app, since).await, reconcile_returns(app, since).await);
    Ok(format!("{}; {}", purchases?, returns?))
}

/// Refunds and disputes are found by the events about them, which become rows of the inbox like those
/// that a webhook brings.
async fn reconcile_returns(app: &App, since: Timestamp) -> Result<String, AppError> {
    let from = since.plus_seconds(-SKEW_SECONDS);
    let listed = gateway(app)?.recent_returns(from).await.map_err(unavailable)?;
    let missed = events::fetch_missed(app, &listed).await?;
    if missed > 0 {
        tracing::warn!(missed, "the reconciler fetched events that no webhook brought");
    }
    Ok(format!("{} events about returns, {missed} of them new", listed.len()))
}

async fn reconcile_purchases(app: &App, since: Timestamp) -> Result<String, AppError> {
    let gateway = gateway(app)?;
    let since = since.micros();
    let open = checkouts::unsettled(app.store().reader(), gateway.name(), since, PURCHASES_MAX).await?;
    let Some(oldest) = open.first() else { return Ok("no purchase is open".to_owned()) };
    let from = Timestamp::from_micros_saturating(oldest.created_at).plus_seconds(-SKEW_SECONDS);
    let ours: BTreeSet<String> = open.iter().map(|row| CheckoutId::from_uuid(row.id).to_string()).collect();
    let told = gateway.recent_checkouts(from).await.map_err(unavailable)?;
    let mut repaired = 0u32;
    let moved = told.iter().filter(|c| c.state != CheckoutState::Open);
    for checkout in moved.filter(|c| c.reference.as_ref().is_some_and(|reference| ours.contains(reference))) {
        let report =
            gateways::read(gateway, &Subject::Checkout(checkout.id.clone())).await.map_err(unavailable)?;
        match observe(app, gateway.name(), &report, None).await? {
            Observed::Settled(what) => {
                repaired += 1;
                tracing::warn!(checkout.id = %checkout.id.0, what, "the reconciler met a purchase before its webhook");
            }
            Observed::Wrong(error) => {
                tracing::error!(%error, checkout.id = %checkout.id.0, "a purchase does not add up")
            }
            Observed::Foreign | Observed::LostLease => {}
        }
    }
    Ok(format!("{} purchases open, {} at the gateway, {repaired} settled", open.len(), told.len()))
}

pub(super) fn unavailable(error: gateways::GatewayError) -> AppError {
    AppError::Unavailable { retry_after_seconds: 1, cause: Some(Box::new(error)) }
}
