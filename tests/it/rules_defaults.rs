//! rules.md, "Defaults" and "Caches".

use futures::future::{join, join_all};
use serde_json::{Value, json};
use tests::cards::{OVERAGE, card_with_plan, per_second};
use tests::test_app::{TestApp, on_each_database, text, usage, work};
use tokio::task::unconstrained;

#[tokio::test]
async fn without_a_subscription_a_customer_may_use_all_demo_models() {
    on_each_database(async |app| {
        app.funded("c", "1000").await;
        let features = app.get("/v1/features").await.success(200);
        let mut models = 0;
        for feature in features["data"].as_array().unwrap() {
            for model in feature["models"].as_array().unwrap() {
                let quantities = json!({"images": 1, "input_tokens": 1, "characters": 1, "seconds": 1, "pages": 1});
                let work =
                    json!({"customer": "c", "feature": feature["id"], "model": model["id"], "quantities": quantities});
                app.post("/v1/usage", &work).await.success(201);
                models += 1;
            }
        }
        assert_eq!((features["data"].as_array().map(Vec::len), models), (Some(6), 14));
    })
    .await;
}

#[tokio::test]
async fn without_a_subscription_there_is_no_cap_on_open_holds() {
    on_each_database(async |app| {
        app.funded("c", "200").await;
        let one = json!({"customer": "c", "credits": "1"});
        let holds = join_all((0..200).map(|_| app.post("/v1/holds", &one))).await;
        assert!(holds.iter().all(|hold| hold.status == 201));
        let wallet = app.wallet("c").await;
        assert_eq!(
            (&wallet["open_holds"], &wallet["available"], &wallet["held"]),
            (&json!(200), &json!("0"), &json!("200"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_customer_has_600_calls_here_at_once_and_more_are_told_to_come_back() {
    on_each_database(async |app| {
        for customer in ["c", "other"] {
            app.funded(customer, "1000").await;
        }
        let (one, of_other) = (usage("c", 1), usage("other", 1));
        let calls = (0..1_000).map(|_| app.post("/v1/usage", &one));
        // Each comes before the first is answered.
        let (calls, other) = unconstrained(join(join_all(calls), app.post("/v1/usage", &of_other))).await;
        let (done, refused): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call.status == 201);
        // Few are late: a place may be free again then.
        assert!(done.len() >= 600 && refused.len() > 100, "{}: {}, {}", app.name, done.len(), refused.len());
        for call in refused {
            call.problem(429, "rate_limited");
            assert_eq!(call.header("retry-after"), Some("1"), "{call}");
        }
        other.success(201);
        app.assert_wallet("c", [&(1_000 - done.len()).to_string(), "0", "0"]).await;
        app.use_credits("other", 1).await;
    })
    .await;
}

#[tokio::test]
async fn a_customer_has_6000_calls_in_any_minute_all_at_once_and_then_a_429_with_retry_after() {
    on_each_database(async |app| {
        for customer in ["c", "other"] {
            app.funded(customer, "10").await;
        }
        let free = json!({"items": vec![usage("c", 0); 1_000]});
        for i in 0..6 {
            let done = app.post_with("/v1/usage/batch", &format!("b{i}"), &free).await.success(200);
            let results = done["results"].as_array().unwrap();
            assert!(results.iter().all(|result| result["kind"] == "debit"), "{}: batch {i}", app.name);
        }
        let limited = app.post("/v1/usage", &usage("c", 1)).await;
        limited.problem(429, "rate_limited");
        let wait: i64 = limited.header("retry-after").unwrap_or_default().parse().unwrap();
        assert!((1..=61).contains(&wait), "{limited}");
        app.post("/v1/holds", &json!({"customer": "c", "credits": "1"})).await.problem(429, "rate_limited");
        // Not others, not reads, and not the retries of what was done.
        app.use_credits("other", 1).await;
        app.assert_wallet("c", ["10", "0", "0"]).await;
        assert!(app.post_with("/v1/usage/batch", "b0", &free).await.is_replayed());

        app.clock.advance_seconds(59);
        app.post("/v1/usage", &usage("c", 1)).await.problem(429, "rate_limited");
        app.clock.advance_seconds(wait - 59);
        app.use_credits("c", 1).await;
        // What was refused has not counted.
        let done = app.post("/v1/usage/batch", &free).await.success(200);
        assert!(done["results"].as_array().unwrap().iter().all(|result| result["kind"] == "debit"));
    })
    .await;
}

#[tokio::test]
async fn the_time_of_day_multiplier_is_1_until_an_operator_turns_peak_prices_on() {
    on_each_database(async |app| {
        app.customer("c").await;
        app.clock.advance_seconds(86_400); // Monday noon, a peak hour
        let image = json!({"customer": "c", "feature": "image.generate", "model": "sdxl", "quantities": {"images": 1}});
        let price = async || {
            let quote = app.post("/v1/quotes", &image).await.success(201);
            [text(&quote, "/credits"), text(&quote, "/multiplier")]
        };
        assert_eq!(price().await, ["5", "1"]);
        app.publish(&catalog::DEMO.replace("active = false", "active = true")).await;
        assert_eq!(price().await, ["7.5", "1.5"]);
        app.clock.advance_seconds(12 * 3_600); // midnight
        assert_eq!(price().await, ["5", "1"]);
    })
    .await;
}

#[tokio::test]
async fn a_published_card_is_in_force_at_once_and_in_other_processes_within_a_second() {
    on_each_database(async |app| {
        app.publish(&per_second(1)).await;
        app.customer("c").await;
        let elsewhere = app.another_process().await;
        let price = async |process: &TestApp| {
            text(&process.post("/v1/quotes", &work("c", "work.do", 1)).await.success(201), "/credits")
        };
        assert_eq!((price(app).await, price(&elsewhere).await), ("1".to_owned(), "1".to_owned()));
        app.clock.advance_seconds(1);
        app.publish(&per_second(2)).await;
        let published = std::time::Instant::now();
        assert_eq!(price(app).await, "2");
        while price(&elsewhere).await != "2" {
            let took = published.elapsed();
            assert!(took.as_secs_f64() < 1.1, "{}: not seen after {took:?}", app.name);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_version_of_the_catalogue_never_changes() {
    on_each_database(async |app| {
        let id = app.publish(OVERAGE).await;
        let path = format!("/v1/rate-cards/{id}");
        let first = app.get(&path).await.success(200);
        assert_eq!((&first["document"], &first["published_at"]), (&json!(OVERAGE), &json!(app.at(0))));
        app.clock.advance_seconds(60);
        let again = app.post(&format!("{path}/publish"), &json!({})).await.success(200);
        assert_eq!(again["published_at"], app.at(0));
        let draft = app.post("/v1/rate-cards", &json!({"document": OVERAGE})).await.success(201);
        assert_eq!((&draft["version"], &draft["published_at"]), (&json!(3), &Value::Null));
        assert_eq!(app.get(&path).await.success(200), first);
        // A draft prices nothing.
        let quote = app.post("/v1/quotes", &work("demo", "work.absorb", 1)).await.success(201);
        assert_eq!(quote["rate_card"]["id"], id);
    })
    .await;
}

#[tokio::test]
async fn a_plans_limits_are_never_cached() {
    on_each_database(async |app| {
        let with = |plan: &str| {
            let model = "rates = [{ driver = \"seconds\", credits = 1 }]";
            card_with_plan("0.000001", model, &format!("entitles = [\"*\"]\n{plan}"))
        };
        app.publish(&with("")).await;
        app.funded("c", "100").await;
        for _ in 0..3 {
            app.post("/v1/holds", &work("c", "work.do", 1)).await.success(201);
        }
        app.publish(&with("max_open_holds = 3")).await;
        let many = app.post("/v1/holds", &work("c", "work.do", 1)).await;
        many.problem(429, "too_many_holds");
        assert!(many.header("retry-after").is_some(), "{many}");
        app.post("/v1/usage", &work("c", "work.do", 1)).await.success(201);
        app.publish(&with("calls_per_minute = 4")).await;
        app.post("/v1/usage", &work("c", "work.do", 1)).await.problem(429, "rate_limited");
        app.publish(&with("calls_per_minute = 5")).await;
        app.post("/v1/holds", &work("c", "work.do", 1)).await.success(201);
        app.assert_wallet("c", ["95", "4", "0"]).await;
    })
    .await;
}
