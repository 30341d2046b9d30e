//! rules.md, "Grants"; terms.md, "burn order".

use serde_json::{Value, json};
use tests::cards::OVERAGE;
use tests::test_app::{TestApp, balances_of, event, on_each_database, text};

#[tokio::test]
async fn a_grant_pays_debt_first() {
    on_each_database(async |app| {
        app.publish(OVERAGE).await;
        app.customer("c").await;
        app.report(&event("c", "1", "work.overdraft", 5)).await.success(204);
        let mut expected = Vec::new();
        for (credits, paid_debt, balances) in
            [("3", "3", ["0", "0", "2"]), ("20", "2", ["18", "0", "0"]), ("1", "0", ["19", "0", "0"])]
        {
            let grant = app.grant("c", credits, &json!({})).await;
            assert_eq!((&grant["credits"], &grant["paid_debt"]), (&json!(credits), &json!(paid_debt)));
            app.assert_wallet("c", balances).await;
            expected.push(text(&grant, "/id"));
        }
        let lots = lots(&app.wallet("c").await);
        assert_eq!(lots, [(expected[1].clone(), "18".to_owned()), (expected[2].clone(), "1".to_owned())]);
    })
    .await;
}

#[tokio::test]
async fn a_lot_keeps_what_was_granted_and_paid_for_it() {
    on_each_database(async |app| {
        app.customer("c").await;
        let paid = json!({"amount": 4_500, "currency": "usd"});
        let grant = app.grant("c", "500", &json!({"kind": "purchase", "paid": paid})).await;
        assert_eq!(grant["paid"], paid);
        app.use_credits("c", 20).await;
        let lot = app.wallet("c").await["lots"][0].clone();
        let said = [&lot["granted"], &lot["remaining"], &lot["cost_basis"], &lot["kind"]];
        assert_eq!(said, [&json!("500"), &json!("480"), &paid, &json!("purchase")]);
    })
    .await;
}

#[tokio::test]
async fn unpaid_burns_before_paid_and_the_lower_cost_basis_first() {
    on_each_database(async |app| {
        app.customer("c").await;
        let soon = app.at(86_400);
        let bought = async |credits: &str, cents: u32| {
            let paid = json!({"paid": {"amount": cents, "currency": "usd"}, "expires_at": soon});
            text(&app.grant("c", credits, &paid).await, "/id")
        };
        let dear = bought("100", 1_000).await;
        let cheap = bought("500", 4_500).await;
        let free = text(&app.grant("c", "10", &json!({"expires_at": soon})).await, "/id");
        assert_eq!(burnt(app, 520).await, [(free, "10"), (cheap, "500"), (dear.clone(), "10")].map(owned));
        assert_eq!(burnt(app, 90).await, [(dear, "90")].map(owned));

        // 1/3 of a cent a credit is more than 2/7; 2/6 is the same, then the older one burns first.
        let third = bought("3", 1).await;
        let sixths = bought("6", 2).await;
        let sevenths = bought("7", 2).await;
        assert_eq!(burnt(app, 8).await, [(sevenths, "7"), (third.clone(), "1")].map(owned));
        assert_eq!(burnt(app, 3).await, [(third, "2"), (sixths, "1")].map(owned));
    })
    .await;
}

#[tokio::test]
async fn the_smaller_priority_burns_first_and_the_default_is_50() {
    on_each_database(async |app| {
        app.customer("c").await;
        let grant = async |more: Value| {
            let grant = app.grant("c", "1", &more).await;
            (text(&grant, "/id"), grant["priority"].clone())
        };
        let (late, _) = grant(json!({"priority": 51, "expires_at": app.at(60)})).await;
        let (usual, default) = grant(json!({})).await;
        let (early, _) = grant(json!({"priority": 49})).await;
        let (first, _) = grant(json!({"priority": -1})).await;
        assert_eq!(default, 50);
        let shown: Vec<String> = lots(&app.wallet("c").await).into_iter().map(|(id, _)| id).collect();
        assert_eq!(shown, [&first, &early, &usual, &late].map(Clone::clone));
        assert_eq!(burnt(app, 3).await, [(first, "1"), (early, "1"), (usual, "1")].map(owned));
    })
    .await;
}

#[tokio::test]
async fn of_one_priority_the_earliest_expiry_burns_first() {
    on_each_database(async |app| {
        app.customer("c").await;
        let grant = async |expires_at: Value| {
            let more = json!({"expires_at": expires_at, "paid": {"amount": 1, "currency": "usd"}});
            text(&app.grant("c", "1", &more).await, "/id")
        };
        let never = text(&app.grant("c", "1", &json!({})).await, "/id"); // even though it was free
        let later = grant(json!(app.at(120))).await;
        let soon = grant(json!(app.at(60))).await;
        assert_eq!(burnt(app, 3).await, [(soon, "1"), (later, "1"), (never, "1")].map(owned));
    })
    .await;
}

#[tokio::test]
async fn a_grant_in_another_currency_than_the_customers_is_a_400() {
    on_each_database(async |app| {
        app.customer("dollars").await;
        let euros = json!({"external_id": "euros", "kind": "individual", "name": "E", "email": "e@example.com", "currency": "eur"});
        app.post("/v1/customers", &euros).await.success(201);
        let body = |customer: &str, currency: &str| {
            let paid = json!({"amount": 1_000, "currency": currency});
            json!({"customer": customer, "credits": "100", "kind": "purchase", "paid": paid})
        };
        for (customer, own, other) in [("dollars", "usd", "eur"), ("euros", "eur", "usd")] {
            app.post("/v1/grants", &body(customer, other)).await.names("paid.currency");
            app.post("/v1/grants", &body(customer, own)).await.success(201);
            app.assert_wallet(customer, ["100", "0", "0"]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_void_takes_back_what_is_left_of_one_grant_and_what_is_held_when_its_hold_ends() {
    on_each_database(async |app| {
        app.customer("c").await;
        let first = text(&app.grant("c", "10", &json!({"priority": 1})).await, "/id");
        app.grant("c", "10", &json!({})).await;
        app.use_credits("c", 2).await;
        let hold = text(&app.hold("c", "3").await, "/id");
        let path = format!("/v1/grants/{first}/void");
        let voided = app.post(&path, &json!({})).await.success(200);
        assert_eq!((&voided["voided"], &voided["revoked"]), (&json!(true), &json!("5")));
        app.assert_wallet("c", ["10", "3", "0"]).await;
        app.post(&path, &json!({})).await.problem(400, "grant_voided");
        app.post(&format!("/v1/holds/{hold}/void"), &json!({})).await.success(200);
        assert_eq!(balances_of(&app.wallet("c").await), ["10", "0", "0"]);
    })
    .await;
}

/// Which lots paid for so many credits.
async fn burnt(app: &TestApp, credits: u64) -> Vec<(String, String)> {
    let receipt = app.use_credits("c", credits).await;
    let lots = receipt["lots"].as_array().unwrap();
    lots.iter().map(|lot| (text(lot, "/grant"), text(lot, "/credits"))).collect()
}

/// Lots with what remains of them, as they will burn.
fn lots(wallet: &Value) -> Vec<(String, String)> {
    let lots = wallet["lots"].as_array().unwrap();
    lots.iter().map(|lot| (text(lot, "/grant"), text(lot, "/remaining"))).collect()
}

fn owned((grant, credits): (String, &str)) -> (String, String) {
    (grant, credits.to_owned())
}
