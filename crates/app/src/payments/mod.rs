//! Buying credits: a checkout at a gateway, its verified events, the credits that follow from them.
//!
//! Nothing is granted on a redirect and nothing on an event's word: an event only says what to read again
//! at the gateway. What was read goes through billing's state machine; the purchase's new state and an
//! outbox row for its credits are one transaction, and the engine's key makes the row happen once.

mod checkouts;
mod credits;
mod events;
mod observe;
mod opening;
mod process;
mod receipt_mail;
mod reconcile;
mod refunds;
pub mod signals;

use std::fmt;
use std::sync::Arc;

use gateways::Gateway;

use crate::{App, AppError};

pub use checkouts::{
    Buying, Checkout, CheckoutState, NewCheckout, create, create_own, get, list, of_gateway_id,
};
pub use events::{GatewayEvent, MOVES_NO_CREDITS, WorkState, event, events, receive, replay};
pub use refunds::{NewRefund, Refunding, refund};

pub(crate) use credits::{CREDIT_COMMAND, move_credits};
pub(crate) use events::handle_again;
pub(crate) use opening::{OPEN_CHECKOUT, give_up_opening, open_at_gateway};
pub(crate) use process::process;
pub(crate) use reconcile::{reconcile, reconcile_long};
pub(crate) use refunds::{REFUND, refund_at_gateway};

/// The gateway that customers pay through.
#[derive(Clone)]
pub struct PaymentGateway {
    gateway: Arc<dyn Gateway>,
    takes_play_money: bool,
}

impl PaymentGateway {
    pub fn new(gateway: impl Gateway + 'static) -> PaymentGateway {
        PaymentGateway { gateway: Arc::new(gateway), takes_play_money: false }
    }

    /// One that stands in for a real gateway: pages must not say that a card is charged there.
    pub fn of_play_money(gateway: impl Gateway + 'static) -> PaymentGateway {
        PaymentGateway { takes_play_money: true, ..PaymentGateway::new(gateway) }
    }
}

impl fmt::Debug for PaymentGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentGateway({})", self.gateway.name())
    }
}

/// Whether anything can be bought here.
pub fn is_configured(app: &App) -> bool {
    app.config().gateway.is_some()
}

/// Whether what can be bought here is paid with play money.
pub fn takes_play_money(app: &App) -> bool {
    app.config().gateway.as_ref().is_some_and(|gateway| gateway.takes_play_money)
}

pub(crate) fn gateway(app: &App) -> Result<&dyn Gateway, AppError> {
    let missing = || AppError::Conflict {
        code: "no_gateway",
        detail: "no payment gateway is configured: set SCRIP_STRIPE_SECRET_KEY or start with --sandbox"
            .to_owned(),
    };
    app.config().gateway.as_ref().map(|gateway| gateway.gateway.as_ref()).ok_or_else(missing)
}
