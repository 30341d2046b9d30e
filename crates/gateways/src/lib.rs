//! Payment gateways: one trait, one adapter a gateway, one contract test that every adapter passes.
//!
//! Only this crate (and the sandbox) knows Stripe's shapes; everybody else speaks `billing`'s neutral
//! types. What it does not do: decide about credits, store anything, read the clock. Events say *that*
//! something changed; what is true is read again from the gateway before credits move.

pub mod contract;
mod error;
mod event;
mod gateway;
mod secret;
mod sign;
pub mod stripe;

pub use error::{EventError, GatewayError, Unreadable};
pub use event::{GatewayEvent, Subject};
pub use gateway::{Answer, Gateway, read};
pub use secret::Secret;
pub use sign::{PaymentSign, RiskLevel, SignKind};
