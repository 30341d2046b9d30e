//! A hold that asks to confirm a card ends with a payment that the bank confirmed, and with no other one.

use serde_json::{Value, json};
use tests::shop::{SUCCESS, Shop, in_each_shop};

use crate::risk_pages::{acts, may_work, tick};

/// Stripe's test cards: the bank always asks; it asks when the shop wants it.
const ASKS: &str = "4000002760003184";
const ASKS_IF_WANTED: &str = "4000000000003055";
/// Blocked as of the highest risk, declined, declined, and in order: the bank of the last knows its holder.
const TRIED: [&str; 4] = ["4100000000000019", "4000000000000002", "4000000000009995", ASKS_IF_WANTED];

async fn buys(shop: &Shop, customer: &str, card: &str) {
    let checkout = shop.checkout(customer).await;
    shop.pay(&checkout, card).await;
    shop.wait_and_settle(5).await;
}

/// Buys with a card whose bank asks, and answers it so.
async fn answers_the_bank(shop: &Shop, customer: &str, (card, answer): (&str, &str)) {
    let checkout = shop.checkout(customer).await;
    let challenge = shop.pay(&checkout, card).await;
    assert!(challenge.ends_with("/authenticate"), "{}: {challenge}", shop.name);
    shop.authenticate(&challenge, answer).await;
    shop.wait_and_settle(5).await;
}

async fn id_of(shop: &Shop, customer: &str) -> String {
    let document = shop.get(&format!("/v1/customers/{customer}")).await.document();
    document["id"].as_str().expect("an id").to_owned()
}

async fn restrict(shop: &Shop, customer: &str, step_up: &str) {
    let hold = json!({"step_up": step_up, "reason": "a card was reported"});
    let done = shop.post(&format!("/v1/customers/{customer}/restrict"), &hold).await;
    assert_eq!(done.status, 200, "{}: {done:?}", shop.name);
}

async fn releases(shop: &Shop, actor: &str) -> usize {
    let told = acts(shop).await;
    told.iter().filter(|(action, by)| action == "customer.release" && by == actor).count()
}

#[tokio::test]
async fn the_watch_holds_after_doubtful_cards_until_the_bank_knows_the_holder() {
    in_each_shop(async |shop| {
        shop.customer("c").await;
        tick(shop).await;
        for card in TRIED {
            buys(shop, "c", card).await;
            tick(shop).await;
        }
        shop.clock.advance_seconds(app::risk::LAG_SECONDS + 1);
        tick(shop).await;
        let id = id_of(shop, "c").await;
        assert_eq!(may_work(shop, "c").await, 403, "{}: held", shop.name);

        buys(shop, "c", SUCCESS).await;
        assert_eq!(may_work(shop, "c").await, 403, "{}: the bank was not asked", shop.name);
        answers_the_bank(shop, "c", (ASKS_IF_WANTED, "fail")).await;
        assert_eq!(may_work(shop, "c").await, 403, "{}: the holder is not known", shop.name);
        // Who stole a card has one of their own as well.
        answers_the_bank(shop, "c", (ASKS, "complete")).await;
        assert_eq!(may_work(shop, "c").await, 403, "{}: another card proves nothing", shop.name);
        assert_eq!(releases(shop, &id).await, 0);

        answers_the_bank(shop, "c", (ASKS_IF_WANTED, "complete")).await;
        assert_eq!(may_work(shop, "c").await, 201, "{}: they go on", shop.name);
        assert_eq!(releases(shop, &id).await, 1, "{}: their own act", shop.name);
        let open = shop.get("/v1/risk/cases?state=open").await.document();
        let case = &open["data"][0];
        assert_eq!(case["is_restricted"], false, "{}: for people to look at: {open}", shop.name);
        let to = case["id"].as_str().expect("an id");
        let system = app::Principal::system();
        let page = app::PageRequest { limit: Some(100), cursor: None };
        let rows = app::audit::list(&shop.app, &system, None, &page).await.expect("a list").data;
        let row = rows.iter().find(|row| row.action == "customer.release").expect("a row");
        assert!(
            row.reason.starts_with(&format!("case {to}: the bank confirmed the card of payment ch_")),
            "{row:?}"
        );
    })
    .await;
}

/// What Stripe was asked for, and what it says of the payment afterwards.
async fn last_charge(shop: &Shop) -> Value {
    let charges = shop.at_gateway("GET", "/v1/payment_intents?limit=1&expand[]=data.latest_charge", "").await;
    charges["data"][0].clone()
}

#[tokio::test]
async fn each_card_that_paid_is_confirmed_and_who_never_paid_confirms_any() {
    in_each_shop(async |shop| {
        for name in ["one", "two", "none"] {
            shop.customer(name).await;
            let grant = json!({"customer": name, "credits": "1000", "kind": "promo"});
            assert_eq!(shop.post("/v1/grants", &grant).await.status, 201);
        }
        for name in ["one", "two"] {
            buys(shop, name, ASKS_IF_WANTED).await;
        }
        buys(shop, "two", SUCCESS).await;
        shop.clock.advance_seconds(1);
        for name in ["one", "two", "none"] {
            restrict(shop, name, "confirm_card").await;
        }
        answers_the_bank(shop, "none", (ASKS, "complete")).await;
        assert_eq!(may_work(shop, "none").await, 201, "{}: there is no card to doubt", shop.name);
        for name in ["one", "two"] {
            answers_the_bank(shop, name, (ASKS, "complete")).await;
            assert_eq!(may_work(shop, name).await, 403, "{}: another card proves nothing", shop.name);
            answers_the_bank(shop, name, (ASKS_IF_WANTED, "complete")).await;
        }
        assert_eq!(may_work(shop, "one").await, 201, "{}: it is theirs", shop.name);
        assert_eq!(may_work(shop, "two").await, 403, "{}: one is left, whose bank does not ask", shop.name);
    })
    .await;
}

#[tokio::test]
async fn every_checkout_of_such_a_hold_asks_the_bank_and_no_other_checkout_does() {
    in_each_shop(async |shop| {
        shop.customer("c").await;
        let id = id_of(shop, "c").await;
        let wanted =
            |intent: &Value| intent["payment_method_options"]["card"]["request_three_d_secure"].clone();
        let result = |intent: &Value| {
            intent["latest_charge"]["payment_method_details"]["card"]["three_d_secure"]["result"].clone()
        };
        buys(shop, "c", ASKS_IF_WANTED).await;
        let paid = last_charge(shop).await;
        assert_eq!((wanted(&paid), result(&paid)), (json!("automatic"), Value::Null), "{}", shop.name);

        // A hold for another reason is none that a card could end.
        restrict(shop, "c", "review").await;
        answers_the_bank(shop, "c", (ASKS, "complete")).await;
        assert_eq!(may_work(shop, "c").await, 403, "{}", shop.name);
        shop.clock.advance_seconds(1);

        // The payment from before the hold, told once more, is none of it.
        restrict(shop, "c", "confirm_card").await;
        for event in shop.events().await {
            let id = event["id"].as_str().expect("an id");
            shop.post(&format!("/v1/gateway-events/{id}/replay"), &json!({})).await;
        }
        shop.settle().await;
        assert_eq!(may_work(shop, "c").await, 403, "{}: it was before", shop.name);

        buys(shop, "c", SUCCESS).await;
        let paid = last_charge(shop).await;
        assert_eq!((wanted(&paid), result(&paid)), (json!("challenge"), json!("attempt_acknowledged")));
        assert_eq!(may_work(shop, "c").await, 403, "{}: an attempt is no answer", shop.name);

        answers_the_bank(shop, "c", (ASKS_IF_WANTED, "complete")).await;
        assert_eq!(result(&last_charge(shop).await), "authenticated");
        assert_eq!(may_work(shop, "c").await, 201, "{}: they go on", shop.name);
        assert_eq!(releases(shop, &id).await, 1, "{}", shop.name);

        // Who comes into the next hold has to do it again.
        shop.clock.advance_seconds(1);
        restrict(shop, "c", "confirm_card").await;
        shop.settle().await;
        assert_eq!(may_work(shop, "c").await, 403, "{}", shop.name);
    })
    .await;
}
