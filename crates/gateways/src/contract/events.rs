use std::collections::BTreeSet;

use billing::{Checkout, Payment};
use kernel::Timestamp;

use super::{Delivery, rule};
use crate::{Gateway, GatewayEvent, SignKind, Subject};

/// Longer than any gateway lets a signature live.
const LATE_SECONDS: i64 = 86_400;

/// Every delivery is the gateway's, and nothing else is.
pub(super) fn are_verified(
    gateway: &dyn Gateway,
    delivered: &[Delivery],
) -> Result<Vec<GatewayEvent>, String> {
    rule(!delivered.is_empty(), "a purchase has its events")?;
    delivered.iter().map(|delivery| is_verified(gateway, delivery)).collect()
}

fn is_verified(gateway: &dyn Gateway, delivery: &Delivery) -> Result<GatewayEvent, String> {
    let Delivery { payload, signature, at } = delivery;
    let event = gateway.verify_event(payload, signature, *at).map_err(|e| e.to_string())?;
    let refuses = |payload: &[u8], signature: &str, at: Timestamp, what: &str| {
        rule(gateway.verify_event(payload, signature, at).is_err(), what)
    };
    let mut altered = payload.clone();
    altered.push(b' ');
    refuses(&altered, signature, *at, "one byte more is not what was signed")?;
    refuses(payload, &without_digits(signature), *at, "another signature is refused")?;
    refuses(payload, "", *at, "no signature is refused")?;
    refuses(payload, signature, at.plus_seconds(LATE_SECONDS), "an old signature is refused")?;
    let again = gateway.stored_event(payload);
    rule(again == event, "a stored event reads as it did when it came")?;
    rule(event.sign.is_none() || event.subject.is_some(), "who tells of a risk says of which payment")?;
    Ok(event)
}

/// As long as it was, and never the same.
fn without_digits(signature: &str) -> String {
    let other = |c: char| if c.is_ascii_digit() { 'f' } else { c };
    signature.rsplit_once('=').map_or_else(
        || signature.chars().map(other).collect(),
        |(head, tail)| format!("{head}={}", tail.chars().map(other).collect::<String>()),
    )
}

pub(super) fn tell_of_the_purchase(
    events: &[GatewayEvent],
    checkout: &Checkout,
    payment: &Payment,
) -> Result<(), String> {
    let about = |subject: &Subject| events.iter().any(|event| event.subject.as_ref() == Some(subject));
    let is_told =
        about(&Subject::Checkout(checkout.id.clone())) || about(&Subject::Payment(payment.id.clone()));
    rule(is_told, "a paid checkout is told")
}

/// After one good, one declined and one disputed payment: all of them or, at a gateway that has no opinion,
/// nothing.
pub(super) fn tell_every_sign_or_none(events: &[GatewayEvent]) -> Result<(), String> {
    let kinds: BTreeSet<&str> =
        events.iter().filter_map(|event| event.sign.as_ref()).map(|sign| sign.kind.as_str()).collect();
    let all = [SignKind::Succeeded, SignKind::Failed, SignKind::Disputed].map(SignKind::as_str);
    rule(
        kinds.is_empty() || all.iter().all(|kind| kinds.contains(kind)),
        "a charge, a decline and a dispute are signs",
    )?;
    let ids: BTreeSet<(&str, &str)> = events
        .iter()
        .filter_map(|event| event.sign.as_ref())
        .map(|sign| (sign.kind.as_str(), sign.id.as_str()))
        .collect();
    let count =
        events.iter().filter(|event| event.sign.is_some()).map(|event| &event.id).collect::<BTreeSet<_>>();
    rule(ids.len() == count.len(), "each sign has an id of its own")
}
