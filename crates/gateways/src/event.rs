use billing::{CheckoutRef, PaymentRef};
use kernel::Timestamp;
use serde_json::Value;

use crate::PaymentSign;

/// An authentic event. Everything but `id` and `kind` may be missing: a correctly signed event is never
/// refused because of its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayEvent {
    /// Unique at the gateway; derived from the payload when that names none.
    pub id: String,
    /// Such as `checkout.session.completed`; `unknown` when the payload does not say.
    pub kind: String,
    pub created: Option<Timestamp>,
    /// The version that `object` is written in: the endpoint's, not our client's.
    pub api_version: Option<String>,
    pub livemode: bool,
    /// What it is about, as it was then; `Null` when missing.
    pub object: Value,
    /// What an update changed; `Null` when missing.
    pub previous_attributes: Value,
    /// What to read again because of it; `None` for events that move no credits.
    pub subject: Option<Subject>,
    /// What it tells of the risk of a payment; `None` for events that tell nothing of it, and at gateways
    /// that never do.
    pub sign: Option<PaymentSign>,
}

/// What an event is about, to be read again before credits move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Checkout(CheckoutRef),
    /// May also name the charge behind a payment; [`crate::Gateway::payment`] takes both.
    Payment(PaymentRef),
}
