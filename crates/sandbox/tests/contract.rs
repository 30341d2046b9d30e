//! The gateway contract through real TCP, with the very adapter and client that talk to Stripe.

mod common;

use axum::http::HeaderMap;
use billing::Checkout;
use bytes::Bytes;
use common::{Receiver, WEBHOOK_SECRET, World, world, world_on};
use futures::future::BoxFuture;
use gateways::contract::{Card, Delivery, Outside, check};

struct Counter {
    world: World,
    receiver: Receiver,
}

impl Outside for Counter {
    fn pay<'a>(&'a self, checkout: &'a Checkout, card: Card) -> BoxFuture<'a, Result<(), String>> {
        let number = match card {
            Card::Good => "4242424242424242",
            Card::Declined => "4000000000000002",
            Card::Disputed => "4000000000000259",
        };
        Box::pin(async move {
            let page = checkout.url.as_deref().ok_or("no page")?;
            let reply = self.world.pay(page, number).await;
            if reply.status == 303 { Ok(()) } else { Err(format!("{} {}", reply.status, reply.body)) }
        })
    }

    fn delivered(&self) -> BoxFuture<'_, Result<Vec<Delivery>, String>> {
        Box::pin(async {
            while self.world.sandbox.deliver_due().await.map_err(|e| e.to_string())? > 0 {}
            let at = self.world.clock.now();
            let received = self.receiver.received.lock().map_err(|e| e.to_string())?;
            let delivery = |(headers, body): &(HeaderMap, Bytes)| {
                let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
                let signature = signature.ok_or("no signature")?.to_owned();
                Ok(Delivery { payload: body.to_vec(), signature, at })
            };
            received.iter().map(delivery).collect()
        })
    }
}

#[tokio::test]
async fn the_stripe_adapter_keeps_the_contract_against_the_sandbox() {
    let (world, receiver) = (world().await, Receiver::default());
    let url = receiver.start().await;
    world.sandbox.send_events_to(&url, WEBHOOK_SECRET).await.expect("loopback");
    let stripe = world.stripe();
    check(&stripe, &Counter { world, receiver }, "run1").await.expect("the contract");
}

#[tokio::test]
async fn a_restart_keeps_the_objects() {
    let database = common::database();
    let id = {
        let world = world_on(&database).await;
        let (id, page) = world.checkout().await;
        world.pay(&page, "4242424242424242").await;
        id
    };
    let again = world_on(&database).await;
    assert_eq!(again.session(&id).await["payment_status"], "paid");
}
