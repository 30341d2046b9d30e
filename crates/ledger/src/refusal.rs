use kernel::{Credits, Timestamp};

use crate::restrictions::StepUp;
use crate::wallet::HoldState;

/// Why a command changed nothing. A refusal is an answer, never stored, decided anew at a retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{needed} credits are needed, {available} are available")]
    Short { needed: Credits, available: Credits },
    /// New work is kept out; `step_up` is what ends it before `until`.
    #[error("new work is on hold{}", end(*until))]
    Restricted { until: Option<Timestamp>, step_up: StepUp },
    #[error("new work is on hold already{}, which is longer; release that first", end(*until))]
    RestrictedLonger { until: Option<Timestamp> },
    #[error("new work is not on hold, or by another decision than the one named")]
    NotRestricted,
    #[error("the quote was valid until {valid_until}")]
    QuoteExpired { valid_until: Timestamp },
    #[error("the plan does not include this feature and model")]
    NotEntitled,
    #[error("the plan allows {limit} calls in any minute")]
    RateLimited { limit: u32, retry_after_seconds: i64 },
    #[error("at most {limit} holds may be open at once")]
    TooManyHolds { limit: u32 },
    #[error("a wallet has at most {limit} open lots")]
    TooManyLots { limit: usize },
    #[error("there is no such grant")]
    UnknownGrant,
    #[error("the grant was voided before")]
    GrantVoided,
    #[error("{asked} credits are asked back, {left} of the grant are left to claw back")]
    ClawbackTooLarge { asked: Credits, left: Credits },
    #[error("there is no such hold")]
    UnknownHold,
    #[error("the hold is {state}")]
    HoldNotOpen { state: HoldState },
    /// Another capture came between pricing and deciding; price again.
    #[error("the hold changed meanwhile")]
    HoldMoved,
    #[error("there is no such receipt")]
    UnknownReceipt,
    #[error("the receipt was reversed before")]
    AlreadyReversed,
    #[error("the expiry {expires_at} is not in the future")]
    ExpiryPassed { expires_at: Timestamp },
    #[error("the amounts add up to more than a wallet can hold")]
    TooLarge,
}

fn end(until: Option<Timestamp>) -> String {
    until.map_or_else(|| " until it is released".to_owned(), |until| format!(" until {until}"))
}
