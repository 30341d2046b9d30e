//! Events of several API versions and servers: read without refusal, their subjects found on old and new
//! paths.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests, which clippy does not see as tests")]

use std::io::Write as _;
use std::path::PathBuf;

use billing::{CheckoutRef, PaymentRef};
use gateways::stripe::{Stripe, StripeSettings};
use gateways::{Gateway, GatewayEvent, PaymentSign, RiskLevel, Secret, SignKind, Subject};
use hmac::{Hmac, KeyInit, Mac};
use kernel::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "whsec_events";
const AT: i64 = 1_795_000_000;

fn stripe() -> Stripe {
    Stripe::new(StripeSettings::new(Secret::new("sk_test_1"), vec![Secret::new(SECRET)])).expect("settings")
}

/// Signs and verifies, as the wire does.
fn received(payload: &[u8]) -> GatewayEvent {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(format!("{AT}.").as_bytes());
    mac.update(payload);
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let now = Timestamp::EPOCH.plus_seconds(AT);
    stripe().verify_event(payload, &format!("t={AT},v1={hex}"), now).expect("correctly signed")
}

fn subject(kind: &str, object: Value) -> Option<Subject> {
    let event = json!({ "id": "evt_1", "type": kind, "data": { "object": object } });
    received(event.to_string().as_bytes()).subject
}

fn payment(id: &str) -> Option<Subject> {
    Some(Subject::Payment(PaymentRef(id.to_owned())))
}

#[test]
fn a_signed_payload_is_never_refused_because_of_its_shape() {
    for payload in ["", "null", "[]", "\"x\"", "{}", "{\"id\":7}", "\u{0}", "{\"data\":[]}", "<html>"] {
        let event = received(payload.as_bytes());
        assert_eq!(event.kind, "unknown", "{payload}");
        assert!(event.id.starts_with("evt_unnamed_"), "{payload}");
        assert_eq!(event.id, received(payload.as_bytes()).id, "the same payload has the same name");
        assert_eq!(event.subject, None);
    }
    let event = received(b"{\"id\":\"evt_1\",\"type\":\"v2.thin\",\"created\":-5,\"livemode\":\"yes\"}");
    assert_eq!((event.id.as_str(), event.created, event.livemode), ("evt_1", None, false));
}

#[test]
fn everything_in_the_envelope_is_read() {
    let event = received(
        br#"{"id":"evt_9","type":"charge.refunded","created":1700000000,"api_version":"2020-08-27",
            "livemode":true,"data":{"object":{"id":"ch_1"},"previous_attributes":{"amount_refunded":0}}}"#,
    );
    assert_eq!(event.created.map(|at| at.to_string()).as_deref(), Some("2023-11-14T22:13:20Z"));
    assert_eq!(event.api_version.as_deref(), Some("2020-08-27"));
    assert!(event.livemode);
    assert_eq!(event.previous_attributes["amount_refunded"], 0);
}

#[test]
fn subjects_are_found_on_old_and_new_paths() {
    let checkout = Some(Subject::Checkout(CheckoutRef("cs_1".to_owned())));
    assert_eq!(subject("checkout.session.completed", json!({ "id": "cs_1" })), checkout);
    assert_eq!(subject("checkout.session.async_payment_failed", json!({ "id": "cs_1" })), checkout);
    assert_eq!(subject("payment_intent.succeeded", json!({ "id": "pi_1" })), payment("pi_1"));
    let charge = json!({ "id": "ch_1", "payment_intent": "pi_1" });
    assert_eq!(subject("charge.succeeded", charge.clone()), payment("pi_1"));
    let expanded = json!({ "id": "ch_1", "payment_intent": { "id": "pi_1" } });
    assert_eq!(subject("charge.refunded", expanded), payment("pi_1"));
    let bare = json!({ "id": "ch_1", "payment_intent": null });
    assert_eq!(subject("charge.refunded", bare), payment("ch_1"), "before payment intents");
    let dispute = json!({ "id": "dp_1", "charge": "ch_1" });
    assert_eq!(subject("charge.dispute.created", dispute), payment("ch_1"));
    let dispute = json!({ "id": "du_1", "charge": charge });
    assert_eq!(subject("charge.dispute.closed", dispute), payment("pi_1"));
    let refund = json!({ "id": "re_1", "charge": "ch_1", "payment_intent": "pi_1" });
    assert_eq!(subject("refund.updated", refund.clone()), payment("pi_1"));
    assert_eq!(subject("charge.refund.updated", refund), payment("pi_1"));
}

#[test]
fn what_moves_no_credits_or_is_no_id_has_no_subject() {
    assert_eq!(subject("customer.created", json!({ "id": "cus_1" })), None);
    assert_eq!(subject("invoice.paid", json!({ "id": "in_1" })), None);
    assert_eq!(subject("checkout.session.completed", json!({ "id": "../../x" })), None);
    assert_eq!(subject("charge.succeeded", json!({ "id": "ch_1/refunds" })), None);
    assert_eq!(subject("payment_intent.succeeded", json!({ "id": 1 })), None);
}

/// `SCRIP_TEST_DATA`, or `shared/data` beside the checkout.
fn samples() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("SCRIP_TEST_DATA").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    Some(root.join("stripe")).filter(|stripe| stripe.is_dir())
}

#[test]
fn real_shaped_events_of_every_version_are_taken() {
    let Some(root) = samples() else {
        // Not println: the test harness swallows it when the test passes.
        let _ = writeln!(std::io::stderr(), "skipped: no stripe/ in SCRIP_TEST_DATA or beside the checkout");
        return;
    };
    let (mut taken, mut with_subject, mut with_id) = (0, 0, 0);
    for folder in ["events-openapi", "localstripe"] {
        for file in std::fs::read_dir(root.join(folder)).expect("a folder of events") {
            let path = file.expect("an entry").path();
            let payload = std::fs::read(&path).expect("a file");
            let event = received(&payload);
            let named = path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(&event.kind));
            assert!(named, "{} says {}", path.display(), event.kind);
            taken += 1;
            with_id += u32::from(!event.id.starts_with("evt_unnamed_"));
            with_subject += u32::from(event.subject.is_some());
        }
    }
    assert!(taken >= 90 && with_id == taken, "{taken} taken, {with_id} with an id");
    assert!(with_subject >= 25, "{with_subject} with a subject");
}

fn sign(kind: &str, object: Value) -> Option<PaymentSign> {
    let event = json!({ "id": "evt_1", "type": kind, "created": AT, "data": { "object": object } });
    received(event.to_string().as_bytes()).sign
}

#[test]
fn charges_tell_the_card_its_country_and_radars_opinion() {
    let charge = json!({
        "id": "ch_1", "outcome": { "risk_level": "elevated" },
        "billing_details": { "address": { "country": "us" } },
        "payment_method_details": { "card": { "country": "DE", "fingerprint": "Xt5EWLLDS7FJjR1c" } },
    });
    let expected = PaymentSign {
        id: "ch_1".to_owned(),
        kind: SignKind::Succeeded,
        at: Some(Timestamp::EPOCH.plus_seconds(AT)),
        risk_level: Some(RiskLevel::Elevated),
        card: Some("Xt5EWLLDS7FJjR1c".to_owned()),
        card_country: Some("DE".to_owned()),
        billing_country: Some("US".to_owned()),
        is_authenticated: false,
    };
    assert_eq!(sign("charge.succeeded", charge), Some(expected));
    let old = json!({ "id": "ch_1", "source": { "country": "DE", "fingerprint": "f" } });
    let old = sign("charge.failed", old).expect("a sign");
    assert_eq!((old.kind, old.card.as_deref(), old.risk_level), (SignKind::Failed, Some("f"), None));
    let unknown = sign("charge.failed", json!({ "id": "ch_1", "outcome": { "risk_level": "not_assessed" } }));
    assert_eq!(unknown.expect("a sign").risk_level, None);
}

/// The cases of Stripe's API reference, and the shape that versions before 2020-08-27 have.
#[test]
fn only_a_holder_whom_the_bank_recognised_is_authenticated() {
    for (three_d_secure, expected) in [
        (json!({ "result": "authenticated", "authentication_flow": "challenge" }), true),
        (json!({ "result": "authenticated", "authentication_flow": "frictionless" }), true),
        (json!({ "result": "attempt_acknowledged" }), false),
        (json!({ "result": "exempted" }), false),
        (json!({ "result": "failed" }), false),
        (json!({ "result": "not_supported" }), false),
        (json!({ "result": "processing_error" }), false),
        (json!({ "result": null, "authentication_flow": null }), false),
        (json!({ "authenticated": true, "succeeded": true, "version": "1.0.2" }), true),
        (json!({ "authenticated": false, "succeeded": true, "version": "1.0.2" }), false),
        (json!({ "result": "failed", "authenticated": true, "succeeded": true }), false),
        (Value::Null, false),
    ] {
        let card = json!({ "fingerprint": "f", "three_d_secure": &three_d_secure });
        let charge = json!({ "id": "ch_1", "payment_method_details": { "card": card } });
        let said = sign("charge.succeeded", charge).expect("a sign");
        assert_eq!(said.is_authenticated, expected, "{three_d_secure}");
    }
}

#[test]
fn warnings_and_disputes_are_signs_and_inquiries_are_not() {
    let warning = json!({ "id": "issfr_1", "charge": "ch_1", "payment_intent": "pi_1" });
    assert_eq!(subject("radar.early_fraud_warning.created", warning.clone()), payment("pi_1"));
    let warned = sign("radar.early_fraud_warning.created", warning).expect("a sign");
    assert_eq!((warned.kind, warned.id.as_str(), warned.card), (SignKind::Warned, "issfr_1", None));
    let expanded = json!({ "fingerprint": "f", "country": "US" });
    let expanded = json!({ "id": "ch_1", "payment_method_details": { "card": expanded } });
    let dispute = |status: &str| json!({ "id": "du_1", "status": status, "charge": &expanded });
    let disputed = sign("charge.dispute.created", dispute("needs_response")).expect("a sign");
    assert_eq!((disputed.kind, disputed.card.as_deref()), (SignKind::Disputed, Some("f")));
    assert_eq!(sign("charge.dispute.created", dispute("warning_needs_response")), None);
    for (kind, object) in [
        ("charge.refunded", json!({ "id": "ch_1" })),
        ("charge.succeeded", json!({ "id": "../x" })),
        ("charge.succeeded", Value::Null),
        ("charge.dispute.created", json!({ "id": 1, "status": [] })),
    ] {
        assert_eq!(sign(kind, object), None, "{kind}");
    }
}
