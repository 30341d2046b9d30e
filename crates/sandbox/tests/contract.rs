//! The gateway contract through real TCP, with the very adapter and client that talk to Stripe.

mod common;

use billing::Checkout;
use common::{World, world, world_on};
use futures::future::BoxFuture;
use gateways::contract::{Card, Shopper, check};

struct Browser<'a>(&'a World);

impl Shopper for Browser<'_> {
    fn pay<'a>(&'a self, checkout: &'a Checkout, card: Card) -> BoxFuture<'a, Result<(), String>> {
        let number = match card {
            Card::Good => "4242424242424242",
            Card::Declined => "4000000000000002",
            Card::Disputed => "4000000000000259",
        };
        Box::pin(async move {
            let page = checkout.url.as_deref().ok_or("no page")?;
            let reply = self.0.pay(page, number).await;
            if reply.status == 303 { Ok(()) } else { Err(format!("{} {}", reply.status, reply.body)) }
        })
    }
}

#[tokio::test]
async fn the_stripe_adapter_keeps_the_contract_against_the_sandbox() {
    let world = world().await;
    check(&world.stripe(), &Browser(&world), "run1").await.expect("the contract");
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
