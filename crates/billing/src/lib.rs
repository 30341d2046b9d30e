//! What is sold and how it is paid, as state machines: state + what the gateway says → effects as data.
//!
//! Pure: no clock, no I/O, no gateway's own shapes. The neutral types here ([`Checkout`], [`Payment`])
//! are what every gateway adapter answers with; [`observe`] turns them into credits to grant or to take
//! back, once, whatever arrives twice, late or out of order.

mod checkout;
mod payment;
mod purchase;
mod share;

pub use checkout::{Checkout, CheckoutRef, CheckoutState, Line, NewCheckout};
pub use payment::{
    Dispute, DisputeRef, DisputeState, NewRefund, Payment, PaymentRef, PaymentState, Refund, RefundRef,
    RefundState,
};
pub use purchase::{BillingError, Cause, Change, Effect, Progress, Purchase, Report, Terms, observe};
pub use share::plus_months;
