//! rules.md, "Holds".

use serde_json::{Value, json};
use tests::cards::{card, per_second};
use tests::test_app::{TestApp, on_each_database, text, usage, work};

#[tokio::test]
async fn a_hold_is_of_credits_or_of_what_the_quote_expects() {
    on_each_database(async |app| {
        app.funded("c", "100").await;
        assert_eq!(app.hold("c", "12.5").await["credits"], "12.5");
        // 5 per 1,000 tokens; of the output, which was not said, the card knows a maximum of 4,096.
        let quote = app.post("/v1/quotes", &usage("c", 5)).await.success(201);
        assert_eq!((&quote["credits"], &quote["credits_max"]), (&json!("5"), &json!("25.48")));
        let hold = json!({"customer": "c", "quote": quote["id"]});
        let hold = app.post("/v1/holds", &hold).await.success(201);
        assert_eq!(
            (&hold["credits"], &hold["quote"], &hold["model"]),
            (&json!("5"), &quote["id"], &json!("gpt-4"))
        );
        let priced = app.post("/v1/holds", &usage("c", 7)).await.success(201);
        assert_eq!((&priced["credits"], &priced["quote"]), (&json!("7"), &Value::Null));
        app.assert_wallet("c", ["75.5", "24.5", "0"]).await;

        for (more, field) in [
            (json!({}), ""),
            (json!({"credits": "1", "quote": quote["id"]}), ""),
            (json!({"credits": "1", "feature": "text.generate"}), ""),
            (json!({"feature": "text.generate", "model": "gpt-4"}), ""),
            (json!({"credits": "1", "options": {"style": "x"}}), ""),
        ] {
            let mut body = json!({"customer": "c"});
            tests::test_app::merge(&mut body, &more);
            app.post("/v1/holds", &body).await.names(field);
        }
    })
    .await;
}

#[tokio::test]
async fn a_hold_lives_900_seconds_unless_said_and_a_day_at_most() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        assert_eq!(app.hold("c", "1").await["expires_at"], app.at(900));
        let with_ttl = |ttl: Value| json!({"customer": "c", "credits": "1", "ttl_seconds": ttl});
        for ttl in [1, 86_400] {
            let hold = app.post("/v1/holds", &with_ttl(json!(ttl))).await.success(201);
            assert_eq!(hold["expires_at"], app.at(ttl));
        }
        for ttl in [json!(0), json!(-1), json!(86_401), json!(1.5), json!("900"), json!(1e300)] {
            app.post("/v1/holds", &with_ttl(ttl)).await.names("ttl_seconds");
        }
        app.assert_wallet("c", ["7", "3", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn extend_adds_credits_or_time_or_both_and_never_shortens() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        let path = format!("/v1/holds/{}/extend", text(&app.hold("c", "2").await, "/id"));
        let extend = async |body: Value| {
            let hold = app.post(&path, &body).await.success(200);
            (text(&hold, "/credits"), text(&hold, "/remaining"), text(&hold, "/expires_at"))
        };
        let is = |credits: &str, seconds| (credits.to_owned(), credits.to_owned(), app.at(seconds));
        assert_eq!(extend(json!({"credits": "3"})).await, is("5", 900));
        app.clock.advance_seconds(100);
        assert_eq!(extend(json!({"ttl_seconds": 900})).await, is("5", 1_000));
        assert_eq!(extend(json!({"ttl_seconds": 1})).await, is("5", 1_000));
        assert_eq!(extend(json!({"credits": "1", "ttl_seconds": 86_400})).await, is("6", 86_500));
        app.assert_wallet("c", ["4", "6", "0"]).await;

        let short = app.post(&path, &json!({"credits": "5"})).await.problem(402, "insufficient_credits");
        assert_eq!((&short["available"], &short["required"]), (&json!("4"), &json!("5")));
        app.post(&path, &json!({})).await.names("credits");
        app.post(&path, &json!({"ttl_seconds": 86_401})).await.names("ttl_seconds");
        app.assert_wallet("c", ["4", "6", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn extend_after_a_capture_above_the_hold_says_what_is_set_aside() {
    on_each_database(async |app| {
        app.funded("c", "30").await;
        let hold = text(&app.hold("c", "10").await, "/id");
        capture(app, &hold, json!({"credits": "15", "final": false})).await;
        let extended =
            app.post(&format!("/v1/holds/{hold}/extend"), &json!({"credits": "5"})).await.success(200);
        assert_eq!(
            [&extended["credits"], &extended["captured"], &extended["remaining"]],
            [&json!("15"), &json!("15"), &json!("5")]
        );
        app.assert_wallet("c", ["10", "5", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_capture_is_final_unless_said_and_releases_the_rest() {
    on_each_database(async |app| {
        app.funded("c", "20").await;
        let hold = text(&app.hold("c", "10").await, "/id");
        let first = capture(app, &hold, json!({"credits": "3", "final": false})).await;
        assert_eq!((&first["credits"], &first["released"]), (&json!("3"), &json!("0")));
        app.assert_wallet("c", ["10", "7", "0"]).await;
        let last = capture(app, &hold, json!({"credits": "2"})).await;
        assert_eq!((&last["credits"], &last["released"]), (&json!("2"), &json!("5")));
        app.assert_wallet("c", ["15", "0", "0"]).await;
        let ended = app.get(&format!("/v1/holds/{hold}")).await.success(200);
        assert_eq!(
            [&ended["state"], &ended["captured"], &ended["captures"], &ended["remaining"]],
            [&json!("captured"), &json!("5"), &json!(2), &json!("0")]
        );
        let unused = text(&app.hold("c", "10").await, "/id");
        let nothing = capture(app, &unused, json!({"credits": "0"})).await;
        assert_eq!((&nothing["credits"], &nothing["released"]), (&json!("0"), &json!("10")));
        app.assert_wallet("c", ["15", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn several_captures_cost_the_price_of_all_less_what_was_captured() {
    on_each_database(async |app| {
        app.funded("c", "100").await;
        // 100 pages for 0.5, further ones for 0.4; at least 0.5 a request.
        let pages = |n: u32| json!({"quantities": {"pages": n}, "final": false});
        let reader = json!({"customer": "c", "feature": "document.process", "model": "reader", "quantities": {"pages": 150}});
        let hold = app.post("/v1/holds", &reader).await.success(201);
        assert_eq!(hold["credits"], "70");
        let hold = text(&hold, "/id");
        // Price of 80: 40. Of 150: 70. Of 151: 70.4.
        for (n, cost) in [(80, "40"), (70, "30"), (1, "0.4")] {
            assert_eq!(capture(app, &hold, pages(n)).await["credits"], cost, "{n} pages");
        }
        let last = capture(app, &hold, json!({"quantities": {"pages": 0}})).await;
        assert_eq!((&last["credits"], &last["quantities"]["pages"]), (&json!("0"), &json!(151)));
        app.assert_wallet("c", ["29.6", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn price_and_card_version_of_a_hold_are_frozen() {
    on_each_database(async |app| {
        let old = app.publish(&per_second(1)).await;
        app.funded("c", "100").await;
        let quote = app.post("/v1/quotes", &work("c", "work.do", 10)).await.success(201);
        let held = text(&app.post("/v1/holds", &work("c", "work.do", 10)).await.success(201), "/id");
        app.publish(&per_second(3)).await;
        let by_quote =
            app.post("/v1/holds", &json!({"customer": "c", "quote": quote["id"]})).await.success(201);
        assert_eq!((&by_quote["credits"], &by_quote["rate_card"]["id"]), (&json!("10"), &json!(old)));
        for hold in [held, text(&by_quote, "/id")] {
            let receipt = capture(app, &hold, json!({"quantities": {"seconds": 8}})).await;
            assert_eq!((&receipt["credits"], &receipt["rate_card"]["id"]), (&json!("8"), &json!(old)));
        }
        let fresh = app.post("/v1/usage", &work("c", "work.do", 1)).await.success(201);
        assert_eq!(fresh["credits"], "3");
        app.assert_wallet("c", ["81", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_capture_takes_the_lots_that_the_hold_took() {
    on_each_database(async |app| {
        app.customer("c").await;
        let first = text(&app.grant("c", "10", &json!({})).await, "/id");
        let hold = text(&app.hold("c", "6").await, "/id");
        app.grant("c", "10", &json!({"priority": 1})).await;
        let receipt = capture(app, &hold, json!({"credits": "6"})).await;
        assert_eq!(receipt["lots"], json!([{"grant": first, "credits": "6"}]));
    })
    .await;
}

#[tokio::test]
async fn a_hold_keeps_its_credits_past_their_expiry_until_it_ends() {
    on_each_database(async |app| {
        app.customer("c").await;
        app.grant("c", "10", &json!({"expires_at": app.at(60)})).await;
        let hold = text(&app.hold("c", "8").await, "/id");
        app.clock.advance_seconds(61);
        app.assert_wallet("c", ["0", "8", "0"]).await;
        let receipt = capture(app, &hold, json!({"credits": "5"})).await;
        assert_eq!((&receipt["credits"], &receipt["uncovered"]), (&json!("5"), &json!("0")));
        // The rest expired at once.
        app.assert_wallet("c", ["0", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn after_its_lapse_a_capture_is_a_debit_at_the_frozen_price() {
    on_each_database(async |app| {
        let old = app.publish(&per_second(1)).await;
        app.funded("c", "10").await;
        let hold = text(&app.post("/v1/holds", &work("c", "work.do", 6)).await.success(201), "/id");
        app.publish(&per_second(3)).await;
        let sooner = text(&app.grant("c", "10", &json!({"priority": 1})).await, "/id");
        app.clock.advance_seconds(900);
        app.assert_wallet("c", ["20", "0", "0"]).await;
        let receipt = capture(app, &hold, json!({"quantities": {"seconds": 7}})).await;
        assert_eq!((&receipt["credits"], &receipt["rate_card"]["id"]), (&json!("7"), &json!(old)));
        // A debit draws from the lots of now.
        assert_eq!(receipt["lots"], json!([{"grant": sooner, "credits": "7"}]));
        app.assert_wallet("c", ["13", "0", "0"]).await;
        let lines = app.postings("c").await;
        let last = lines.last().unwrap();
        assert_eq!(
            [&last["kind"], &last["from"], &last["to"]],
            [&json!("capture"), &json!("available"), &json!("spent")]
        );
    })
    .await;
}

#[tokio::test]
async fn a_void_returns_to_the_very_lots() {
    on_each_database(async |app| {
        app.customer("c").await;
        let a = text(&app.grant("c", "4", &json!({"priority": 10})).await, "/id");
        let b = text(&app.grant("c", "10", &json!({})).await, "/id");
        let hold = text(&app.hold("c", "6").await, "/id"); // 4 of a, 2 of b
        let c = text(&app.grant("c", "5", &json!({"priority": 1})).await, "/id");
        app.use_credits("c", 7).await; // 5 of c, 2 of b
        let voided = app.post(&format!("/v1/holds/{hold}/void"), &json!({})).await.success(200);
        assert_eq!((&voided["state"], &voided["remaining"]), (&json!("voided"), &json!("0")));
        let wallet = app.wallet("c").await;
        let lots: Vec<(String, String)> = wallet["lots"]
            .as_array()
            .unwrap()
            .iter()
            .map(|lot| (text(lot, "/grant"), text(lot, "/remaining")))
            .collect();
        assert_eq!(lots, [(a, "4".to_owned()), (b, "8".to_owned())], "{}: c was {c}", app.name);
    })
    .await;
}

#[tokio::test]
async fn what_expired_meanwhile_expires_at_once_when_its_hold_is_voided() {
    on_each_database(async |app| {
        app.customer("c").await;
        app.grant("c", "5", &json!({"expires_at": app.at(60)})).await;
        app.grant("c", "5", &json!({})).await;
        let hold = text(&app.hold("c", "8").await, "/id");
        app.clock.advance_seconds(61);
        app.post(&format!("/v1/holds/{hold}/void"), &json!({})).await.success(200);
        app.assert_wallet("c", ["5", "0", "0"]).await;
        let said: Vec<Value> = app
            .postings("c")
            .await
            .iter()
            .filter(|line| line["kind"] == "void")
            .map(|line| json!([line["from"], line["to"], line["amount"]]))
            .collect();
        assert_eq!(said, [json!(["held", "expired", "5"]), json!(["held", "available", "3"])]);
    })
    .await;
}

#[tokio::test]
async fn a_hold_that_has_ended_takes_nothing_more() {
    on_each_database(async |app| {
        app.funded("c", "100").await;
        let captured = text(&app.hold("c", "1").await, "/id");
        capture(app, &captured, json!({"credits": "1"})).await;
        let voided = text(&app.hold("c", "1").await, "/id");
        app.post(&format!("/v1/holds/{voided}/void"), &json!({})).await.success(200);
        let (one, none) = (json!({"credits": "1"}), json!({}));
        for hold in [&captured, &voided] {
            for (verb, body) in [("extend", &one), ("capture", &one), ("void", &none)] {
                app.post(&format!("/v1/holds/{hold}/{verb}"), body).await.problem(400, "hold_not_open");
            }
        }
        let lapsed = text(&app.hold("c", "1").await, "/id");
        app.clock.advance_seconds(900);
        for (verb, body) in [("extend", &one), ("void", &none)] {
            app.post(&format!("/v1/holds/{lapsed}/{verb}"), body).await.problem(400, "hold_not_open");
        }
        app.assert_wallet("c", ["99", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_capture_that_leaves_the_shape_of_the_work_out_has_that_of_the_hold() {
    on_each_database(async |app| {
        let model = "defaults = { width = 100 }\nrates = [{ driver = \"images\", credits = 1, factors = [{ width = 100 }] }]";
        app.publish(&card(model)).await;
        app.funded("c", "10").await;
        let mut wide = work("c", "work.do", 1);
        wide["quantities"] = json!({"images": 2, "width": 200});
        let hold = app.post("/v1/holds", &wide).await.success(201);
        assert_eq!(hold["credits"], "4");
        let receipt = capture(app, &text(&hold, "/id"), json!({"quantities": {"images": 1}})).await;
        assert_eq!(receipt["credits"], "2");
    })
    .await;
}

async fn capture(app: &TestApp, hold: &str, body: Value) -> Value {
    app.post(&format!("/v1/holds/{hold}/capture"), &body).await.success(200)
}
