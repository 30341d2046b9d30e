use std::collections::BTreeMap;

use kernel::{Money, Timestamp};
use serde::{Deserialize, Serialize};

/// The gateway's id of a payment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PaymentRef(pub String);

/// The gateway's id of a refund.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RefundRef(pub String);

/// The gateway's id of a dispute (chargeback).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DisputeRef(pub String);

/// A payment with everything that happened to its money, as the gateway tells it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    pub id: PaymentRef,
    /// Our id of the purchase; `None` for a payment that somebody else made.
    pub reference: Option<String>,
    pub state: PaymentState,
    /// What was received; what was asked for until then.
    pub amount: Money,
    pub refunds: Vec<Refund>,
    pub disputes: Vec<Dispute>,
    pub metadata: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentState {
    /// Not attempted, in authentication, or on its way.
    Pending,
    /// The last attempt failed; another may follow.
    Failed {
        reason: String,
    },
    Cancelled,
    Succeeded {
        paid_at: Timestamp,
    },
}

/// Money given back, or promised to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    pub id: RefundRef,
    /// Of this refund alone, in the payment's currency.
    pub amount_minor: i64,
    pub state: RefundState,
}

/// In the order in which a refund may move: one that succeeded may still come back as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    Pending,
    Succeeded,
    /// Failed or cancelled: the money stays with us.
    Failed,
}

/// The cardholder's bank takes the money back until it is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    pub id: DisputeRef,
    pub amount_minor: i64,
    pub state: DisputeState,
}

/// In the order in which a dispute may move. A loss can be turned into a win, not the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeState {
    /// A question of the bank; no money moved.
    Inquiry,
    Open,
    Lost,
    Won,
}

/// Money to give back. `amount_minor` is in the payment's currency; `None`: all that is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRefund {
    /// Our id of the refund; the gateway keeps it, so that the same refund is found again for ever.
    pub reference: String,
    pub payment: PaymentRef,
    pub amount_minor: Option<i64>,
    pub metadata: BTreeMap<String, String>,
    /// When it was asked for, if that is so long ago that the gateway may have forgotten its key.
    pub late_since: Option<Timestamp>,
}
