//! Giving money back; the credits follow from what the gateway then says.

use billing::{PaymentRef, Purchase};
use gateways::{GatewayError, Subject};
use jobs::Outcome;
use kernel::{CheckoutId, IdempotencyKey, Money, Timestamp, new_uuid};
use serde::{Deserialize, Serialize};
use store::cold::{checkouts, outbox};

use crate::about::{from_json, to_json};
use crate::cold::{Route, once};
use crate::payments::gateway;
use crate::payments::observe::{Observed, observe};
use crate::text::{Checks, SENTENCE_MAX_CHARS};
use crate::{App, AppError, Done, Keyed, Principal, Scope};

pub(crate) const REFUND: &str = "refund";
const ROUTE: Route = Route("POST /v1/checkouts/{id}/refund");
/// Gateways keep idempotency keys for a day; an hour of it is for clocks that differ and for calls on their way.
const KEY_IS_KEPT_SECONDS: i64 = 23 * 3_600;

#[derive(Clone, Debug)]
pub struct NewRefund {
    pub checkout: CheckoutId,
    /// In minor units; `None`: all that is left.
    pub amount_minor: Option<i64>,
    pub reason: String,
}

/// A refund that the gateway will be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refunding {
    pub checkout: CheckoutId,
    pub payment: String,
    /// What was asked for.
    pub amount: Money,
    pub reason: String,
}

/// Asks for a refund. The gateway is told afterwards by a job; what it says moves the credits.
pub async fn refund(
    app: &App,
    by: &Principal,
    new: NewRefund,
    keyed: &Keyed,
) -> Result<Done<Refunding>, AppError> {
    by.require(Scope::Admin)?;
    let mut checks = Checks::default();
    checks.text("reason", &new.reason, SENTENCE_MAX_CHARS);
    checks.ensure(new.amount_minor.is_none_or(|minor| minor > 0), "amount", "must be more than 0");
    checks.done()?;
    let (id, at) = (new_uuid(), app.now().micros());
    let done = once(app, by, ROUTE, Some(keyed), move |txn| {
        let new = new.clone();
        Box::pin(async move {
            let row =
                checkouts::by_id(txn, new.checkout.uuid()).await?.ok_or(AppError::not_found("checkout"))?;
            let refunding = refunding(&row, &new)?;
            let job = outbox::Model::new(id, format!("refund/{id}"), REFUND, to_json(&refunding)?, at);
            outbox::insert(txn, job).await?;
            Ok(refunding)
        })
    })
    .await?;
    app.bells().outbox.notify_one();
    Ok(done)
}

fn refunding(row: &checkouts::Model, new: &NewRefund) -> Result<Refunding, AppError> {
    let purchase: Purchase = from_json(&row.purchase)?;
    let unpaid = || AppError::Conflict { code: "wrong_state", detail: "the purchase is not paid".to_owned() };
    let payment = row.payment.clone().filter(|_| purchase.paid_at.is_some()).ok_or_else(unpaid)?;
    let left = purchase.terms.price.amount - purchase.returned_minor();
    let amount = new.amount_minor.unwrap_or(left);
    if left == 0 {
        return Err(AppError::Conflict {
            code: "wrong_state",
            detail: "all of it was given back before".to_owned(),
        });
    }
    if amount > left {
        return Err(AppError::invalid(
            "amount",
            format!("must be at most {left}, what is left of the payment"),
        ));
    }
    let amount = Money { amount, ..purchase.terms.price };
    Ok(Refunding { checkout: new.checkout, payment, amount, reason: new.reason.clone() })
}

/// The row's id is the gateway's idempotency key, and the refund's reference for when the key is forgotten.
pub(crate) async fn refund_at_gateway(app: &App, work: &outbox::Model) -> Result<Outcome, AppError> {
    let asked: Refunding = from_json(&work.payload)?;
    let gateway = gateway(app)?;
    let key =
        IdempotencyKey::new(work.id.to_string()).map_err(|e| AppError::invalid("key", e.to_string()))?;
    let payment = PaymentRef(asked.payment.clone());
    let new = billing::NewRefund {
        reference: work.id.to_string(),
        payment: payment.clone(),
        amount_minor: Some(asked.amount.amount),
        metadata: [("checkout".to_owned(), asked.checkout.to_string())].into(),
        late_since: late_since(work, app.now()),
    };
    let told = async {
        gateway.refund(&key, &new).await?;
        gateways::read(gateway, &Subject::Payment(payment)).await
    };
    let report = match told.await {
        Ok(report) => report,
        Err(error @ (GatewayError::Refused { .. } | GatewayError::NotFound { .. })) => {
            return Ok(Outcome::Failed { error: error.to_string() });
        }
        Err(error) => return Ok(Outcome::Retry { error: error.to_string() }),
    };
    match observe(app, gateway.name(), &report, None).await? {
        Observed::Wrong(error) => Ok(Outcome::Failed { error: error.to_string() }),
        Observed::Settled(_) | Observed::Foreign | Observed::LostLease => Ok(Outcome::Done),
    }
}

/// A key is never older than its row.
fn late_since(work: &outbox::Model, now: Timestamp) -> Option<Timestamp> {
    let asked_at = Timestamp::from_micros_saturating(work.created_at);
    (asked_at.plus_seconds(KEY_IS_KEPT_SECONDS) <= now).then_some(asked_at)
}
