//! After a long outage of the worker everything is caught up once, and operators get one mail about it.

use std::collections::BTreeMap;

use app::Principal;
use app::accounts::{NewOperator, create_operator};
use serde_json::json;
use tests::shop::{Shop, in_each_shop};

const DAY_SECONDS: i64 = 86_400;
const OUTAGE_DAYS: i64 = 14;
const OPERATORS: [&str; 2] = ["olga@example.com", "petra@example.com"];

#[tokio::test]
async fn two_weeks_without_a_worker_end_in_one_notice_a_lot_and_one_digest() {
    in_each_shop(async |shop| {
        for email in OPERATORS {
            let new = NewOperator {
                email: email.to_owned(),
                name: "Olga".to_owned(),
                password: "three sunny words".to_owned(),
            };
            create_operator(&shop.app, &Principal::system(), new).await.expect("an operator");
        }
        // Each passes one or two of its notices (30, 7 and 1 days before) while nobody works.
        for (name, expires_in_days) in [("soon", 16), ("later", 35), ("gone", 10)] {
            shop.customer(name).await;
            grant(shop, name, expires_in_days).await;
        }
        bought_and_used(shop).await;
        shop.settle().await;
        shop.wait_and_settle(600).await;
        let before = shop.sent.lock().expect("no panic holds it").len();

        shop.wait_and_settle(OUTAGE_DAYS * DAY_SECONDS).await;
        let told = sent_since(shop, before);
        // The worker was due within five minutes of the last look.
        let digests: Vec<&String> =
            told.keys().filter(|(to, _)| OPERATORS.contains(&to.as_str())).map(|(_, s)| s).collect();
        assert_eq!(digests, ["The worker stood still for 13 days and 23 hours"; 2], "{told:?}");
        let expiring = told.iter().filter(|((_, subject), _)| subject.contains("expire"));
        let expiring: Vec<(&str, u32)> = expiring.map(|((_, subject), n)| (subject.as_str(), *n)).collect();
        assert_eq!(expiring, [("16 credits expire in 2 days", 1), ("35 credits expire in 21 days", 1)]);
        assert!(told.values().all(|count| *count == 1), "nobody is told twice: {told:?}");
        assert_eq!(shop.available("gone").await, "0", "{}: what ran out meanwhile is settled", shop.name);

        // What was caught up is not caught up again, nor is a minute's silence an outage.
        let after = shop.sent.lock().expect("no panic holds it").len();
        for _ in 0..20 {
            shop.wait_and_settle(60).await;
        }
        assert_eq!(sent_since(shop, after), BTreeMap::new());
    })
    .await;
}

/// A wallet that is low when the outage begins was told of it before.
async fn bought_and_used(shop: &Shop) {
    shop.customer("low").await;
    let checkout = shop.checkout("low").await;
    shop.pay(&checkout, tests::shop::SUCCESS).await;
    shop.settle().await;
    let usage = json!({
        "customer": "low", "feature": "text.generate", "model": "gpt-4", "quantities": {"input_tokens": 98_000},
    });
    assert_eq!(shop.post("/v1/usage", &usage).await.status, 201);
}

/// As many credits as days, for a name in the mail's subject.
async fn grant(shop: &Shop, customer: &str, expires_in_days: i64) {
    let expires_at = shop.clock.now().plus_seconds(expires_in_days * DAY_SECONDS);
    let grant = json!({
        "customer": customer, "credits": expires_in_days.to_string(), "kind": "promo",
        "expires_at": expires_at.to_string(),
    });
    assert_eq!(shop.post("/v1/grants", &grant).await.status, 201);
}

/// How often each subject went to each address.
fn sent_since(shop: &Shop, seen: usize) -> BTreeMap<(String, String), u32> {
    let mut told = BTreeMap::new();
    for mail in shop.sent.lock().expect("no panic holds it").iter().skip(seen) {
        *told.entry((mail.recipient.clone(), mail.letter.subject.clone())).or_default() += 1;
    }
    told
}
