use billing::{Checkout, CheckoutRef, NewCheckout, NewRefund, Payment, PaymentRef, Refund, Report};
use futures::future::BoxFuture;
use kernel::{IdempotencyKey, Timestamp};

use crate::{EventError, GatewayError, GatewayEvent, Subject, Unreadable};

/// What a gateway answers, some day.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, GatewayError>>;

/// A payment provider. Calls that change something take the key of the row that asked for them: the same
/// key and input again is the same change, so a caller that got no answer simply asks again.
pub trait Gateway: Send + Sync {
    /// For logs and pages, such as `stripe`.
    fn name(&self) -> &'static str;

    /// Opens a page where the customer pays.
    fn create_checkout<'a>(&'a self, key: &'a IdempotencyKey, new: &'a NewCheckout) -> Answer<'a, Checkout>;

    fn checkout<'a>(&'a self, id: &'a CheckoutRef) -> Answer<'a, Checkout>;

    /// All checkouts made at `since` or later, newest first: what a reconciler compares with ours. One that
    /// is not understood stands among them as such and hides no other.
    fn recent_checkouts(&self, since: Timestamp) -> Answer<'_, Vec<Result<Checkout, Unreadable>>>;

    /// What happened to money after it was paid, at `since` or later, oldest first: refunds and disputes,
    /// and every later move of theirs. As an event each, whether or not it was delivered.
    fn recent_returns(&self, since: Timestamp) -> Answer<'_, Vec<GatewayEvent>>;

    /// A payment with its refunds and disputes. The id of a charge finds the payment it belongs to.
    fn payment<'a>(&'a self, id: &'a PaymentRef) -> Answer<'a, Payment>;

    /// Gives money back, once for a reference: one that the gateway has already is answered as it is, also
    /// when its key was forgotten meanwhile. An answer may be a refund that failed.
    fn refund<'a>(&'a self, key: &'a IdempotencyKey, new: &'a NewRefund) -> Answer<'a, Refund>;

    /// The event in `payload`, if that was signed, byte for byte, by the gateway not long before `now`.
    fn verify_event(
        &self,
        payload: &[u8],
        signature: &str,
        now: Timestamp,
    ) -> Result<GatewayEvent, EventError>;

    /// The same event, read again from the body that was verified when it came.
    fn stored_event(&self, body: &[u8]) -> GatewayEvent;
}

/// Reads what a purchase needs to know about `subject`: a checkout with its payment, or a payment alone.
pub async fn read(gateway: &dyn Gateway, subject: &Subject) -> Result<Report, GatewayError> {
    let checkout = match subject {
        Subject::Checkout(id) => Some(gateway.checkout(id).await?),
        Subject::Payment(_) => None,
    };
    let id = match subject {
        Subject::Checkout(_) => checkout.as_ref().and_then(|c| c.payment.clone()),
        Subject::Payment(id) => Some(id.clone()),
    };
    let payment = match &id {
        Some(id) => Some(gateway.payment(id).await?),
        None => None,
    };
    Ok(Report { checkout, payment })
}
