//! What every adapter must do, as one function: run it against the gateway's test mode or its stand-in.

mod events;

use std::collections::BTreeMap;

use billing::{
    Checkout, CheckoutRef, CheckoutState, DisputeState, Line, NewCheckout, NewRefund, Payment, PaymentRef,
    PaymentState, RefundState,
};
use futures::future::BoxFuture;
use kernel::{Currency, IdempotencyKey, Money, Timestamp};

use crate::{Gateway, GatewayError, Subject, read};

/// The card a outside pays with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    Good,
    Declined,
    /// Succeeds, then the bank opens a dispute.
    Disputed,
}

/// A webhook as it arrived.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub payload: Vec<u8>,
    pub signature: String,
    pub at: Timestamp,
}

/// The other side of the gateway: somebody at its page, and whoever takes its webhooks.
pub trait Outside: Sync {
    /// `Ok` means that the page was used as told, not that money moved.
    fn pay<'a>(&'a self, checkout: &'a Checkout, card: Card) -> BoxFuture<'a, Result<(), String>>;

    /// Everything that arrived so far.
    fn delivered(&self) -> BoxFuture<'_, Result<Vec<Delivery>, String>>;
}

const PRICE: Money = Money { amount: 4_500, currency: Currency::USD };

/// Runs the whole contract; `run` makes the keys of this run unique. The error says which rule is broken.
///
/// # Errors
/// The first rule that the adapter breaks.
pub async fn check(gateway: &dyn Gateway, outside: &dyn Outside, run: &str) -> Result<(), String> {
    let since = Timestamp::EPOCH;
    rule(!gateway.name().is_empty(), "a gateway has a name")?;
    opens_once_per_key(gateway, run).await?;
    says_what_it_does_not_know(gateway).await?;
    let (checkout, payment) = is_paid_in_full(gateway, outside, run).await?;
    let told_of = events::are_verified(gateway, &outside.delivered().await?)?;
    events::tell_of_the_purchase(&told_of, &checkout, &payment)?;
    rule(
        gateway.recent_checkouts(since).await.map_err(told)?.iter().flatten().any(|c| c.id == checkout.id),
        "a recent checkout is listed",
    )?;
    leaves_a_declined_checkout_open(gateway, outside, run).await?;
    refunds_once_per_key(gateway, &payment, run).await?;
    lists_what_went_back(gateway, &payment).await?;
    tells_of_a_dispute(gateway, outside, run).await?;
    events::tell_every_sign_or_none(&events::are_verified(gateway, &outside.delivered().await?)?)
}

async fn opens_once_per_key(gateway: &dyn Gateway, run: &str) -> Result<(), String> {
    let (key, new) = (key(run, "open")?, new_checkout(run, "open"));
    let first = gateway.create_checkout(&key, &new).await.map_err(told)?;
    rule(first.state == CheckoutState::Open, "a new checkout is open")?;
    rule(first.url.is_some(), "an open checkout has a page")?;
    rule(first.reference.as_ref() == Some(&new.reference), "a checkout names our reference")?;
    rule(first.amount == PRICE, "a checkout costs unit × quantity")?;
    let pack = first.metadata.get("pack").map(String::as_str);
    rule(pack == Some("pack_500"), "a checkout keeps our metadata")?;
    let again = gateway.create_checkout(&key, &new).await.map_err(told)?;
    rule(again.id == first.id, "the same key is the same checkout")?;
    let other = NewCheckout { customer_email: "other@example.org".to_owned(), ..new };
    let refused = gateway.create_checkout(&key, &other).await;
    rule(matches!(refused, Err(GatewayError::Refused { .. })), "a key with another input is refused")
}

async fn says_what_it_does_not_know(gateway: &dyn Gateway) -> Result<(), String> {
    let checkout = gateway.checkout(&CheckoutRef("cs_test_nothing".to_owned())).await;
    rule(matches!(checkout, Err(GatewayError::NotFound { .. })), "an unknown checkout is not found")?;
    let payment = gateway.payment(&PaymentRef("pi_nothing".to_owned())).await;
    rule(matches!(payment, Err(GatewayError::NotFound { .. })), "an unknown payment is not found")?;
    let path = gateway.payment(&PaymentRef("../customers".to_owned())).await;
    rule(matches!(path, Err(GatewayError::NotFound { .. })), "an id is never a path")
}

async fn is_paid_in_full(
    gateway: &dyn Gateway,
    outside: &dyn Outside,
    run: &str,
) -> Result<(Checkout, Payment), String> {
    let (checkout, payment) = bought(gateway, outside, run, Card::Good).await?;
    rule(checkout.state == CheckoutState::Paid, "a paid checkout says so")?;
    rule(matches!(payment.state, PaymentState::Succeeded { .. }), "its payment succeeded")?;
    rule(payment.amount == PRICE, "the payment brought the price")?;
    rule(payment.reference == checkout.reference, "the payment names our reference")?;
    rule(payment.refunds.is_empty() && payment.disputes.is_empty(), "nothing is given back yet")?;
    Ok((checkout, payment))
}

async fn leaves_a_declined_checkout_open(
    gateway: &dyn Gateway,
    outside: &dyn Outside,
    run: &str,
) -> Result<(), String> {
    let new = new_checkout(run, "declined");
    let opened = gateway.create_checkout(&key(run, "declined")?, &new).await.map_err(told)?;
    outside.pay(&opened, Card::Declined).await?;
    let report = read(gateway, &Subject::Checkout(opened.id)).await.map_err(told)?;
    let state = report.checkout.map(|c| c.state);
    rule(state == Some(CheckoutState::Open), "a decline leaves the checkout open")?;
    let payment = report.payment.map(|p| p.state);
    let failed = matches!(payment, None | Some(PaymentState::Failed { .. }));
    rule(failed, "a declined payment has failed or does not exist")
}

async fn refunds_once_per_key(gateway: &dyn Gateway, paid: &Payment, run: &str) -> Result<(), String> {
    let refund_key = key(run, "refund")?;
    let part = NewRefund {
        reference: format!("refund_{run}"),
        payment: paid.id.clone(),
        amount_minor: Some(1_500),
        metadata: BTreeMap::from([("why".to_owned(), "contract".to_owned())]),
        late_since: None,
    };
    let first = gateway.refund(&refund_key, &part).await.map_err(told)?;
    let again = gateway.refund(&refund_key, &part).await.map_err(told)?;
    rule(first.id == again.id && first.amount_minor == 1_500, "the same key is the same refund")?;
    let forgotten = gateway.refund(&key(run, "refund under another key")?, &part).await.map_err(told)?;
    rule(first == forgotten, "the same reference is the same refund, whatever became of its key")?;
    let rest = NewRefund { reference: format!("rest_{run}"), amount_minor: None, ..part.clone() };
    let rest = gateway.refund(&key(run, "rest")?, &rest).await.map_err(told)?;
    rule(rest.amount_minor == PRICE.amount - 1_500, "a refund without an amount is the rest")?;
    let seen = gateway.payment(&paid.id).await.map_err(told)?;
    let sum: i64 =
        seen.refunds.iter().filter(|r| r.state != RefundState::Failed).map(|r| r.amount_minor).sum();
    rule(seen.refunds.len() == 2 && sum == PRICE.amount, "a payment lists its refunds")?;
    let more = NewRefund { reference: format!("more_{run}"), ..part };
    let refused = gateway.refund(&key(run, "too much")?, &more).await;
    rule(matches!(refused, Err(GatewayError::Refused { .. })), "more than was paid is refused")
}

async fn lists_what_went_back(gateway: &dyn Gateway, paid: &Payment) -> Result<(), String> {
    let events = gateway.recent_returns(Timestamp::EPOCH).await.map_err(told)?;
    let about: Vec<_> = events.iter().filter_map(|event| event.subject.clone()).collect();
    rule(about.len() == events.len(), "every event about a return says what to read again")?;
    let own = about.iter().filter(|subject| **subject == Subject::Payment(paid.id.clone()));
    rule(own.count() >= 2, "each refund has its event")?;
    let ordered = events.is_sorted_by_key(|event| event.created);
    rule(ordered, "returns are listed oldest first")?;
    let mut ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    rule(ids.len() == events.len(), "an event is listed once")?;
    let later = Timestamp::MAX.plus_seconds(-366 * 86_400);
    let none = gateway.recent_returns(later).await.map_err(told)?;
    rule(none.is_empty(), "nothing is listed from before the instant")
}

async fn tells_of_a_dispute(gateway: &dyn Gateway, outside: &dyn Outside, run: &str) -> Result<(), String> {
    let (_, payment) = bought(gateway, outside, run, Card::Disputed).await?;
    let dispute = payment.disputes.first().ok_or("a payment lists its disputes")?;
    rule(dispute.state == DisputeState::Open, "a new dispute is open")?;
    rule(dispute.amount_minor == PRICE.amount, "a dispute is about the amount")?;
    let events = gateway.recent_returns(Timestamp::EPOCH).await.map_err(told)?;
    let is_told = events.iter().any(|e| e.subject == Some(Subject::Payment(payment.id.clone())));
    rule(is_told, "a dispute has its event")
}

/// A checkout paid with `card`, and its payment.
async fn bought(
    gateway: &dyn Gateway,
    outside: &dyn Outside,
    run: &str,
    card: Card,
) -> Result<(Checkout, Payment), String> {
    let name = format!("{card:?}").to_lowercase();
    let new = new_checkout(run, &name);
    let opened = gateway.create_checkout(&key(run, &name)?, &new).await.map_err(told)?;
    outside.pay(&opened, card).await?;
    let report = read(gateway, &Subject::Checkout(opened.id)).await.map_err(told)?;
    let payment = report.payment.ok_or("a paid checkout names its payment")?;
    Ok((report.checkout.ok_or("a checkout can be read")?, payment))
}

fn new_checkout(run: &str, name: &str) -> NewCheckout {
    NewCheckout {
        reference: format!("chk_{run}_{name}"),
        customer_email: "ada@example.org".to_owned(),
        line: Line { name: "500 credits".to_owned(), unit: Money { amount: 1_500, ..PRICE }, quantity: 3 },
        success_url: "http://127.0.0.1:9/return?checkout={CHECKOUT_SESSION_ID}".to_owned(),
        cancel_url: "http://127.0.0.1:9/buy".to_owned(),
        asks_the_bank: false,
        metadata: BTreeMap::from([("pack".to_owned(), "pack_500".to_owned())]),
    }
}

fn key(run: &str, name: &str) -> Result<IdempotencyKey, String> {
    IdempotencyKey::new(format!("{run}/{}", name.replace(' ', "_"))).map_err(|e| e.to_string())
}

fn rule(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("broken: {what}")) }
}

fn told(error: GatewayError) -> String {
    error.to_string()
}
