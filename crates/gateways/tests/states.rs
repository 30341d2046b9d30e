//! What Stripe says of checkouts and payments, in billing's words; shapes as in its published fixtures.
#![allow(clippy::expect_used, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use billing::{
    Checkout, CheckoutRef, CheckoutState, DisputeState, Payment, PaymentRef, PaymentState, RefundState,
};
use common::server;
use gateways::stripe::{Stripe, StripeSettings};
use gateways::{Gateway, Secret};
use serde_json::{Value, json};

fn stripe(base: &str) -> Stripe {
    Stripe::new(StripeSettings::new(Secret::new("sk_test_1"), vec![]).at(base)).expect("settings")
}

fn intent(status: &str, error: Value) -> Value {
    json!({
        "id": "pi_1", "object": "payment_intent", "amount": 4500, "amount_capturable": 0,
        "amount_received": if status == "succeeded" { 4400 } else { 0 }, "capture_method": "automatic",
        "confirmation_method": "automatic", "created": 1_700_000_000, "currency": "eur",
        "last_payment_error": error, "livemode": false, "metadata": { "scrip_reference": "chk_1" },
        "payment_method_types": ["sepa_debit"], "status": status,
    })
}

async fn checkout(status: &str, paid: &str, intent: Value) -> Checkout {
    let session = json!({
        "id": "cs_1", "object": "checkout.session", "amount_total": 4500, "currency": "eur",
        "automatic_tax": { "enabled": false }, "client_reference_id": "chk_1", "created": 1_700_000_000,
        "custom_fields": [], "custom_text": {}, "expires_at": 1_700_086_400, "livemode": false,
        "metadata": {}, "mode": "payment", "payment_intent": intent, "payment_method_types": ["card"],
        "payment_status": paid, "shipping_options": [], "status": status, "url": null,
    });
    let (base, _) = server(vec![(200, &session.to_string())]).await;
    stripe(&base).checkout(&CheckoutRef("cs_1".to_owned())).await.expect("a checkout")
}

async fn payment(intent: Value, refunds: Value, disputes: Value) -> Payment {
    let list = |data: Value| {
        json!({ "object": "list", "data": data, "has_more": false, "url": "/v1/x" }).to_string()
    };
    let (intent, refunds, disputes) = (intent.to_string(), list(refunds), list(disputes));
    let (base, _) = server(vec![(200, &intent), (200, &refunds), (200, &disputes)]).await;
    stripe(&base).payment(&PaymentRef("pi_1".to_owned())).await.expect("a payment")
}

#[tokio::test]
async fn a_checkout_is_where_its_money_is() {
    let failed = || intent("requires_payment_method", json!({ "type": "card_error", "message": "bounced" }));
    let reason = |text: &str| CheckoutState::Failed { reason: text.to_owned() };
    for (status, paid, intent, expected) in [
        ("open", "unpaid", Value::Null, CheckoutState::Open),
        ("open", "unpaid", failed(), CheckoutState::Open),
        ("expired", "unpaid", Value::Null, CheckoutState::Expired),
        ("complete", "paid", "pi_1".into(), CheckoutState::Paid),
        ("complete", "no_payment_required", Value::Null, CheckoutState::Paid),
        ("complete", "unpaid", intent("processing", Value::Null), CheckoutState::Processing),
        ("complete", "unpaid", failed(), reason("bounced")),
        ("complete", "unpaid", intent("canceled", Value::Null), reason("cancelled")),
        ("a new status", "unpaid", Value::Null, CheckoutState::Open),
    ] {
        let has_payment = !intent.is_null();
        let told = checkout(status, paid, intent).await;
        assert_eq!(told.state, expected, "{status} {paid}");
        assert_eq!(told.payment.is_some(), has_payment);
        assert_eq!(told.reference.as_deref(), Some("chk_1"), "from the client reference");
        assert_eq!((told.amount.amount, told.amount.currency.as_str()), (4_500, "eur"));
    }
}

#[tokio::test]
async fn a_payment_tells_what_was_received_given_back_and_disputed() {
    let refund = |id: &str, status: &str| json!({ "id": id, "object": "refund", "amount": 100, "created": 1, "currency": "eur", "status": status });
    let dispute = |id: &str, status: &str| {
        json!({
            "id": id, "object": "dispute", "amount": 4500, "balance_transactions": [], "charge": "ch_1",
            "created": 1, "currency": "eur", "enhanced_eligibility_types": [],
            "evidence": { "enhanced_evidence": {} },
            "evidence_details": {
                "enhanced_eligibility": {}, "has_evidence": false, "past_due": false, "submission_count": 0,
            },
            "is_charge_refundable": false, "livemode": false, "metadata": {}, "reason": "general",
            "status": status,
        })
    };
    let refunds = ["pending", "requires_action", "succeeded", "failed", "canceled"];
    let disputes = [
        "warning_needs_response",
        "warning_closed",
        "prevented",
        "needs_response",
        "under_review",
        "won",
        "lost",
    ];
    let told = payment(
        intent("succeeded", Value::Null),
        refunds.iter().enumerate().map(|(n, s)| refund(&format!("re_{n}"), s)).collect(),
        disputes.iter().enumerate().map(|(n, s)| dispute(&format!("du_{n}"), s)).collect(),
    )
    .await;
    assert_eq!(told.amount.amount, 4_400, "received, not asked for");
    assert!(
        matches!(told.state, PaymentState::Succeeded { paid_at } if paid_at.unix_seconds() == 1_700_000_000)
    );
    use {DisputeState as D, RefundState as R};
    let refunds: Vec<R> = told.refunds.iter().map(|r| r.state).collect();
    assert_eq!(refunds, [R::Pending, R::Pending, R::Succeeded, R::Failed, R::Failed]);
    let disputes: Vec<D> = told.disputes.iter().map(|d| d.state).collect();
    assert_eq!(disputes, [D::Inquiry, D::Inquiry, D::Inquiry, D::Open, D::Open, D::Won, D::Lost]);
}

#[tokio::test]
async fn a_payment_before_success_is_pending_failed_or_cancelled() {
    let error = json!({ "type": "card_error", "decline_code": "lost_card" });
    let failed = PaymentState::Failed { reason: "lost_card".to_owned() };
    for (status, error, expected) in [
        ("requires_payment_method", Value::Null, PaymentState::Pending),
        ("requires_payment_method", error, failed),
        ("requires_action", Value::Null, PaymentState::Pending),
        ("processing", Value::Null, PaymentState::Pending),
        ("canceled", Value::Null, PaymentState::Cancelled),
        ("a new status", Value::Null, PaymentState::Pending),
    ] {
        let told = payment(intent(status, error), json!([]), json!([])).await;
        assert_eq!((told.state, told.amount.amount), (expected, 4_500), "{status}");
    }
}
