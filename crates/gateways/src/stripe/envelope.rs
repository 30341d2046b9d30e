//! Events in our own tolerant reading: a missing member is a missing fact, never an error. The extractors
//! know old and new paths, because an event is written in its endpoint's API version.

use billing::{CheckoutRef, PaymentRef};
use kernel::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::stripe::signs;
use crate::{GatewayEvent, Subject};

pub(super) fn read(payload: &[u8]) -> GatewayEvent {
    let body: Value = serde_json::from_slice(payload).unwrap_or(Value::Null);
    let text = |name: &str| body[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    understood(GatewayEvent {
        id: text("id").unwrap_or_else(|| unnamed(payload)),
        kind: text("type").unwrap_or_else(|| "unknown".to_owned()),
        created: body["created"].as_i64().and_then(from_unix),
        api_version: text("api_version"),
        livemode: body["livemode"].as_bool().unwrap_or(false),
        object: body["data"]["object"].clone(),
        previous_attributes: body["data"]["previous_attributes"].clone(),
        subject: None,
        sign: None,
    })
}

/// With what the extractors find in its object.
pub(super) fn understood(event: GatewayEvent) -> GatewayEvent {
    GatewayEvent { subject: subject(&event), sign: signs::sign(&event), ..event }
}

fn subject(event: &GatewayEvent) -> Option<Subject> {
    let object = &event.object;
    match event.kind.split('.').collect::<Vec<_>>().as_slice() {
        ["checkout", "session", ..] => own_id(object, "cs_").map(|id| Subject::Checkout(CheckoutRef(id))),
        ["payment_intent", ..] => own_id(object, "pi_").map(payment),
        ["charge", "dispute", ..]
        | ["refund", ..]
        | ["charge", "refund", ..]
        | ["radar", "early_fraud_warning", ..] => paid_by(object),
        ["charge", ..] => paid_by(object).or_else(|| own_id(object, "ch_").map(payment)),
        _ => None,
    }
}

/// Seconds since 1970, as Stripe writes instants.
pub(super) fn from_unix(seconds: i64) -> Option<Timestamp> {
    seconds.checked_mul(1_000_000).and_then(Timestamp::from_micros)
}

/// The payment behind a charge, refund or dispute; the charge where an old version names no payment.
fn paid_by(object: &Value) -> Option<Subject> {
    id_of(&object["payment_intent"])
        .or_else(|| id_of(&object["charge"]["payment_intent"]))
        .or_else(|| id_of(&object["charge"]))
        .map(payment)
}

fn payment(id: String) -> Subject {
    Subject::Payment(PaymentRef(id))
}

fn own_id(object: &Value, prefix: &str) -> Option<String> {
    id_of(object).filter(|id| id.starts_with(prefix))
}

/// An id, whether it stands alone or in an expanded object.
fn id_of(value: &Value) -> Option<String> {
    let id = value.as_str().or_else(|| value["id"].as_str())?;
    is_id(id).then(|| id.to_owned())
}

/// Ids go into paths of requests: nothing else than letters, digits and underscores.
pub(super) fn is_id(id: &str) -> bool {
    (1..=255).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A name for an event without one: the same payload has the same name.
fn unnamed(payload: &[u8]) -> String {
    let hash = Sha256::digest(payload);
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("evt_unnamed_{hex}")
}
