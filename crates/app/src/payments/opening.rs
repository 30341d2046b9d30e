//! The job that asks the gateway for its page.

use billing::{Line, NewCheckout, Purchase};
use gateways::GatewayError;
use jobs::Outcome;
use kernel::{CheckoutId, Credits, CustomerId, IdempotencyKey, Money};
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::cold::checkouts::{self, Model};
use store::cold::outbox;

use crate::about::{from_json, to_json};
use crate::payments::gateway;
use crate::{App, AppError, customers};

pub(crate) const OPEN_CHECKOUT: &str = "open_checkout";

/// What the job is to do. It is written down once: a gateway promises one page only for the same question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Opening {
    pub checkout: CheckoutId,
    /// See [`NewCheckout::asks_the_bank`].
    pub asks_the_bank: bool,
}

/// As older versions wrote it, too: the checkout's id alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Opening(Opening),
    Checkout(CheckoutId),
}

/// On a purchase that waits for the gateway's settings to be mended.
const NOT_PAYABLE: &str = "payments are not available right now";

/// The checkout's id is the gateway's idempotency key: however often this runs, there is one page.
pub(crate) async fn open_at_gateway(app: &App, work: &outbox::Model) -> Result<Outcome, AppError> {
    let Opening { checkout: id, asks_the_bank } = read(work)?;
    let Some(row) = checkouts::by_id(app.store().reader(), id.uuid()).await? else {
        return Ok(Outcome::Failed { error: format!("{id} is not there") });
    };
    if row.state != checkouts::CREATING {
        return Ok(Outcome::Done);
    }
    let asked = NewCheckout { asks_the_bank, ..asked(app, id, &row).await? };
    let key = IdempotencyKey::new(id.to_string()).map_err(|e| AppError::invalid("key", e.to_string()))?;
    match gateway(app)?.create_checkout(&key, &asked).await {
        Ok(made) => {
            let mut purchase: Purchase = from_json(&row.purchase)?;
            purchase.checkout = Some(made.id.clone());
            let purchase = to_json(&purchase)?;
            let opened = Model {
                gateway_id: Some(made.id.0),
                url: made.url,
                state: checkouts::OPEN.to_owned(),
                error: None,
                purchase,
                ..row
            };
            write(app, opened).await
        }
        Err(GatewayError::Refused { message, .. }) => write(app, refused(row, message)).await,
        // The operator's matter: the purchase waits for the settings to be mended, and its caller is told.
        Err(error @ (GatewayError::Denied { .. } | GatewayError::Settings { .. })) => {
            tracing::error!(%error, checkout.id = %id, "nothing can be sold");
            write(app, Model { error: Some(NOT_PAYABLE.to_owned()), ..row }).await?;
            Ok(Outcome::Retry { error: error.to_string() })
        }
        Err(error) => Ok(Outcome::Retry { error: error.to_string() }),
    }
}

/// After the last attempt: the caller may ask anew, under the same key.
pub(crate) async fn give_up_opening(app: &App, work: &outbox::Model) -> Result<(), AppError> {
    let Opening { checkout: id, .. } = read(work)?;
    if let Some(row) = checkouts::by_id(app.store().reader(), id.uuid()).await?
        && row.state == checkouts::CREATING
    {
        write(app, refused(row, "the gateway did not answer".to_owned())).await?;
    }
    Ok(())
}

fn read(work: &outbox::Model) -> Result<Opening, AppError> {
    Ok(match from_json(&work.payload)? {
        Written::Opening(opening) => opening,
        Written::Checkout(checkout) => Opening { checkout, asks_the_bank: false },
    })
}

fn refused(row: Model, why: String) -> Model {
    Model { state: checkouts::REFUSED.to_owned(), request_key: None, error: Some(why), ..row }
}

async fn write(app: &App, row: Model) -> Result<Outcome, AppError> {
    let txn = app.store().write().await?;
    let is_ours = checkouts::update(&txn, &row).await?;
    txn.commit().await.map_err(StoreError::from)?;
    if is_ours {
        Ok(Outcome::Done)
    } else {
        Ok(Outcome::Later { why: "it moved meanwhile".to_owned(), seconds: 1 })
    }
}

async fn asked(app: &App, id: CheckoutId, row: &Model) -> Result<NewCheckout, AppError> {
    let customer = CustomerId::from_uuid(row.customer);
    let purchase: Purchase = from_json(&row.purchase)?;
    let price = purchase.terms.price;
    let quantity = u32::try_from(row.quantity).unwrap_or(1).max(1);
    let each = Credits::from_micros(row.credits / i64::from(quantity));
    Ok(NewCheckout {
        reference: id.to_string(),
        customer_email: customers::load(app, customer).await?.email,
        line: Line {
            name: format!("{each} credits"),
            unit: Money { amount: price.amount / i64::from(quantity), currency: price.currency },
            quantity,
        },
        success_url: row.success_url.clone(),
        cancel_url: row.cancel_url.clone(),
        asks_the_bank: false,
        metadata: [("customer".to_owned(), customer.to_string())].into(),
    })
}
