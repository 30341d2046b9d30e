//! Stripe's objects, in the version async-stripe pins, as billing's neutral ones.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use billing::{
    Checkout, CheckoutRef, CheckoutState, Dispute, DisputeRef, DisputeState, NewRefund, Payment, PaymentRef,
    PaymentState, Refund, RefundRef, RefundState,
};
use kernel::{Currency, Money, Timestamp};
use serde_json::Value;
use stripe_shared::{
    Charge, CheckoutSession, CheckoutSessionPaymentStatus, CheckoutSessionStatus, DisputeStatus,
    PaymentIntent, PaymentIntentStatus,
};
use stripe_types::Expandable;

use crate::stripe::envelope::{from_unix, understood};
use crate::{GatewayError, GatewayEvent, Unreadable};

/// Our reference in the metadata of checkout and payment.
pub(super) const REFERENCE: &str = "scrip_reference";
/// Stripe's clock and ours; as much as for signatures.
const CLOCKS_DIFFER_SECONDS: i64 = 300;

type Metadata = HashMap<String, String>;

/// One of a list.
pub(super) fn listed(session: CheckoutSession) -> Result<Checkout, Unreadable> {
    let (id, reference) = (session.id.to_string(), reference_of(&session));
    checkout(session).map_err(|error| Unreadable { id, reference, error: Box::new(error) })
}

pub(super) fn checkout(session: CheckoutSession) -> Result<Checkout, GatewayError> {
    let metadata = session.metadata.clone().unwrap_or_default();
    Ok(Checkout {
        id: CheckoutRef(session.id.to_string()),
        reference: reference_of(&session),
        url: session.url.clone(),
        state: checkout_state(&session),
        payment: session.payment_intent.as_ref().map(|pi| PaymentRef(pi.id().to_string())),
        amount: Money {
            amount: session.amount_total.unwrap_or(0),
            currency: match &session.currency {
                Some(currency) => money_currency(currency)?,
                None => Currency::USD,
            },
        },
        created: instant(session.created)?,
        metadata: sorted(metadata),
    })
}

fn checkout_state(session: &CheckoutSession) -> CheckoutState {
    let is_unpaid = matches!(session.payment_status, CheckoutSessionPaymentStatus::Unpaid);
    match &session.status {
        Some(CheckoutSessionStatus::Expired) => CheckoutState::Expired,
        Some(CheckoutSessionStatus::Complete) if !is_unpaid => CheckoutState::Paid,
        Some(CheckoutSessionStatus::Complete) => unpaid(session),
        _ => CheckoutState::Open,
    }
}

/// Complete without money: a bank debit on its way, or one that bounced.
fn unpaid(session: &CheckoutSession) -> CheckoutState {
    let intent = session.payment_intent.as_ref().and_then(Expandable::as_object);
    match intent.map(payment_state_before_success) {
        Some(PaymentState::Failed { reason }) => CheckoutState::Failed { reason },
        Some(PaymentState::Cancelled) => CheckoutState::Failed { reason: "cancelled".to_owned() },
        _ => CheckoutState::Processing,
    }
}

pub(super) fn payment(
    intent: PaymentIntent,
    refunds: Vec<Refund>,
    disputes: Vec<Dispute>,
) -> Result<Payment, GatewayError> {
    let is_paid = matches!(intent.status, PaymentIntentStatus::Succeeded);
    let state = if is_paid {
        PaymentState::Succeeded { paid_at: paid_at(&intent)? }
    } else {
        payment_state_before_success(&intent)
    };
    Ok(Payment {
        id: PaymentRef(intent.id.to_string()),
        reference: reference(&intent.metadata),
        state,
        amount: Money {
            amount: if is_paid { intent.amount_received } else { intent.amount },
            currency: money_currency(&intent.currency)?,
        },
        refunds,
        disputes,
        metadata: sorted(intent.metadata),
    })
}

fn payment_state_before_success(intent: &PaymentIntent) -> PaymentState {
    match (&intent.status, &intent.last_payment_error) {
        (PaymentIntentStatus::Canceled, _) => PaymentState::Cancelled,
        (PaymentIntentStatus::RequiresPaymentMethod, Some(error)) => {
            let said = error.message.clone().or_else(|| error.decline_code.clone());
            PaymentState::Failed { reason: said.unwrap_or_else(|| "the payment failed".to_owned()) }
        }
        _ => PaymentState::Pending,
    }
}

/// When the charge was made; when the payment was begun if Stripe did not expand the charge.
fn paid_at(intent: &PaymentIntent) -> Result<Timestamp, GatewayError> {
    let charge: Option<&Charge> = intent.latest_charge.as_ref().and_then(Expandable::as_object);
    instant(charge.map_or(intent.created, |charge| charge.created))
}

pub(super) fn refund(refund: &stripe_shared::Refund) -> Refund {
    let state = match refund.status.as_deref() {
        Some("succeeded") => RefundState::Succeeded,
        Some("failed" | "canceled") => RefundState::Failed,
        _ => RefundState::Pending,
    };
    Refund { id: RefundRef(refund.id.to_string()), amount_minor: refund.amount, state }
}

/// Whether we asked for it as `reference`.
pub(super) fn is_refund_of(refund: &stripe_shared::Refund, reference: &str) -> bool {
    let kept = refund.metadata.as_ref().and_then(|metadata| metadata.get(REFERENCE));
    kept.is_some_and(|kept| kept == reference)
}

/// Whether it is what was asked for at `asked_at`, by all that a refund without a reference tells.
pub(super) fn may_be_refund_of(refund: &stripe_shared::Refund, new: &NewRefund, asked_at: Timestamp) -> bool {
    let Some(kept) = &refund.metadata else { return false };
    let is_ours = new.metadata.iter().all(|(name, value)| kept.get(name) == Some(value));
    let is_unnamed = !kept.contains_key(REFERENCE) && !new.metadata.is_empty();
    let asked_at = asked_at.unix_seconds() - CLOCKS_DIFFER_SECONDS;
    is_unnamed && is_ours && new.amount_minor == Some(refund.amount) && refund.created >= asked_at
}

pub(super) fn dispute(dispute: &stripe_shared::Dispute) -> Dispute {
    let state = match dispute.status {
        DisputeStatus::Won => DisputeState::Won,
        DisputeStatus::Lost => DisputeState::Lost,
        DisputeStatus::NeedsResponse | DisputeStatus::UnderReview => DisputeState::Open,
        _ => DisputeState::Inquiry,
    };
    Dispute { id: DisputeRef(dispute.id.to_string()), amount_minor: dispute.amount, state }
}

/// The object stays as the event has it, in whatever version that was written.
pub(super) fn event(event: &stripe_shared::Event) -> GatewayEvent {
    let reread = |value: &miniserde::json::Value| {
        serde_json::from_str(&miniserde::json::to_string(value)).unwrap_or(Value::Null)
    };
    understood(GatewayEvent {
        id: event.id.to_string(),
        kind: event.type_.to_string(),
        created: from_unix(event.created),
        api_version: event.api_version.clone(),
        livemode: event.livemode,
        object: reread(&event.data.object),
        previous_attributes: event.data.previous_attributes.as_ref().map_or(Value::Null, reread),
        subject: None,
        sign: None,
    })
}

pub(super) fn stripe_currency(currency: Currency) -> stripe_types::Currency {
    match stripe_types::Currency::from_str(currency.as_str()) {
        Ok(currency) => currency,
        Err(never) => match never {},
    }
}

fn money_currency(currency: &stripe_types::Currency) -> Result<Currency, GatewayError> {
    currency.to_string().parse().map_err(|e| unexpected(format!("currency {currency}: {e}")))
}

fn instant(seconds: i64) -> Result<Timestamp, GatewayError> {
    from_unix(seconds).ok_or_else(|| unexpected(format!("the instant {seconds} is out of range")))
}

fn reference(metadata: &Metadata) -> Option<String> {
    metadata.get(REFERENCE).cloned()
}

fn reference_of(session: &CheckoutSession) -> Option<String> {
    session.metadata.as_ref().and_then(reference).or_else(|| session.client_reference_id.clone())
}

fn sorted(metadata: Metadata) -> BTreeMap<String, String> {
    metadata.into_iter().collect()
}

fn unexpected(reason: String) -> GatewayError {
    GatewayError::Unexpected { reason }
}
