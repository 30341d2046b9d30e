use std::collections::HashMap;

use billing::{Checkout, CheckoutRef, Dispute, NewCheckout, NewRefund, Payment, PaymentRef, Refund};
use kernel::{IdempotencyKey, Timestamp};
use stripe::{Client, IdempotencyKey as StripeKey, RequestStrategy};
use stripe_checkout::CheckoutSessionMode;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAdaptivePricing, CreateCheckoutSessionLineItems,
    CreateCheckoutSessionLineItemsPriceData, CreateCheckoutSessionPaymentIntentData,
    CreateCheckoutSessionPaymentMethodOptions, CreateCheckoutSessionPaymentMethodOptionsCard,
    CreateCheckoutSessionPaymentMethodOptionsCardRequestThreeDSecure as RequestThreeDSecure,
    ListCheckoutSession, ProductData, RetrieveCheckoutSession,
};
use stripe_client_core::{CustomizableStripeRequest, StripeRequest};
use stripe_core::charge::RetrieveCharge;
use stripe_core::dispute::ListDispute;
use stripe_core::event::ListEvent;
use stripe_core::payment_intent::RetrievePaymentIntent;
use stripe_core::refund::{CreateRefund, ListRefund};
use stripe_types::RangeQueryTs;

use crate::gateway::{Answer, Gateway};
use crate::stripe::retry::KEY_REUSED;
use crate::stripe::{StripeSettings, convert, envelope, signature};
use crate::{EventError, GatewayError, GatewayEvent, Unreadable};

/// Objects a page; Stripe allows no more.
const PAGE: i64 = 100;
/// What Stripe says when money goes back or might. It takes up to twenty kinds in one question.
const RETURNS: [&str; 11] = [
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.refund.updated",
    "charge.refunded",
    "radar.early_fraud_warning.created",
    "refund.created",
    "refund.failed",
    "refund.updated",
];
/// Pages of one list: more checkouts than a reconciler's period has.
const PAGES_MAX: usize = 200;

/// Stripe, or whatever speaks its API at the configured base.
#[derive(Debug)]
pub struct Stripe {
    client: Client,
    settings: StripeSettings,
}

impl Stripe {
    pub fn new(settings: StripeSettings) -> Result<Stripe, GatewayError> {
        Ok(Stripe { client: settings.client()?, settings })
    }

    async fn create(&self, key: &IdempotencyKey, new: &NewCheckout) -> Result<Checkout, GatewayError> {
        let strategy = keyed(key)?;
        let request = checkout_request(new);
        let send = || under(&strategy, &request).send(&self.client);
        convert::checkout(self.settings.retries.run(&new.reference, send).await?)
    }

    async fn retrieve(&self, id: &CheckoutRef) -> Result<Checkout, GatewayError> {
        let request = RetrieveCheckoutSession::new(checked(&id.0)?).expand(vec!["payment_intent".to_owned()]);
        convert::checkout(self.settings.retries.run(&id.0, || request.send(&self.client)).await?)
    }

    async fn recent(&self, since: Timestamp) -> Result<Vec<Result<Checkout, Unreadable>>, GatewayError> {
        let mut request = ListCheckoutSession::new()
            .created(RangeQueryTs::gte(since.unix_seconds()))
            .limit(PAGE)
            .expand(vec!["data.payment_intent".to_owned()]);
        let mut checkouts = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.settings.retries.run("checkouts", || request.send(&self.client)).await?;
            let last = page.data.last().map(|session| session.id.to_string());
            checkouts.extend(page.data.into_iter().map(convert::listed));
            match last {
                Some(last) if page.has_more => request = request.starting_after(last),
                _ => return Ok(checkouts),
            }
        }
        let reason = format!("more than {} checkouts since {since}", checkouts.len());
        Err(GatewayError::Unexpected { reason })
    }

    /// Stripe keeps events for thirty days.
    async fn recent_events(&self, since: Timestamp) -> Result<Vec<GatewayEvent>, GatewayError> {
        let mut request = ListEvent::new()
            .created(RangeQueryTs::gte(since.unix_seconds()))
            .types(RETURNS.map(str::to_owned).to_vec())
            .limit(PAGE);
        let mut events = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.settings.retries.run("events", || request.send(&self.client)).await?;
            let last = page.data.last().map(|event| event.id.to_string());
            events.extend(page.data.iter().map(convert::event));
            match last {
                Some(last) if page.has_more => request = request.starting_after(last),
                _ => {
                    events.reverse();
                    return Ok(events);
                }
            }
        }
        let reason = format!("more than {} events since {since}", events.len());
        Err(GatewayError::Unexpected { reason })
    }

    async fn read_payment(&self, id: &PaymentRef) -> Result<Payment, GatewayError> {
        let id = if id.0.starts_with("ch_") { self.behind_charge(&id.0).await? } else { id.0.clone() };
        let request = RetrievePaymentIntent::new(checked(&id)?).expand(vec!["latest_charge".to_owned()]);
        let intent = self.settings.retries.run(&id, || request.send(&self.client)).await?;
        let refunds = self.refunds(&id).await?.iter().map(convert::refund).collect();
        convert::payment(intent, refunds, self.disputes(&id).await?)
    }

    async fn behind_charge(&self, id: &str) -> Result<String, GatewayError> {
        let request = RetrieveCharge::new(checked(id)?);
        let charge = self.settings.retries.run(id, || request.send(&self.client)).await?;
        let intent = charge.payment_intent.map(|intent| intent.id().to_string());
        intent.ok_or_else(|| GatewayError::NotFound { id: format!("a payment of {id}") })
    }

    async fn refunds(&self, payment: &str) -> Result<Vec<stripe_shared::Refund>, GatewayError> {
        let request = ListRefund::new().payment_intent(payment).limit(PAGE);
        let page = self.settings.retries.run(payment, || request.send(&self.client)).await?;
        complete(page.has_more, payment)?;
        Ok(page.data)
    }

    async fn disputes(&self, payment: &str) -> Result<Vec<Dispute>, GatewayError> {
        let request = ListDispute::new().payment_intent(payment).limit(PAGE);
        let page = self.settings.retries.run(payment, || request.send(&self.client)).await?;
        complete(page.has_more, payment)?;
        Ok(page.data.iter().map(convert::dispute).collect())
    }

    /// Stripe forgets keys after a day, and work may wait for longer.
    async fn give_back(&self, key: &IdempotencyKey, new: &NewRefund) -> Result<Refund, GatewayError> {
        let refunds = self.refunds(checked(&new.payment.0)?).await?;
        if let Some(known) = refunds.iter().find(|refund| convert::is_refund_of(refund, &new.reference)) {
            return Ok(convert::refund(known));
        }
        if let Some(known) = unnamed(&refunds, new)? {
            return Ok(convert::refund(known));
        }
        let mut metadata: HashMap<String, String> = new.metadata.clone().into_iter().collect();
        metadata.insert(convert::REFERENCE.to_owned(), new.reference.clone());
        match self.ask_for_refund(key, new, metadata).await {
            // An older version asked under this key, without a reference. The same parameters get its answer.
            Err(GatewayError::Refused { code: Some(code), .. }) if code == KEY_REUSED => {
                let metadata = new.metadata.clone().into_iter().collect();
                self.ask_for_refund(key, new, metadata).await
            }
            told => told,
        }
    }

    async fn ask_for_refund(
        &self,
        key: &IdempotencyKey,
        new: &NewRefund,
        metadata: HashMap<String, String>,
    ) -> Result<Refund, GatewayError> {
        let strategy = keyed(key)?;
        let mut request = CreateRefund::new().payment_intent(checked(&new.payment.0)?).metadata(metadata);
        if let Some(amount_minor) = new.amount_minor {
            request = request.amount(amount_minor);
        }
        let send = || under(&strategy, &request).send(&self.client);
        Ok(convert::refund(&self.settings.retries.run(&new.payment.0, send).await?))
    }
}

/// The refund that an older version asked for, without a reference, and whose key is forgotten by now.
fn unnamed<'a>(
    refunds: &'a [stripe_shared::Refund],
    new: &NewRefund,
) -> Result<Option<&'a stripe_shared::Refund>, GatewayError> {
    let Some(asked_at) = new.late_since else { return Ok(None) };
    let mut found = refunds.iter().filter(|refund| convert::may_be_refund_of(refund, new, asked_at));
    match (found.next(), found.next()) {
        (Some(one), Some(other)) => Err(GatewayError::Unexpected {
            reason: format!(
                "{} or {} may be this refund: look there, and ask for a new one if neither is",
                one.id, other.id
            ),
        }),
        (known, _) => Ok(known),
    }
}

impl Gateway for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn create_checkout<'a>(&'a self, key: &'a IdempotencyKey, new: &'a NewCheckout) -> Answer<'a, Checkout> {
        Box::pin(self.create(key, new))
    }

    fn checkout<'a>(&'a self, id: &'a CheckoutRef) -> Answer<'a, Checkout> {
        Box::pin(self.retrieve(id))
    }

    fn recent_checkouts(&self, since: Timestamp) -> Answer<'_, Vec<Result<Checkout, Unreadable>>> {
        Box::pin(self.recent(since))
    }

    fn recent_returns(&self, since: Timestamp) -> Answer<'_, Vec<GatewayEvent>> {
        Box::pin(self.recent_events(since))
    }

    fn payment<'a>(&'a self, id: &'a PaymentRef) -> Answer<'a, Payment> {
        Box::pin(self.read_payment(id))
    }

    fn refund<'a>(&'a self, key: &'a IdempotencyKey, new: &'a NewRefund) -> Answer<'a, Refund> {
        Box::pin(self.give_back(key, new))
    }

    fn verify_event(
        &self,
        payload: &[u8],
        signature: &str,
        now: Timestamp,
    ) -> Result<GatewayEvent, EventError> {
        signature::verify(payload, signature, &self.settings.webhook_secrets, now)?;
        Ok(envelope::read(payload))
    }

    fn stored_event(&self, body: &[u8]) -> GatewayEvent {
        envelope::read(body)
    }
}

fn checkout_request(new: &NewCheckout) -> CreateCheckoutSession {
    let mut metadata: HashMap<String, String> = new.metadata.clone().into_iter().collect();
    metadata.insert(convert::REFERENCE.to_owned(), new.reference.clone());
    let mut price =
        CreateCheckoutSessionLineItemsPriceData::new(convert::stripe_currency(new.line.unit.currency));
    price.unit_amount = Some(new.line.unit.amount);
    price.product_data = Some(ProductData::new(new.line.name.clone()));
    let mut line = CreateCheckoutSessionLineItems::new();
    line.price_data = Some(price);
    line.quantity = Some(u64::from(new.line.quantity));
    let mut payment = CreateCheckoutSessionPaymentIntentData::new();
    payment.metadata = Some(metadata.clone());
    // The customer pays the amount and the currency that were agreed, nothing converted.
    let mut conversion = CreateCheckoutSessionAdaptivePricing::new();
    conversion.enabled = Some(false);
    let request = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Payment)
        .client_reference_id(new.reference.clone())
        .customer_email(new.customer_email.clone())
        .line_items(vec![line])
        .success_url(new.success_url.clone())
        .cancel_url(new.cancel_url.clone())
        .metadata(metadata)
        .payment_intent_data(payment)
        .adaptive_pricing(conversion)
        .expand(vec!["payment_intent".to_owned()]);
    if new.asks_the_bank { request.payment_method_options(asking_the_bank()) } else { request }
}

fn asking_the_bank() -> CreateCheckoutSessionPaymentMethodOptions {
    let mut card = CreateCheckoutSessionPaymentMethodOptionsCard::new();
    card.request_three_d_secure = Some(RequestThreeDSecure::Challenge);
    let mut options = CreateCheckoutSessionPaymentMethodOptions::new();
    options.card = Some(card);
    options
}

fn keyed(key: &IdempotencyKey) -> Result<RequestStrategy, GatewayError> {
    let key = StripeKey::new(key.as_str()).map_err(|e| GatewayError::Settings { reason: e.to_string() })?;
    Ok(RequestStrategy::Idempotent(key))
}

/// One attempt under our key. async-stripe keeps metadata in hash maps, whose order differs from process to
/// process; a key promises the same parameters, so they are sent in one order for ever.
fn under<R: StripeRequest>(strategy: &RequestStrategy, request: &R) -> CustomizableStripeRequest<R::Output> {
    let mut built = request.build();
    built.body = built.body.map(|body| {
        let mut pairs: Vec<&str> = body.split('&').collect();
        pairs.sort_unstable();
        pairs.join("&")
    });
    built.customize().request_strategy(strategy.clone())
}

/// Ids come from events and go into paths: what is not an id names nothing.
fn checked(id: &str) -> Result<&str, GatewayError> {
    if envelope::is_id(id) { Ok(id) } else { Err(GatewayError::NotFound { id: id.to_owned() }) }
}

/// Half a list would understate what was given back.
fn complete(has_more: bool, payment: &str) -> Result<(), GatewayError> {
    if !has_more {
        return Ok(());
    }
    Err(GatewayError::Unexpected { reason: format!("{payment} has more than {PAGE} refunds or disputes") })
}
