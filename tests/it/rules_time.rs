//! rules.md, "Time".

use serde_json::{Value, json};
use tests::cards::per_second;
use tests::test_app::{balances_of, on_each_database, text, work};

const HOUR: i64 = 3_600;

#[tokio::test]
async fn what_is_due_is_settled_first_and_posted_only_with_a_command_that_succeeds() {
    on_each_database(async |app| {
        app.customer("c").await;
        app.grant("c", "10", &json!({"expires_at": app.at(HOUR)})).await;
        app.grant("c", "20", &json!({})).await;
        app.hold("c", "5").await;
        app.clock.advance_seconds(2 * HOUR);
        // 10 expired, and the hold took of those and lapsed: 20 are left.
        let too_much = json!({"customer": "c", "credits": "21"});
        let short = app.post("/v1/holds", &too_much).await.problem(402, "insufficient_credits");
        assert_eq!((&short["available"], &short["required"]), (&json!("20"), &json!("21")));
        let due: Vec<Value> = app.postings("c").await.split_off(3);
        assert!(due.iter().all(|line| line["is_posted"] == false), "{due:?}");

        app.use_credits("c", 1).await;
        let posted: Vec<Value> = app.postings("c").await.split_off(3);
        let said: Vec<Value> = posted
            .iter()
            .map(|l| json!([l["seq"], l["kind"], l["amount"], l["effective_at"], l["recorded_at"]]))
            .collect();
        let (lapsed_at, expired_at, now) = (app.at(900), app.at(HOUR), app.at(2 * HOUR));
        let expected = [
            json!([4, "lapse", "5", lapsed_at, now]),
            json!([5, "expire", "10", expired_at, now]),
            json!([6, "debit", "1", now, now]),
        ];
        assert_eq!(said, expected, "{}", app.name);
        assert!(posted.iter().all(|line| line["is_posted"] == true));
    })
    .await;
}

#[tokio::test]
async fn every_reader_adds_what_is_due_dated_at_its_instant() {
    on_each_database(async |app| {
        app.customer("c").await;
        let lot = text(&app.grant("c", "10", &json!({"expires_at": app.at(HOUR)})).await, "/id");
        app.grant("c", "20", &json!({})).await;
        let hold = text(&app.hold("c", "4").await, "/id");
        app.clock.advance_seconds(2 * HOUR);

        let wallet = app.wallet("c").await;
        assert_eq!(balances_of(&wallet), ["20", "0", "0"]);
        assert_eq!((&wallet["open_holds"], wallet["lots"].as_array().map(Vec::len)), (&json!(0), Some(1)));
        let lapsed = app.get(&format!("/v1/holds/{hold}")).await.success(200);
        assert_eq!((&lapsed["state"], &lapsed["remaining"]), (&json!("lapsed"), &json!("0")));
        let due: Vec<Value> = app.postings("c").await.split_off(3);
        let said: Vec<Value> = due
            .iter()
            .map(|l| json!([l["kind"], l["from"], l["to"], l["amount"], l["lot"], l["effective_at"]]))
            .collect();
        let expected = [
            json!(["lapse", "held", "available", "4", lot, app.at(900)]),
            json!(["expire", "available", "expired", "10", lot, app.at(HOUR)]),
        ];
        assert_eq!(said, expected, "{}", app.name);
        let quote = app.post("/v1/quotes", &work_of_text("c")).await.success(201);
        assert_eq!(quote["admission"]["available"], "20");
    })
    .await;
}

#[tokio::test]
async fn expires_at_is_exclusive() {
    on_each_database(async |app| {
        app.customer("c").await;
        let lot = app.grant("c", "10", &json!({"expires_at": app.at(HOUR)})).await;
        assert_eq!(lot["expires_at"], app.at(HOUR));
        let quote = text(&app.post("/v1/quotes", &work_of_text("c")).await.success(201), "/id");
        let by_quote = json!({"customer": "c", "quote": quote});
        app.clock.advance_seconds(899);
        let hold = text(&app.post("/v1/holds", &by_quote).await.success(201), "/id");
        app.clock.advance_seconds(1);
        app.post("/v1/holds", &by_quote).await.problem(400, "quote_expired");
        let state =
            async |hold: &str| app.get(&format!("/v1/holds/{hold}")).await.success(200)["state"].clone();
        // Authorized at 899 for 900 seconds.
        app.clock.advance_seconds(898);
        assert_eq!(state(&hold).await, "open");
        app.clock.advance_seconds(1);
        assert_eq!(state(&hold).await, "lapsed");
        app.clock.advance_seconds(HOUR - 1_799 - 1);
        app.assert_wallet("c", ["10", "0", "0"]).await;
        app.use_credits("c", 1).await;
        app.clock.advance_seconds(1);
        app.assert_wallet("c", ["0", "0", "0"]).await;
        app.post("/v1/usage", &work_of_text("c")).await.problem(402, "insufficient_credits");
        let past = json!({"customer": "c", "credits": "1", "kind": "promo", "expires_at": app.at(HOUR)});
        app.post("/v1/grants", &past).await.names("expires_at");
    })
    .await;
}

#[tokio::test]
async fn a_purchase_lives_twelve_months_and_a_promotion_until_said() {
    on_each_database(async |app| {
        app.customer("c").await;
        let purchase = app.grant("c", "1", &json!({"kind": "purchase"})).await;
        assert_eq!(purchase["expires_at"], "2027-03-01T12:00:00Z");
        let said = app.grant("c", "1", &json!({"kind": "purchase", "expires_at": app.at(HOUR)})).await;
        assert_eq!(said["expires_at"], app.at(HOUR));
        for kind in ["promo", "trial", "refund", "adjustment"] {
            assert_eq!(
                app.grant("c", "1", &json!({"kind": kind})).await["expires_at"],
                Value::Null,
                "{kind}"
            );
        }
        app.clock.advance_seconds(365 * 86_400 - 1);
        app.assert_wallet("c", ["5", "0", "0"]).await;
        app.clock.advance_seconds(1);
        app.assert_wallet("c", ["4", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn as_of_is_what_was_recorded_until_then_and_then_what_time_had_done() {
    on_each_database(async |app| {
        app.customer("c").await;
        app.grant("c", "100", &json!({"expires_at": app.at(HOUR)})).await;
        app.clock.advance_seconds(600);
        app.use_credits("c", 10).await;
        app.hold("c", "20").await; // until 1,500
        app.clock.advance_seconds(2 * HOUR - 600);
        let history = [
            (-1, ["0", "0", "0"]),
            (0, ["100", "0", "0"]),
            (599, ["100", "0", "0"]),
            (600, ["70", "20", "0"]),
            (1_499, ["70", "20", "0"]),
            (1_500, ["90", "0", "0"]),
            (HOUR - 1, ["90", "0", "0"]),
            (HOUR, ["0", "0", "0"]),
            (2 * HOUR, ["0", "0", "0"]),
        ];
        for _ in 0..2 {
            for (seconds, balances) in history {
                let wallet = app.wallet_as_of("c", seconds).await;
                assert_eq!(balances_of(&wallet), balances, "{}: at {seconds}", app.name);
                assert_eq!(wallet["as_of"], app.at(seconds));
            }
            // Now what was due is posted, two hours late; the past stays as it was.
            app.clock.advance_seconds(1);
            app.grant("c", "5", &json!({})).await;
        }
        app.get(&format!("/v1/customers/c/wallet?as_of={}", app.at(3 * HOUR))).await.names("as_of");
    })
    .await;
}

#[tokio::test]
async fn late_usage_never_changes_an_old_as_of() {
    on_each_database(async |app| {
        app.publish(&per_second(1)).await;
        app.funded("c", "100").await;
        app.clock.advance_seconds(2 * HOUR);
        let then = app.wallet_as_of("c", HOUR).await;
        let mut late = work("c", "work.do", 10);
        late["occurred_at"] = json!(app.at(HOUR / 2));
        let receipt = app.post("/v1/usage", &late).await.success(201);
        assert_eq!(
            (&receipt["occurred_at"], &receipt["recorded_at"]),
            (&json!(app.at(HOUR / 2)), &json!(app.at(2 * HOUR)))
        );
        assert_eq!(app.wallet_as_of("c", HOUR).await, then);
        assert_eq!(balances_of(&then), ["100", "0", "0"]);
        assert_eq!(balances_of(&app.wallet_as_of("c", 2 * HOUR).await), ["90", "0", "0"]);
    })
    .await;
}

#[tokio::test]
async fn late_usage_is_priced_by_the_card_of_its_instant_and_drawn_from_the_lots_of_now() {
    on_each_database(async |app| {
        let old = app.publish(&per_second(1)).await;
        app.customer("c").await;
        app.grant("c", "100", &json!({"expires_at": app.at(HOUR)})).await;
        app.clock.advance_seconds(HOUR);
        let new = app.publish(&per_second(3)).await;
        app.clock.advance_seconds(HOUR);
        let lot = text(&app.grant("c", "50", &json!({})).await, "/id");

        let mut late = work("c", "work.do", 10);
        for (seconds, card, price) in [(HOUR - 1, &old, "10"), (HOUR, &new, "30")] {
            late["occurred_at"] = json!(app.at(seconds));
            let receipt = app.post("/v1/usage", &late).await.success(201);
            assert_eq!((&receipt["rate_card"]["id"], &receipt["credits"]), (&json!(card), &json!(price)));
            assert_eq!(receipt["lots"], json!([{"grant": lot, "credits": price}]));
        }
        let mut event = tests::test_app::event("c", "1", "work.do", 2);
        event["time"] = json!(app.at(HOUR / 2));
        app.report(&event).await.success(204);
        app.assert_wallet("c", ["8", "0", "0"]).await;
        late["occurred_at"] = json!(app.at(3 * HOUR));
        app.post("/v1/usage", &late).await.names("occurred_at");
    })
    .await;
}

#[tokio::test]
async fn time_never_runs_back_in_a_wallet() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        app.clock.advance_seconds(-60);
        let grant = app.grant("c", "10", &json!({})).await;
        assert_eq!(grant["created_at"], app.at(0));
        let lines = app.postings("c").await;
        assert!(lines.iter().all(|line| line["recorded_at"] == app.at(0)), "{lines:?}");
        app.assert_wallet("c", ["20", "0", "0"]).await;
    })
    .await;
}

/// One credit's worth.
fn work_of_text(customer: &str) -> Value {
    tests::test_app::usage(customer, 1)
}
