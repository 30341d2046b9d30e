//! Webhooks arrive signed, at least once, and misbehave as the knobs say.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests, which clippy does not see as tests")]

mod common;

use std::time::Duration;

use common::{Receiver, WEBHOOK_SECRET, World, world};
use gateways::{Gateway, Subject};
use kernel::Timestamp;
use sandbox::Knobs;
use serde_json::Value;

const GOOD: &str = "4242424242424242";

async fn listening() -> (World, Receiver) {
    let (world, receiver) = (world().await, Receiver::default());
    let url = receiver.start().await;
    world.sandbox.send_events_to(&url, WEBHOOK_SECRET).await.expect("loopback");
    (world, receiver)
}

async fn buy(world: &World) -> String {
    let (id, page) = world.checkout().await;
    assert_eq!(world.pay(&page, GOOD).await.status, 303);
    id
}

async fn deliver(world: &World) -> usize {
    world.sandbox.deliver_due().await.expect("a round")
}

#[tokio::test]
async fn the_adapter_takes_every_event_and_finds_what_it_is_about() {
    let (world, receiver) = listening().await;
    let id = buy(&world).await;
    assert_eq!(deliver(&world).await, 4);
    assert_eq!(deliver(&world).await, 0, "delivered once");
    let stripe = world.stripe();
    let mut subjects = Vec::new();
    for (headers, body) in receiver.received.lock().expect("no panic").iter() {
        let signature = headers["stripe-signature"].to_str().expect("ASCII");
        let event = stripe.verify_event(body, signature, world.clock.now()).expect("authentic");
        assert_eq!(event.api_version.as_deref(), Some("2026-09-30.endive"));
        subjects.push(event.subject.expect("about a payment"));
        let late = world.clock.now().plus_seconds(301);
        assert!(stripe.verify_event(body, signature, late).is_err());
    }
    assert!(matches!(&subjects[3], Subject::Checkout(checkout) if checkout.0 == id));
    assert!(subjects[..3].iter().all(|s| matches!(s, Subject::Payment(_)) && *s == subjects[0]));
}

#[tokio::test]
async fn a_delivery_is_repeated_with_a_fresh_signature_until_it_is_taken() {
    let (world, receiver) = listening().await;
    *receiver.answers.lock().expect("no panic") = vec![500, 200, 200, 200, 404];
    buy(&world).await;
    assert_eq!(deliver(&world).await, 4);
    assert_eq!(deliver(&world).await, 0, "not before its pause is over");
    world.clock.advance_seconds(1);
    assert_eq!(deliver(&world).await, 1);
    world.clock.advance_seconds(1);
    assert_eq!(deliver(&world).await, 0, "the second pause is longer");
    world.clock.advance_seconds(1);
    assert_eq!(deliver(&world).await, 1);
    world.clock.advance_seconds(100_000);
    assert_eq!(deliver(&world).await, 0, "taken");
    let received = receiver.received.lock().expect("no panic");
    let of_first: Vec<&str> = received
        .iter()
        .filter(|(_, body)| *body == received[0].1)
        .map(|(headers, _)| headers["stripe-signature"].to_str().expect("ASCII"))
        .collect();
    assert_eq!(of_first.len(), 3, "the same body each time");
    assert!(of_first[0] != of_first[1] && of_first[1] != of_first[2], "signed anew");
}

#[tokio::test]
async fn deliveries_end_after_a_bounded_number_of_attempts() {
    let (world, receiver) = listening().await;
    *receiver.answers.lock().expect("no panic") = vec![500; 10_000];
    buy(&world).await;
    let mut attempts = 0;
    for _ in 0..60 {
        attempts += deliver(&world).await;
        world.clock.advance_seconds(3_600);
    }
    assert_eq!(attempts, 4 * 24);
}

#[tokio::test]
async fn knobs_duplicate_delay_reorder_and_drop() {
    let (world, receiver) = listening().await;
    world.sandbox.set_knobs(Knobs { duplicate: 2, ..Knobs::default() });
    buy(&world).await;
    assert_eq!(deliver(&world).await, 12);
    let ids: std::collections::BTreeSet<String> =
        receiver.bodies().iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), 4, "the same event has the same id");

    receiver.received.lock().expect("no panic").clear();
    world.sandbox.set_knobs(Knobs { reorder: true, delay_seconds: 30, ..Knobs::default() });
    buy(&world).await;
    assert_eq!(deliver(&world).await, 0);
    world.clock.advance_seconds(30);
    assert_eq!(deliver(&world).await, 4);
    assert_eq!(
        receiver.kinds(),
        [
            "checkout.session.completed",
            "payment_intent.succeeded",
            "charge.succeeded",
            "payment_intent.created"
        ]
    );

    world.sandbox.set_knobs(Knobs { drop: true, ..Knobs::default() });
    let before = world.events().await.len();
    buy(&world).await;
    world.clock.advance_seconds(100_000);
    assert_eq!(deliver(&world).await, 0);
    assert_eq!(world.events().await.len(), before + 4, "made, listed, never sent");
}

#[tokio::test]
async fn an_old_api_version_is_rendered_as_it_was() {
    let (world, receiver) = listening().await;
    let version = Some("2020-08-27".to_owned());
    world.sandbox.set_knobs(Knobs { api_version: version, ..Knobs::default() });
    let id = buy(&world).await;
    let intent = world.session(&id).await["payment_intent"]["id"].clone();
    world.post("/v1/refunds", &format!("payment_intent={}", intent.as_str().unwrap_or_default())).await;
    deliver(&world).await;
    let bodies = receiver.bodies();
    assert!(bodies.iter().all(|event| event["api_version"] == "2020-08-27"));
    let of = |kind: &str| -> &Value {
        &bodies.iter().find(|event| event["type"] == kind).expect(kind)["data"]["object"]
    };
    let succeeded = of("payment_intent.succeeded");
    assert!(succeeded.get("latest_charge").is_none());
    assert_eq!(succeeded["charges"]["data"][0]["object"], "charge");
    assert_eq!(of("charge.refunded")["refunds"]["data"][0]["amount"], 4_500);
    assert_eq!(of("checkout.session.completed")["ui_mode"], "hosted");
}

#[tokio::test]
async fn endpoints_made_by_the_api_get_what_they_asked_for_under_their_own_secret() {
    let world = world().await;
    let receiver = Receiver::default();
    let url = receiver.start().await;
    let form = format!(
        "url={url}&enabled_events[]=checkout.session.completed&enabled_events[]=charge.failed\
         &api_version=2025-03-31.basil"
    );
    let made = world.post("/v1/webhook_endpoints", &form).await.json();
    let secret = made["secret"].as_str().expect("shown once").to_owned();
    let path = format!("/v1/webhook_endpoints/{}", made["id"].as_str().unwrap_or_default());
    assert!(world.get(&path).await.json().get("secret").is_none());
    buy(&world).await;
    assert_eq!(deliver(&world).await, 1);
    assert_eq!(receiver.bodies()[0]["api_version"], "2025-03-31.basil");
    let (headers, body) = receiver.received.lock().expect("no panic")[0].clone();
    let expected = sandbox::sign(&body, &secret, world.clock.now());
    assert_eq!(headers["stripe-signature"], expected.as_str());
    assert_eq!(world.call("DELETE", &path, "", &[]).await.json()["deleted"], true);
    buy(&world).await;
    assert_eq!(deliver(&world).await, 0);
}

#[tokio::test]
async fn a_second_call_replaces_the_secret_of_our_own_endpoint() {
    let (world, receiver) = (world().await, Receiver::default());
    let url = receiver.start().await;
    world.sandbox.send_events_to(&url, "whsec_old").await.expect("loopback");
    world.sandbox.send_events_to(&url, "whsec_new").await.expect("loopback");
    buy(&world).await;
    assert_eq!(deliver(&world).await, 4, "one endpoint");
    let (headers, body) = receiver.received.lock().expect("no panic")[0].clone();
    let expected = sandbox::sign(&body, "whsec_new", world.clock.now());
    assert_eq!(headers["stripe-signature"], expected.as_str());
    assert!(world.sandbox.send_events_to("https://example.org/", "whsec").await.is_err());
}

#[tokio::test]
async fn the_task_delivers_by_itself_and_stops_when_asked() {
    let (world, receiver) = listening().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let sandbox = world.sandbox.clone();
    let task = tokio::spawn(async move {
        sandbox
            .run(async {
                let _ = stopped.await;
            })
            .await;
    });
    buy(&world).await;
    let all = async {
        while receiver.received.lock().expect("no panic").len() < 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("delivered");
    let _ = stop.send(());
    tokio::time::timeout(Duration::from_secs(20), task).await.expect("stopped").expect("no panic");
    assert!(world.clock.now() > Timestamp::EPOCH);
}
