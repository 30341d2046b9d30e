//! Working off a stored event: read its subject again, then let billing decide.

use billing::{CheckoutRef, PaymentRef};
use gateways::{GatewayError, Subject};
use jobs::{Claim, Outcome};
use store::StoreError;
use store::cold::inbox;

use crate::about::from_json;
use crate::payments::events::StoredSubject;
use crate::payments::observe::{Observed, observe};
use crate::payments::{gateway, signals};
use crate::{App, AppError};

pub(crate) async fn process(
    app: &App,
    claim: &Claim<String>,
    event: &inbox::Model,
) -> Result<Outcome, AppError> {
    let gateway = gateway(app)?;
    if event.gateway != gateway.name() {
        return Ok(Outcome::Failed { error: format!("the gateway {} is not configured", event.gateway) });
    }
    let Some(subject) = &event.subject else { return Ok(Outcome::Ignored) };
    let subject = match from_json(subject)? {
        StoredSubject::Checkout(id) => Subject::Checkout(CheckoutRef(id)),
        StoredSubject::Payment(id) => Subject::Payment(PaymentRef(id)),
    };
    let report = match gateways::read(gateway, &subject).await {
        Ok(report) => report,
        Err(error @ GatewayError::NotFound { .. }) => {
            return Ok(Outcome::Failed { error: error.to_string() });
        }
        Err(error) => return Ok(Outcome::Retry { error: error.to_string() }),
    };
    signals::note(app, gateway, event, &report).await?;
    match observe(app, gateway.name(), &report, Some(claim.token)).await? {
        // The event has ended in the transaction that did it, or is somebody else's now.
        Observed::Settled(_) | Observed::LostLease => Ok(Outcome::Done),
        Observed::Foreign => {
            let txn = app.store().write().await?;
            inbox::set_effect(&txn, claim.token, "not a purchase of ours").await?;
            txn.commit().await.map_err(StoreError::from)?;
            Ok(Outcome::Ignored)
        }
        Observed::Wrong(error) => Ok(Outcome::Failed { error: error.to_string() }),
    }
}
