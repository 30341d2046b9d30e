use std::collections::BTreeMap;

use kernel::{Money, Timestamp};
use serde::{Deserialize, Serialize};

use crate::PaymentRef;

/// The gateway's id of a checkout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CheckoutRef(pub String);

/// What a gateway is asked to sell on its own page. Card data never touches us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCheckout {
    /// Our id of the purchase; the gateway gives it back with the checkout and the payment.
    pub reference: String,
    pub customer_email: String,
    pub line: Line,
    /// Where the browser goes after payment; proves nothing.
    pub success_url: String,
    pub cancel_url: String,
    /// The bank is to ask the holder of the card, where it can (3-D Secure), and not only where it must.
    pub asks_the_bank: bool,
    /// Kept by the gateway on the checkout and on the payment.
    pub metadata: BTreeMap<String, String>,
}

/// The one line of a checkout; the total is `unit × quantity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What the customer reads on the gateway's page.
    pub name: String,
    pub unit: Money,
    pub quantity: u32,
}

/// A checkout as the gateway tells it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    pub id: CheckoutRef,
    /// Our id of the purchase; `None` for a checkout that somebody else made.
    pub reference: Option<String>,
    /// The gateway's page; `None` once it is closed.
    pub url: Option<String>,
    pub state: CheckoutState,
    /// The payment behind it, once there is an attempt.
    pub payment: Option<PaymentRef>,
    pub amount: Money,
    pub created: Timestamp,
    pub metadata: BTreeMap<String, String>,
}

/// In the order in which a checkout may move; a later read never moves it back.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CheckoutState {
    /// The customer may pay; declined attempts leave it open.
    #[default]
    Open,
    /// The customer is done, the money is on its way (bank debits).
    Processing,
    /// The money did not come.
    Failed {
        reason: String,
    },
    /// Nobody paid in time.
    Expired,
    Paid,
}
