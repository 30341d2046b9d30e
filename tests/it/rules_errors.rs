//! rules.md, "Errors"; contract.md, "HTTP API".

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::cards::{OVERAGE, card_with_plan};
use tests::test_app::{BUY_URL, merge, on_each_database, text, usage, work};

#[tokio::test]
async fn malformed_unknown_or_invalid_members_and_unknown_ids_in_a_body_are_a_400_that_names_them() {
    on_each_database(async |app| {
        app.funded("c", "100").await;
        app.funded("other", "100").await;
        let others_quote = app.post("/v1/quotes", &usage("other", 1)).await.success(201)["id"].clone();
        let hold = json!({"customer": "c", "credits": "1"});
        let grant = json!({"customer": "c", "credits": "1", "kind": "promo"});
        let person = json!({"external_id": "p", "kind": "individual", "name": "P", "email": "p@example.com"});
        for (path, body, change, field) in [
            ("/v1/holds", &hold, json!({"credits": 1}), "credits"),
            ("/v1/holds", &hold, json!({"credits": "-1"}), "credits"),
            ("/v1/holds", &hold, json!({"credits": "0"}), "credits"),
            ("/v1/holds", &hold, json!({"credits": "1e3"}), "credits"),
            ("/v1/holds", &hold, json!({"credits": "0.0000001"}), "credits"),
            ("/v1/holds", &hold, json!({"credits": "1000000001"}), "credits"),
            ("/v1/holds", &hold, json!({"customer": null}), "customer"),
            ("/v1/holds", &hold, json!({"customer": "nobody"}), "customer"),
            ("/v1/holds", &hold, json!({"note": "x"}), "note"),
            ("/v1/holds", &hold, json!({"job": ""}), "job"),
            ("/v1/holds", &usage("c", 1), json!({"feature": "text.unknown"}), "feature"),
            ("/v1/holds", &usage("c", 1), json!({"model": "gpt-0"}), "model"),
            ("/v1/usage", &usage("c", 1), json!({"model": "sdxl"}), "model"),
            ("/v1/usage", &usage("c", 1), json!({"occurred_at": "yesterday"}), "occurred_at"),
            ("/v1/usage", &usage("c", 1), json!({"vendor_transaction": "a\nb"}), "vendor_transaction"),
            ("/v1/grants", &grant, json!({"kind": "gift"}), "kind"),
            ("/v1/grants", &grant, json!({"expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
            ("/v1/grants", &grant, json!({"paid": {"amount": -1, "currency": "usd"}}), "paid.amount"),
            ("/v1/grants", &grant, json!({"paid": {"amount": 1, "currency": "dollars"}}), "paid.currency"),
            ("/v1/grants", &grant, json!({"priority": 40_000}), "priority"),
            ("/v1/customers", &person, json!({"email": "nowhere"}), "email"),
            ("/v1/customers", &person, json!({"currency": "us"}), "currency"),
            ("/v1/customers", &person, json!({"name": "x".repeat(256)}), "name"),
            ("/v1/api-keys", &json!({"name": "k"}), json!({"scopes": ["root"]}), "scopes[0]"),
            ("/v1/api-keys", &json!({"name": "k"}), json!({"customer": "nobody"}), "customer"),
            ("/v1/rate-cards", &json!({}), json!({"document": "[rate_card]\nname = 1"}), "rate_card.name"),
        ] {
            let mut body = body.clone();
            merge(&mut body, &change);
            app.post(path, &body).await.names(field);
        }
        for quote in [others_quote, json!(kernel::QuoteId { wallet: nobodys_wallet(), nonce: 1 })] {
            app.post("/v1/holds", &json!({"customer": "c", "quote": quote})).await.names("quote");
        }
        app.assert_wallet("c", ["100", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn all_that_is_wrong_with_a_rate_card_is_told_at_once() {
    on_each_database(async |app| {
        let wrong = OVERAGE.replace("credits = 1", "credits = -1").replace("overdraft = 5", "overdraft = 0");
        let problem =
            app.post("/v1/rate-cards", &json!({"document": wrong})).await.problem(400, "invalid_request");
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(4), "{problem}");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_id_in_a_path_is_a_404() {
    on_each_database(async |app| {
        let wallet = nobodys_wallet();
        let (hold, receipt) = (kernel::HoldId { wallet, seq: 1 }, kernel::ReceiptId { wallet, seq: 1 });
        let grant = kernel::GrantId { wallet, seq: 1 };
        let nobody = kernel::CustomerId::from_uuid(kernel::new_uuid());
        for path in [
            "/nothing".to_owned(),
            "/v1/nothing".to_owned(),
            format!("/v1/customers/{nobody}"),
            format!("/v1/customers/{nobody}/wallet"),
            "/v1/customers/nobody/postings".to_owned(),
            format!("/v1/holds/{hold}"),
            format!("/v1/receipts/{receipt}"),
            "/v1/rate-cards/card_77".to_owned(),
        ] {
            app.get(&path).await.problem(404, "not_found");
        }
        let one = json!({"credits": "1"});
        for (path, body) in [
            (format!("/v1/holds/{hold}/capture"), &one),
            (format!("/v1/holds/{hold}/extend"), &one),
            (format!("/v1/holds/{hold}/void"), &json!({})),
            (format!("/v1/grants/{grant}/void"), &json!({})),
            (format!("/v1/receipts/{receipt}/reverse"), &json!({})),
            (format!("/v1/receipts/{receipt}/deliveries"), &json!({})),
            ("/v1/rate-cards/card_77/publish".to_owned(), &json!({})),
        ] {
            app.post(&path, body).await.problem(404, "not_found");
        }
        let no_key = kernel::ApiKeyId::from_uuid(kernel::new_uuid());
        let path = format!("/v1/api-keys/{no_key}");
        app.call("DELETE", &path).by(&app.key).send().await.problem(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn a_shortage_says_what_is_available_what_is_required_and_where_to_buy() {
    on_each_database(async |app| {
        app.funded("c", "2.5").await;
        let short = app.post("/v1/usage", &usage("c", 3)).await.problem(402, "insufficient_credits");
        let said = [&short["available"], &short["required"], &short["buy_url"]];
        assert_eq!(said, [&json!("2.5"), &json!("3"), &json!(BUY_URL)]);
        assert_eq!(short["errors"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn what_the_plan_does_not_include_is_a_403_not_entitled() {
    on_each_database(async |app| {
        let model = "rates = [{ driver = \"seconds\", credits = 1 }]\n[features.open]\nname = \"Open\"\n\
                     [features.open.models.m]\nrates = [{ driver = \"seconds\", credits = 1 }]";
        app.publish(&card_with_plan("0.000001", model, r#"entitles = ["open/m"]"#)).await;
        app.funded("c", "10").await;
        for path in ["/v1/holds", "/v1/usage"] {
            app.post(path, &work("c", "work.do", 1)).await.problem(403, "not_entitled");
            app.post(path, &work("c", "open", 1)).await.success(201);
        }
        for (feature, entitled) in [("work.do", false), ("open", true)] {
            let quote = app.post("/v1/quotes", &work("c", feature, 1)).await.success(201);
            assert_eq!(quote["admission"]["entitled"], entitled);
        }
        app.assert_wallet("c", ["8", "1", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_wrong_state_or_a_taken_name_is_a_400_with_its_code() {
    on_each_database(async |app| {
        app.funded("c", "100").await;
        let taken = json!({"external_id": "c", "kind": "individual", "name": "C", "email": "c@example.com"});
        app.post("/v1/customers", &taken).await.problem(400, "external_id_taken");
        let hold = text(&app.hold("c", "1").await, "/id");
        app.post(&format!("/v1/holds/{hold}/void"), &json!({})).await.success(200);
        app.post(&format!("/v1/holds/{hold}/void"), &json!({})).await.problem(400, "hold_not_open");
        let grant = text(&app.grant("c", "1", &json!({})).await, "/id");
        app.post(&format!("/v1/grants/{grant}/void"), &json!({})).await.success(200);
        app.post(&format!("/v1/grants/{grant}/void"), &json!({})).await.problem(400, "grant_voided");
        let receipt = text(&app.use_credits("c", 1).await, "/id");
        let path = format!("/v1/receipts/{receipt}/reverse");
        let reversal = text(&app.post(&path, &json!({})).await.success(201), "/id");
        app.post(&path, &json!({})).await.problem(400, "already_reversed");
        let path = format!("/v1/receipts/{reversal}/reverse");
        app.post(&path, &json!({})).await.problem(400, "receipt_not_reversible");
        app.assert_wallet("c", ["100", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_malformed_batch_item_fails_alone_with_its_index() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        let with = |member: &str, value: Value| {
            let mut item = usage("c", 1);
            item[member] = value;
            item
        };
        let items = [
            usage("c", 1),
            json!(null),
            with("customer", json!(7)),
            with("colour", json!("red")),
            with("customer", json!("nobody")),
            with("model", json!("gpt-0")),
            with("quantities", json!({"input_tokens": -1})),
            usage("c", 20),
            usage("c", 2),
        ];
        let done = app.post("/v1/usage/batch", &json!({"items": items})).await.success(200);
        let said: Vec<Value> = done["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r.get("status").map_or(r["credits"].clone(), |s| json!([s, r["errors"][0]["field"]])))
            .collect();
        let expected = [
            json!("1"),
            json!([400, "items[1]"]),
            json!([400, "items[2].customer"]),
            json!([400, "items[3].colour"]),
            json!([400, "items[4].customer"]),
            json!([400, "items[5].model"]),
            json!([400, "items[6].quantities.input_tokens"]),
            json!([402, null]),
            json!("2"),
        ];
        assert_eq!(said, expected, "{}", app.name);
        app.assert_wallet("c", ["7", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_batch_has_1_to_1000_items() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        let free = usage("c", 0);
        let many = |n: usize| json!({"items": vec![free.clone(); n]});
        assert_eq!(
            app.post("/v1/usage/batch", &many(1_000)).await.success(200)["results"].as_array().map(Vec::len),
            Some(1_000)
        );
        for n in [0, 1_001] {
            app.post("/v1/usage/batch", &many(n)).await.names("items");
        }
        app.post("/v1/usage/batch", &json!({})).await.names("items");
    })
    .await;
}

#[tokio::test]
async fn a_method_that_the_path_does_not_know_is_a_405_with_allow() {
    on_each_database(async |app| {
        for (method, path, allow) in [
            ("PUT", "/v1/grants", "POST"),
            ("GET", "/v1/usage", "POST"),
            ("DELETE", "/v1/customers/demo/wallet", "GET,HEAD"),
            ("PATCH", "/v1/customers", "POST,GET,HEAD"),
        ] {
            let reply = app.call(method, path).by(&app.key).send().await;
            reply.problem(405, "method_not_allowed");
            let said: BTreeSet<&str> = reply.header("allow").unwrap_or_default().split(',').collect();
            assert_eq!(said, allow.split(',').collect(), "{reply}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_of_another_type_is_a_415_and_a_larger_one_than_is_read_a_413() {
    on_each_database(async |app| {
        let body = json!({"customer": "demo", "credits": "1"}).to_string();
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"] {
            let call = app.call("POST", "/v1/holds").by(&app.key).key("k");
            call.raw(content_type, body.clone()).send().await.problem(415, "unsupported_media_type");
        }
        let charset = app.call("POST", "/v1/holds").by(&app.key).key("k");
        charset.raw("Application/JSON; charset=utf-8", body).send().await.success(201);
        for (path, megabytes) in [("/v1/holds", 2), ("/v1/usage/batch", 9), ("/api/v1/events", 9)] {
            let long = format!("{{\"customer\": \"{}\"}}", "x".repeat(megabytes * 1024 * 1024));
            let call = app.call("POST", path).by(&app.key).key("k");
            call.raw_json(long).send().await.problem(413, "body_too_large");
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_decided_now_is_a_503_with_retry_after() {
    on_each_database(async |app| {
        app.app.engine().stop().await;
        let reply = app.post("/v1/usage", &usage("demo", 1)).await;
        reply.problem(503, "unavailable");
        let wait: u64 = reply.header("retry-after").unwrap_or_default().parse().unwrap();
        assert!(wait >= 1, "{reply}");
    })
    .await;
}

fn nobodys_wallet() -> kernel::WalletId {
    kernel::WalletId::from_uuid(kernel::new_uuid())
}
