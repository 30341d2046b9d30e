//! Events as Stripe wrote them in its time, made by hand after its changelog: what moved, what was added, what
//! was missing. None is a copy of a delivery.

use serde_json::{Value, json};

/// Stripe's ids of one purchase at the gateway.
#[derive(Clone, Debug)]
pub struct Bought {
    pub session: String,
    pub payment: String,
    pub charge: String,
}

/// What tells that a purchase was paid, a version each; any one of them is enough.
pub fn paid(of: &Bought) -> Vec<Value> {
    vec![
        // Before payment intents told of themselves on a charge.
        event(
            "2018-11-08",
            "charge.succeeded",
            charge(of, json!({"payment_intent": null, "source": card()})),
        ),
        event("2019-05-16", "charge.succeeded", charge(of, json!({"payment_intent": of.payment}))),
        // The charges were a list inside, until `latest_charge` took their place in 2022-11-15.
        event(
            "2020-08-27",
            "payment_intent.succeeded",
            intent(of, json!({"charges": list(vec![charge(of, json!({}))]), "source": null})),
        ),
        event("2022-11-15", "payment_intent.succeeded", intent(of, json!({"latest_charge": of.charge}))),
        event("2024-06-20", "checkout.session.completed", session(of, json!({"payment_intent": of.payment}))),
        event(
            "2025-03-31.basil",
            "checkout.session.async_payment_succeeded",
            session(of, json!({"payment_intent": of.payment, "adaptive_pricing": {"enabled": false}})),
        ),
        event(
            "2026-09-30.endive",
            "checkout.session.completed",
            session(of, json!({"payment_intent": {"id": of.payment, "object": "payment_intent"}})),
        ),
    ]
}

/// What tells that its money went back, a version each.
pub fn given_back(of: &Bought) -> Vec<Value> {
    let refund = json!({
        "id": "re_1", "object": "refund", "amount": 4500, "charge": of.charge, "currency": "usd",
        "payment_intent": of.payment, "status": "succeeded", "metadata": {},
    });
    vec![
        event(
            "2019-12-03",
            "charge.refunded",
            charge(of, json!({"refunded": true, "refunds": list(vec![refund.clone()])})),
        ),
        // Since 2022-11-15 a charge no longer carries its refunds.
        event(
            "2022-11-15",
            "charge.refunded",
            charge(of, json!({"refunded": true, "payment_intent": of.payment})),
        ),
        event("2023-08-16", "charge.refund.updated", refund.clone()),
        event("2026-09-30.endive", "refund.created", refund),
    ]
}

/// What has nothing to do with a purchase of credits.
pub fn others() -> Vec<Value> {
    let period = json!({"current_period_start": 1_700_000_000, "current_period_end": 1_702_592_000});
    let subscription =
        |more: Value| with(json!({"id": "sub_1", "object": "subscription", "status": "active"}), more);
    let invoice = |more: Value| with(json!({"id": "in_1", "object": "invoice", "amount_paid": 900}), more);
    let thin = json!({
        "id": "evt_thin", "object": "v2.core.event", "type": "v2.core.event_destination.ping",
        "created": "2026-10-01T00:00:00.000Z", "livemode": false, "context": null,
        "related_object": {"id": "ed_1", "type": "event_destination", "url": "/v2/core/event_destinations/ed_1"},
    });
    let nameless = json!({"object": "event", "type": "ping", "data": {"object": {}}});
    let of_another_account = with(
        event("2023-10-16", "account.updated", json!({"id": "acct_1", "object": "account"})),
        json!({"account": "acct_1"}),
    );
    vec![
        event(
            "2015-10-16",
            "transfer.paid",
            json!({"id": "tr_1", "object": "transfer", "type": "bank_account"}),
        ),
        event("2017-08-15", "plan.created", json!({"id": "gold", "object": "plan", "name": "Gold"})),
        event(
            "2020-08-27",
            "invoice.payment_succeeded",
            invoice(json!({"subscription": "sub_1", "paid": true})),
        ),
        event(
            "2025-03-31.basil",
            "invoice.paid",
            invoice(json!({"parent": {"subscription_details": {"subscription": "sub_1"}}})),
        ),
        event("2022-11-15", "customer.subscription.updated", subscription(period.clone())),
        event(
            "2025-03-31.basil",
            "customer.subscription.updated",
            subscription(json!({"items": list(vec![with(json!({"id": "si_1"}), period)])})),
        ),
        event("2026-09-30.endive", "something.nobody_thought_of", json!({"id": "x_1", "object": "x"})),
        of_another_account,
        thin,
        nameless,
    ]
}

fn event(version: &str, kind: &str, object: Value) -> Value {
    let id = format!("evt_{}", kernel::new_uuid().simple());
    let mut event = json!({
        "id": id, "object": "event", "api_version": version, "created": 1_700_000_000, "type": kind,
        "livemode": false, "pending_webhooks": 1, "data": {"object": object},
    });
    // Once the id of a request stood alone.
    let request = json!({"id": "req_1", "idempotency_key": null});
    event["request"] = if version < "2017-05-25" { "req_1".into() } else { request };
    event
}

fn session(of: &Bought, more: Value) -> Value {
    let session = json!({
        "id": of.session, "object": "checkout.session", "mode": "payment", "status": "complete",
        "payment_status": "paid", "amount_total": 4500, "currency": "usd", "metadata": {},
    });
    with(session, more)
}

fn intent(of: &Bought, more: Value) -> Value {
    let intent = json!({
        "id": of.payment, "object": "payment_intent", "amount": 4500, "amount_received": 4500,
        "currency": "usd", "status": "succeeded", "metadata": {},
    });
    with(intent, more)
}

fn charge(of: &Bought, more: Value) -> Value {
    let charge = json!({
        "id": of.charge, "object": "charge", "amount": 4500, "currency": "usd", "captured": true,
        "paid": true, "status": "succeeded", "metadata": {},
    });
    with(charge, more)
}

fn card() -> Value {
    json!({"id": "card_1", "object": "card", "brand": "Visa", "last4": "4242", "country": "US"})
}

fn list(data: Vec<Value>) -> Value {
    json!({"object": "list", "data": data, "has_more": false, "url": "/v1/some"})
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}
