//! Our key, several attempts, against a server that answers as told.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use std::time::Duration;

use billing::{CheckoutRef, NewRefund, PaymentRef};
use common::server;
use gateways::stripe::{Retries, Stripe, StripeSettings};
use gateways::{Gateway, GatewayError, Secret};
use kernel::{IdempotencyKey, Timestamp};

const REFUND: &str =
    r#"{"id":"re_1","object":"refund","amount":5,"created":1,"currency":"usd","status":"succeeded"}"#;
const LIMITED: &str =
    r#"{"error":{"type":"invalid_request_error","code":"rate_limit","message":"slow down"}}"#;
const REFUSED: &str =
    r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"lost_card","message":"no"}}"#;

const OTHER_PARAMETERS: &str = r#"{"error":{"type":"idempotency_error","message":"Keys for idempotent requests can only be used with the same parameters they were first used with."}}"#;

/// Before it asks for a refund, the adapter looks whether there is one with our reference.
const NONE_YET: &str = r#"{"object":"list","data":[],"has_more":false,"url":"/v1/refunds"}"#;

fn stripe(base: &str) -> Stripe {
    let mut settings = StripeSettings::new(Secret::new("sk_test_hidden"), vec![]).at(base);
    settings.attempt_timeout = Duration::from_millis(300);
    settings.retries = Retries { attempts: 4, first_pause: Duration::from_millis(1) };
    Stripe::new(settings).expect("settings")
}

async fn refund(base: &str) -> Result<billing::Refund, GatewayError> {
    let key = IdempotencyKey::new("outbox/7").expect("a key");
    let new = NewRefund {
        reference: "7".to_owned(),
        payment: PaymentRef("pi_1".to_owned()),
        amount_minor: Some(5),
        metadata: Default::default(),
        late_since: None,
    };
    stripe(base).refund(&key, &new).await
}

#[tokio::test]
async fn every_attempt_carries_our_key_and_the_pinned_version() {
    let script = vec![(200, NONE_YET), (500, LIMITED), (0, ""), (502, "<html>"), (200, REFUND)];
    let (base, heard) = server(script).await;
    let refund = refund(&base).await.expect("the fourth attempt");
    assert_eq!(refund.amount_minor, 5);
    let heard = heard.lock().expect("no panic");
    assert_eq!(heard.len(), 5);
    assert!(heard[0].starts_with("GET /sandbox/v1/refunds?"), "{}", heard[0]);
    for request in &heard[1..] {
        assert!(request.starts_with("POST /sandbox/v1/refunds "), "{request}");
        assert!(request.contains("idempotency-key: outbox/7\r\n"), "{request}");
        assert!(request.contains("stripe-version: 2026-09-30.endive\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer sk_test_hidden\r\n"), "{request}");
    }
}

#[tokio::test]
async fn conflicts_and_limits_are_repeated_refusals_are_not() {
    for status in [409, 424, 429, 500, 503] {
        let (base, heard) = server(vec![(200, NONE_YET), (status, LIMITED), (200, REFUND)]).await;
        assert!(refund(&base).await.is_ok(), "{status}");
        assert_eq!(heard.lock().expect("no panic").len(), 3, "{status}");
    }
    for status in [400, 402] {
        let (base, heard) = server(vec![(200, NONE_YET), (status, REFUSED), (200, REFUND)]).await;
        let refused = refund(&base).await.expect_err("a refusal");
        let expected = GatewayError::Refused {
            status,
            code: Some("card_declined".to_owned()),
            decline_code: Some("lost_card".to_owned()),
            message: "no".to_owned(),
        };
        assert_eq!(refused, expected);
        assert_eq!(heard.lock().expect("no panic").len(), 2, "{status}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_accepted_is_no_refusal_of_what_was_asked() {
    for status in [401, 403] {
        let (base, heard) = server(vec![(status, REFUSED), (200, REFUND)]).await;
        let denied = refund(&base).await.expect_err("a wrong key");
        assert_eq!(denied, GatewayError::Denied { status, reason: "no".to_owned() });
        assert_eq!(heard.lock().expect("no panic").len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_silent_gateway_is_given_up_after_a_bounded_time() {
    let (base, _) = server(vec![(1, "")]).await;
    let began = tokio::time::Instant::now();
    let error = refund(&base).await.expect_err("no answer");
    assert!(matches!(error, GatewayError::Unavailable { attempts: 4, .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let closed = stripe("http://127.0.0.1:1/");
    let error = closed.checkout(&CheckoutRef("cs_1".to_owned())).await.expect_err("nobody there");
    assert!(matches!(error, GatewayError::Unavailable { .. }));
    assert!(!format!("{error} {error:?} {closed:?}").contains("hidden"));
}

#[tokio::test]
async fn an_answer_in_an_unknown_shape_is_said_to_be_one() {
    for (script, asked) in [(vec![(200, NONE_YET), (200, "{}")], 2), (vec![(200, "{}")], 1)] {
        let (base, heard) = server(script).await;
        let error = refund(&base).await.expect_err("neither a refund nor a list of them");
        assert!(matches!(error, GatewayError::Unexpected { .. }), "{error}");
        assert_eq!(heard.lock().expect("no panic").len(), asked);
    }
}

#[tokio::test]
async fn the_same_refund_is_the_same_bytes_in_every_process() {
    let (base, heard) = server([(200, NONE_YET), (200, REFUND)].repeat(8)).await;
    let key = IdempotencyKey::new("outbox/8").expect("a key");
    for _ in 0..8 {
        let metadata = (0..8).map(|n| (format!("k{n}"), format!("v{n}"))).collect();
        let new = NewRefund {
            reference: "8".to_owned(),
            payment: PaymentRef("pi_1".to_owned()),
            amount_minor: Some(5),
            metadata,
            late_since: None,
        };
        stripe(&base).refund(&key, &new).await.expect("a refund");
    }
    let heard = heard.lock().expect("no panic");
    let bodies: std::collections::BTreeSet<&str> =
        posts(&heard).filter_map(|request| request.split("\r\n\r\n").nth(1)).collect();
    assert!(bodies.len() == 1 && posts(&heard).count() == 8, "{bodies:?}");
}

#[tokio::test]
async fn a_refund_that_an_older_version_asked_for_is_asked_for_as_it_was() {
    let script = vec![(200, NONE_YET), (400, OTHER_PARAMETERS), (200, REFUND)];
    let (base, heard) = server(script).await;
    assert_eq!(refund(&base).await.expect("the answer of before").amount_minor, 5);
    let heard = heard.lock().expect("no panic").clone();
    let posts: Vec<&String> = posts(&heard).collect();
    let [now, before] = posts.as_slice() else { panic!("{posts:?}") };
    assert!(now.contains("scrip_reference") && !before.contains("scrip_reference"), "{posts:?}");
    assert!(posts.iter().all(|post| post.contains("idempotency-key: outbox/7\r\n")), "{posts:?}");

    // One more refusal is one.
    let script = [(200, NONE_YET), (400, OTHER_PARAMETERS), (400, OTHER_PARAMETERS), (200, REFUND)];
    let (base, _) = server(script.to_vec()).await;
    let refused = refund(&base).await.expect_err("a refusal");
    assert!(matches!(refused, GatewayError::Refused { status: 400, .. }), "{refused}");
}

const ASKED_AT: i64 = 1_000_000;

/// A list of refunds as (id, amount, created, metadata).
fn listed(refunds: &[(&str, i64, i64, &str)]) -> &'static str {
    let refund = |(id, amount, created, metadata): &(&str, i64, i64, &str)| {
        format!(
            r#"{{"id":"{id}","object":"refund","amount":{amount},"created":{created},"currency":"usd","status":"succeeded","metadata":{metadata}}}"#
        )
    };
    let data = refunds.iter().map(refund).collect::<Vec<_>>().join(",");
    format!(r#"{{"object":"list","data":[{data}],"has_more":false,"url":"/v1/refunds"}}"#).leak()
}

/// Asked for at [`ASKED_AT`]; the answer, and how many refunds Stripe was asked for.
async fn late_refund(list: &'static str) -> (Result<billing::Refund, GatewayError>, usize) {
    let (base, heard) = server(vec![(200, list), (200, REFUND)]).await;
    let key = IdempotencyKey::new("outbox/9").expect("a key");
    let new = NewRefund {
        reference: "9".to_owned(),
        payment: PaymentRef("pi_1".to_owned()),
        amount_minor: Some(5),
        metadata: [("checkout".to_owned(), "chk_1".to_owned())].into(),
        late_since: Timestamp::from_micros(ASKED_AT * 1_000_000),
    };
    let answer = stripe(&base).refund(&key, &new).await;
    let heard = heard.lock().expect("no panic");
    (answer, posts(&heard).count())
}

#[tokio::test]
async fn a_late_refund_is_the_one_that_an_older_version_asked_for_without_a_reference() {
    let ours = r#"{"checkout":"chk_1"}"#;
    let found = [("re_0", 5, ASKED_AT - 3_600, ours), ("re_7", 5, ASKED_AT + 2, ours)];
    let (known, posted) = late_refund(listed(&found)).await;
    assert_eq!((known.expect("a refund").id.0.as_str(), posted), ("re_7", 0));
    // Of another amount, purchase or reference, from before, or made by hand: none of them is this one.
    for other in [
        ("re_7", 6, ASKED_AT + 2, ours),
        ("re_7", 5, ASKED_AT + 2, r#"{"checkout":"chk_2"}"#),
        ("re_7", 5, ASKED_AT + 2, r#"{"checkout":"chk_1","scrip_reference":"8"}"#),
        ("re_7", 5, ASKED_AT - 3_600, ours),
        ("re_7", 5, ASKED_AT + 2, "{}"),
    ] {
        let (made, posted) = late_refund(listed(&[other])).await;
        assert_eq!((made.expect("a refund").id.0.as_str(), posted), ("re_1", 1), "{other:?}");
    }
    let either = [("re_7", 5, ASKED_AT + 2, ours), ("re_8", 5, ASKED_AT + 3, ours)];
    let (doubtful, posted) = late_refund(listed(&either)).await;
    let GatewayError::Unexpected { reason } = doubtful.expect_err("a person has to look") else {
        panic!("another error");
    };
    assert!(reason.contains("re_7 or re_8") && posted == 0, "{reason}");
}

fn posts(heard: &[String]) -> impl Iterator<Item = &String> {
    heard.iter().filter(|request| request.starts_with("POST "))
}
