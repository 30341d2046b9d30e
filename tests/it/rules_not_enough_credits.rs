//! rules.md, "Not enough credits".

use serde_json::{Value, json};
use tests::cards::OVERAGE;
use tests::test_app::{BUY_URL, TestApp, event, on_each_database, text, usage, work};

#[tokio::test]
async fn a_hold_or_report_that_the_wallet_cannot_pay_is_a_402_and_nothing_changes() {
    on_each_database(async |app| {
        app.publish(OVERAGE).await;
        app.funded("c", "10").await;
        app.hold("c", "4").await;
        let (wallet, lines) = (app.wallet("c").await, app.postings("c").await);
        // Whatever the feature's policy for finished work is.
        for feature in ["work.absorb", "work.overdraft", "work.refuse"] {
            for path in ["/v1/holds", "/v1/usage"] {
                let short = app.post(path, &work("c", feature, 7)).await.problem(402, "insufficient_credits");
                let said = [&short["available"], &short["required"], &short["buy_url"]];
                assert_eq!(said, [&json!("6"), &json!("7"), &json!(BUY_URL)]);
            }
        }
        let credits = json!({"customer": "c", "credits": "6.000001"});
        app.post("/v1/holds", &credits).await.problem(402, "insufficient_credits");
        assert_eq!((app.wallet("c").await, app.postings("c").await), (wallet, lines));
    })
    .await;
}

#[tokio::test]
async fn a_capture_takes_what_is_held_then_what_is_available_and_absorb_leaves_the_rest_uncovered() {
    on_each_database(async |app| {
        let receipt = capture_20_of_a_hold_of_10_with_2_more(app, "work.absorb").await.success(200);
        let said = [&receipt["credits"], &receipt["uncovered"], &receipt["debt"]];
        assert_eq!(said, [&json!("12"), &json!("8"), &json!("0")]);
        assert_eq!(receipt["balance_after"], json!({"available": "0", "held": "0", "debt": "0"}));
        let moved: Vec<Value> = app
            .postings("c")
            .await
            .iter()
            .filter(|line| line["kind"] == "capture")
            .map(|line| json!([line["from"], line["to"], line["amount"]]))
            .collect();
        let expected = [
            json!(["held", "spent", "10"]),
            json!(["available", "spent", "2"]),
            json!(["uncovered", "spent", "8"]),
        ];
        assert_eq!(moved, expected);
    })
    .await;
}

#[tokio::test]
async fn absorb_is_the_default() {
    on_each_database(async |app| {
        app.funded("c", "3").await;
        let hold = text(&app.post("/v1/holds", &usage("c", 3)).await.success(201), "/id");
        let body = json!({"quantities": {"input_tokens": 1_000}});
        let receipt = app.post(&format!("/v1/holds/{hold}/capture"), &body).await.success(200);
        assert_eq!((&receipt["credits"], &receipt["uncovered"]), (&json!("3"), &json!("2")));
        let features = app.get("/v1/features").await.success(200);
        for feature in features["data"].as_array().unwrap() {
            assert_eq!(feature["overage"], json!({"policy": "absorb", "limit": null}));
        }
    })
    .await;
}

#[tokio::test]
async fn an_overdraft_makes_debt_up_to_its_limit() {
    on_each_database(async |app| {
        let receipt = capture_20_of_a_hold_of_10_with_2_more(app, "work.overdraft").await.success(200);
        // 12 paid, 5 owed, and the work that exceeds the limit is done all the same.
        let said = [&receipt["credits"], &receipt["debt"], &receipt["uncovered"]];
        assert_eq!(said, [&json!("17"), &json!("5"), &json!("3")]);
        app.assert_wallet("c", ["0", "0", "5"]).await;
        app.report(&event("c", "more", "work.overdraft", 1)).await.success(204);
        app.assert_wallet("c", ["0", "0", "5"]).await;

        app.funded("d", "2").await;
        app.report(&event("d", "1", "work.overdraft", 5)).await.success(204);
        app.assert_wallet("d", ["0", "0", "3"]).await;
        app.report(&event("d", "2", "work.overdraft", 5)).await.success(204);
        app.assert_wallet("d", ["0", "0", "5"]).await;
    })
    .await;
}

#[tokio::test]
async fn refuse_is_a_402_for_a_capture_and_leaves_the_hold_as_it_was() {
    on_each_database(async |app| {
        let refused = capture_20_of_a_hold_of_10_with_2_more(app, "work.refuse").await;
        let problem = refused.problem(402, "insufficient_credits");
        assert_eq!((&problem["required"], &problem["buy_url"]), (&json!("20"), &json!(BUY_URL)));
        app.assert_wallet("c", ["2", "10", "0"]).await;
        let hold = text(app.postings("c").await.last().unwrap(), "/hold");
        let unchanged = app.get(&format!("/v1/holds/{hold}")).await.success(200);
        assert_eq!([&unchanged["state"], &unchanged["captures"]], [&json!("open"), &json!(0)]);
        let fits = json!({"quantities": {"seconds": 12}});
        app.post(&format!("/v1/holds/{hold}/capture"), &fits).await.success(200);
        app.assert_wallet("c", ["0", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn refuse_is_a_204_for_an_event_which_is_kept_as_unbilled() {
    on_each_database(async |app| {
        app.publish(OVERAGE).await;
        app.funded("c", "3").await;
        app.report(&event("c", "1", "work.refuse", 5)).await.success(204);
        app.assert_wallet("c", ["3", "0", "0"]).await;
        let line = app.postings("c").await.pop().unwrap();
        let said = [&line["kind"], &line["amount"], &line["feature"], &line["model"]];
        assert_eq!(said, [&json!("unbilled"), &json!("0"), &json!("work.refuse"), &json!("m")]);
        // Its key deduplicates: more credits do not bill it at a retry.
        app.grant("c", "100", &json!({})).await;
        app.report(&event("c", "1", "work.refuse", 5)).await.success(204);
        app.assert_wallet("c", ["103", "0", "0"]).await;
        app.report(&event("c", "2", "work.refuse", 5)).await.success(204);
        app.assert_wallet("c", ["98", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn an_event_takes_what_is_available_and_absorb_leaves_the_rest_uncovered() {
    on_each_database(async |app| {
        app.publish(OVERAGE).await;
        app.funded("c", "3").await;
        app.hold("c", "1").await;
        app.report(&event("c", "1", "work.absorb", 5)).await.success(204);
        app.assert_wallet("c", ["0", "1", "0"]).await;
        let receipt = text(app.postings("c").await.last().unwrap(), "/receipt");
        let receipt = app.get(&format!("/v1/receipts/{receipt}")).await.success(200);
        let said = [&receipt["kind"], &receipt["credits"], &receipt["uncovered"]];
        assert_eq!(said, [&json!("debit"), &json!("2"), &json!("3")]);
        assert_eq!(receipt["event"], json!({"source": "tests", "id": "1"}));
    })
    .await;
}

#[tokio::test]
async fn an_event_without_a_price_is_a_204_and_kept_as_unrated() {
    on_each_database(async |app| {
        app.publish(OVERAGE).await;
        app.funded("c", "3").await;
        let mut unmapped = event("c", "type", "work.absorb", 1);
        unmapped["type"] = json!("somebody.elses");
        let mut negative = event("c", "negative", "work.absorb", 1);
        negative["data"]["quantities"]["seconds"] = json!(-1);
        let mut unmeasured = event("c", "quantities", "work.absorb", 1);
        unmeasured["data"]["quantities"] = json!({"images": 1});
        let mut dataless = event("c", "data", "work.absorb", 1);
        dataless["data"] = Value::Null;
        let unknown = event("c", "feature", "work.unknown", 1);
        let unpriceable = [unmapped, negative, unmeasured, dataless, unknown];
        for _ in 0..2 {
            app.report(&json!(unpriceable)).await.success(204);
        }
        let lines = app.postings("c").await.split_off(1);
        assert_eq!(lines.len(), unpriceable.len());
        for line in &lines {
            assert_eq!((&line["kind"], &line["amount"]), (&json!("unrated"), &json!("0")), "{line}");
        }
        app.assert_wallet("c", ["3", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_malformed_event_or_an_unknown_subject_is_a_400_and_none_of_the_batch_is_stored() {
    on_each_database(async |app| {
        app.publish(OVERAGE).await;
        app.funded("c", "10").await;
        let with = |member: &str, value: Value| {
            let mut event = event("c", "bad", "work.absorb", 1);
            event[member] = value;
            event
        };
        let good = event("c", "good", "work.absorb", 1);
        for (bad, field) in [
            (with("subject", Value::Null), "[1].subject"),
            (with("subject", json!("nobody")), "[1].subject"),
            (with("subject", json!("")), "[1].subject"),
            (with("id", Value::Null), "[1].id"),
            (with("id", json!(7)), "[1].id"),
            (with("source", Value::Null), "[1].source"),
            (with("type", Value::Null), "[1].type"),
            (with("specversion", json!("0.3")), "[1].specversion"),
            (with("time", json!("yesterday")), "[1].time"),
            (with("Subject", json!("c")), "[1].Subject"),
            (json!("event"), "[1]"),
        ] {
            app.report(&json!([good, bad])).await.names(field);
        }
        app.report(&with("subject", json!("nobody"))).await.names("subject");
        app.assert_wallet("c", ["10", "0", "0"]).await;
        app.report(&json!([good, event("c", "other", "work.absorb", 2)])).await.success(204);
        app.assert_wallet("c", ["7", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn unbilled_and_unrated_are_visible_in_the_statement_with_what_they_were_for() {
    on_each_database(async |app| {
        app.publish(OVERAGE).await;
        app.customer("c").await;
        app.report(&event("c", "1", "work.refuse", 5)).await.success(204);
        app.report(&event("c", "2", "work.unknown", 5)).await.success(204);
        let key = app.customers_key("c").await;
        let shown = app.call("GET", "/v1/customers/c/postings").by(&key).send().await.success(200);
        let kinds: Vec<String> =
            shown["data"].as_array().unwrap().iter().map(|line| text(line, "/kind")).collect();
        assert_eq!(kinds, ["unrated", "unbilled"]);
        let wallet: kernel::WalletId = text(&app.wallet("c").await, "/id").parse().unwrap();
        let receipt = async |seq| {
            let path = format!("/v1/receipts/{}", kernel::ReceiptId { wallet, seq });
            app.get(&path).await.success(200)
        };
        let unbilled = receipt(1).await;
        assert_eq!((&unbilled["kind"], &unbilled["quantities"]["seconds"]), (&json!("unbilled"), &json!(5)));
        let unrated = receipt(2).await;
        assert!(text(&unrated, "/unrated").contains("feature"), "{unrated}");
    })
    .await;
}

#[tokio::test]
async fn an_event_answers_204_after_its_charge_is_committed() {
    on_each_database(async |app| {
        app.publish(OVERAGE).await;
        app.funded("c", "10").await;
        let elsewhere = app.another_process().await;
        for i in 1..=5 {
            app.report(&event("c", &i.to_string(), "work.absorb", 1)).await.success(204);
            elsewhere.assert_wallet("c", [&(10 - i).to_string(), "0", "0"]).await;
        }
    })
    .await;
}

async fn capture_20_of_a_hold_of_10_with_2_more(app: &TestApp, feature: &str) -> tests::test_app::Reply {
    app.publish(OVERAGE).await;
    app.funded("c", "12").await;
    let hold = text(&app.post("/v1/holds", &work("c", feature, 10)).await.success(201), "/id");
    app.post(&format!("/v1/holds/{hold}/capture"), &json!({"quantities": {"seconds": 20}})).await
}
