//! Events in the shapes of many years: stored, visible, and enough for the credits they are about.

use sandbox::{Knobs, sign};
use serde_json::{Value, json};
use tests::data;
use tests::shop::{SUCCESS, Shop, WEBHOOK_SECRET, in_each_shop};
use tests::stripe_events::{self, Bought};

/// Whatever version the merchant's endpoint was made with, each of these alone is enough.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_any_version_tells_of_a_purchase_and_of_its_refund() {
    in_each_shop(async |shop| {
        shop.sandbox.set_knobs(Knobs { drop: true, ..Knobs::default() });
        let forms =
            stripe_events::paid(&Bought { session: "a".into(), payment: "b".into(), charge: "c".into() });
        for n in 0..forms.len() {
            let customer = format!("c{n}");
            shop.customer(&customer).await;
            let checkout = shop.checkout(&customer).await;
            shop.pay(&checkout, SUCCESS).await;
            let bought = bought(shop, &checkout).await;
            let event = &stripe_events::paid(&bought)[n];
            send(shop, event).await;
            shop.settle().await;
            assert_eq!(shop.available(&customer).await, "500", "{}: {event}", shop.name);
            assert_eq!(shown(shop, event).await["state"], "done", "{event}");
            let backs = stripe_events::given_back(&bought);
            let Some(event) = backs.get(n) else { continue };
            shop.at_gateway("POST", "/v1/refunds", &format!("payment_intent={}", bought.payment)).await;
            send(shop, event).await;
            shop.settle().await;
            assert_eq!(shop.available(&customer).await, "0", "{}: {event}", shop.name);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_about_other_things_are_stored_and_visible_whatever_their_shape() {
    in_each_shop(async |shop| {
        let events = stripe_events::others();
        for event in &events {
            send(shop, event).await;
        }
        shop.settle().await;
        for event in events.iter().filter(|event| event["id"].is_string()) {
            let shown = shown(shop, event).await;
            assert_eq!((&shown["state"], &shown["error"]), (&json!("ignored"), &Value::Null), "{shown}");
        }
        assert_eq!(shop.events().await.len(), events.len(), "{}", shop.name);
    })
    .await;
}

/// The same with events that others made; a machine without them says so.
#[tokio::test(flavor = "multi_thread")]
async fn real_shaped_events_of_several_versions_are_stored_and_visible() {
    let Some(folder) = data::shared_data("stripe") else { return };
    let events: Vec<Value> =
        json_files(&folder).iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    assert!(events.len() > 90, "{}", events.len());
    in_each_shop(async |shop| {
        for event in &events {
            send(shop, event).await;
        }
        shop.settle().await;
        for event in &events {
            let shown = shown(shop, event).await;
            assert_ne!(shown["state"], "waiting", "{shown}");
            assert!(!shown["effect"].is_null() || !shown["error"].is_null(), "{shown}");
        }
    })
    .await;
}

/// Signed, as the gateway would.
async fn send(shop: &Shop, event: &Value) {
    let body = event.to_string();
    let answer = shop.webhook(&body, &sign(body.as_bytes(), WEBHOOK_SECRET, shop.app.now())).await;
    assert_eq!(answer.status, 200, "{body}");
}

/// The event as an operator sees it.
async fn shown(shop: &Shop, event: &Value) -> Value {
    let id = event["id"].as_str().unwrap();
    let shown = shop.get(&format!("/v1/gateway-events?id={id}")).await.document()["data"][0].clone();
    assert_eq!(shown["kind"], event["type"], "{}: {id}", shop.name);
    shown
}

/// The gateway's ids of a purchase that was paid there.
async fn bought(shop: &Shop, checkout: &Value) -> Bought {
    let id = checkout["id"].as_str().unwrap();
    let listed = shop.at_gateway("GET", "/v1/checkout/sessions?limit=100", "").await;
    let sessions = listed["data"].as_array().unwrap();
    let session = sessions.iter().find(|session| session["client_reference_id"] == id).unwrap();
    let payment = session["payment_intent"].as_str().unwrap();
    let intent = shop.at_gateway("GET", &format!("/v1/payment_intents/{payment}"), "").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Bought {
        session: text(&session["id"]),
        payment: payment.to_owned(),
        charge: text(&intent["latest_charge"]),
    }
}

fn json_files(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(json_files(&path));
        } else if path.extension().is_some_and(|e| e == "json") {
            found.push(std::fs::read_to_string(&path).unwrap());
        }
    }
    found
}
