//! Which hold a case ends, when there is another one, and what a block is.

use app::Principal;
use app::risk::cases;
use serde_json::{Value, json};
use store::ConnectionTrait;
use store::cold::risk::cases as rows;
use tests::test_app::{TestApp, on_each_database, text, usage};

use crate::risk::{DAY_SECONDS, disputed, ids, may_work, open_case, tick};

async fn thresholds(app: &TestApp, restrict: f64, block: f64) {
    let settings = json!({"settings": {"review": 0.5, "restrict": restrict, "block": block, "release": 0.6,
        "restrict_minutes": 1440, "step_up": "verify_mail", "mail_above": "100"}, "reason": "we are careful"});
    app.post("/v1/risk/settings", &settings).await.success(201);
    app.clock.advance_seconds(6);
    tick(&app.app).await;
}

async fn admission(app: &TestApp) -> Value {
    app.post("/v1/quotes", &usage("c", 1)).await.success(201)["admission"].clone()
}

/// The watch's hold has ended by its time; then the merchant put one for a reason of their own.
#[tokio::test]
async fn a_case_ends_its_own_hold_and_no_later_one() {
    on_each_database(async |app| {
        let (_, wallet) = ids(&app.funded("c", "100").await);
        disputed(app, wallet, 1).await;
        let case = open_case(app).await;
        assert_eq!((may_work(app, "c").await, &case["is_restricted"]), (403, &json!(true)));
        app.clock.advance_seconds(DAY_SECONDS + 1);
        assert_eq!(open_case(app).await["is_restricted"], json!(false), "{}: it is over", app.name);
        let hold = json!({"step_up": "review", "reason": "a call from the bank"});
        app.post("/v1/customers/c/restrict", &hold).await.success(200);
        let path = format!("/v1/risk/cases/{}/verdict", text(&case, "/id"));
        app.post(&path, &json!({"verdict": "dismissed"})).await.success(200);
        assert_eq!(may_work(app, "c").await, 403, "{}: the merchant's hold stands", app.name);
        app.post("/v1/customers/c/release", &json!({"reason": "in order"})).await.success(200);
        assert_eq!(may_work(app, "c").await, 201, "{}", app.name);
    })
    .await;
}

/// A process of an earlier version put the hold and did not write into the case by which entry.
#[tokio::test]
async fn a_case_that_was_held_during_an_update_ends_its_hold_and_notices_who_ends_it() {
    on_each_database(async |app| {
        app::work::schedules_round(&app.app).await.unwrap();
        for (name, by_case) in [("a", true), ("b", false)] {
            let (_, wallet) = ids(&app.funded(name, "100").await);
            disputed(app, wallet, 1).await;
            let case = open_case(app).await;
            assert_eq!((may_work(app, name).await, &case["is_restricted"]), (403, &json!(true)));
            let sql = "UPDATE risk_cases SET restriction = NULL";
            app.app.store().writer().execute_unprepared(sql).await.unwrap();
            let path = format!("/v1/risk/cases/{}/verdict", text(&case, "/id"));
            if !by_case {
                app.clock.advance_seconds(61);
                app::work::schedules_round(&app.app).await.unwrap();
                let released = json!({"reason": "we know them"});
                app.post(&format!("/v1/customers/{name}/release"), &released).await.success(200);
                assert_eq!(open_case(app).await["is_restricted"], json!(false), "{}: it knows", app.name);
            }
            app.post(&path, &json!({"verdict": "dismissed"})).await.success(200);
            assert_eq!(may_work(app, name).await, 201, "{}: {name}", app.name);
        }
    })
    .await;
}

/// An hour after a hold ended by its time, who goes on as before is held once more.
#[tokio::test]
async fn who_waits_a_hold_out_and_goes_on_is_held_again() {
    on_each_database(async |app| {
        let (_, wallet) = ids(&app.funded("c", "100").await);
        disputed(app, wallet, 1).await;
        assert_eq!(may_work(app, "c").await, 403);
        app.clock.advance_seconds(DAY_SECONDS);
        disputed(app, wallet, 2).await;
        assert_eq!(may_work(app, "c").await, 201, "{}: an hour to put it in order", app.name);
        app.clock.advance_seconds(3_600);
        disputed(app, wallet, 3).await;
        assert_eq!(may_work(app, "c").await, 403, "{}: again", app.name);
        let page = app.get("/v1/risk/cases").await.success(200);
        assert_eq!(page["data"].as_array().map(Vec::len), Some(1), "one case: {page}");
    })
    .await;
}

#[tokio::test]
async fn a_confirmed_customer_who_was_released_is_watched_again_after_a_week() {
    on_each_database(async |app| {
        let (_, wallet) = ids(&app.funded("c", "100").await);
        disputed(app, wallet, 1).await;
        let path = format!("/v1/risk/cases/{}/verdict", text(&open_case(app).await, "/id"));
        app.post(&path, &json!({"verdict": "confirmed"})).await.success(200);
        app.clock.advance_seconds(10 * DAY_SECONDS);
        assert_eq!(may_work(app, "c").await, 403, "{}: for good", app.name);
        app.post("/v1/customers/c/release", &json!({"reason": "paid back"})).await.success(200);
        disputed(app, wallet, 2).await;
        assert_eq!(may_work(app, "c").await, 201, "{}: a person has just decided", app.name);
        app.clock.advance_seconds(8 * DAY_SECONDS);
        disputed(app, wallet, 3).await;
        assert_eq!(may_work(app, "c").await, 403, "{}: a new case", app.name);
        open_case(app).await;
    })
    .await;
}

#[tokio::test]
async fn a_block_holds_until_somebody_has_looked_and_quotes_say_what_is_thought() {
    on_each_database(async |app| {
        thresholds(app, 0.99, 1.0).await;
        let (_, wallet) = ids(&app.funded("c", "100").await);
        assert_eq!(admission(app).await["verdict"], "allow");
        disputed(app, wallet, 1).await;
        let seen = admission(app).await;
        assert_eq!((&seen["verdict"], may_work(app, "c").await), (&json!("review"), 201), "{}", app.name);

        // Held for a day, until the settings call the same score a block.
        thresholds(app, 0.9, 1.0).await;
        disputed(app, wallet, 2).await;
        let refused = app.post("/v1/usage", &usage("c", 1)).await.problem(403, "restricted");
        assert_eq!(refused["step_up"], "confirm_card", "{refused}");
        let seen = admission(app).await;
        assert!(seen["verdict"] == "restrict" && seen["restricted_until"] != Value::Null, "{seen}");
        thresholds(app, 0.9, 0.95).await;
        disputed(app, wallet, 3).await;
        let refused = app.post("/v1/usage", &usage("c", 1)).await.problem(403, "restricted");
        assert_eq!(refused["step_up"], "review", "{}: {refused}", app.name);
        let seen = admission(app).await;
        assert_eq!((&seen["verdict"], &seen["restricted_until"]), (&json!("block"), &Value::Null), "{seen}");
        let case = open_case(app).await;
        assert_eq!((&case["verdict"], &case["step_up"]), (&json!("block"), &json!("review")), "{case}");
        app.clock.advance_seconds(40 * DAY_SECONDS);
        assert_eq!(may_work(app, "c").await, 403, "{}: no time ends it", app.name);
        let path = format!("/v1/risk/cases/{}/verdict", text(&case, "/id"));
        app.post(&path, &json!({"verdict": "dismissed"})).await.success(200);
        assert_eq!(may_work(app, "c").await, 201, "{}: a person does", app.name);
        assert_eq!(admission(app).await["verdict"], "allow", "{}", app.name);
    })
    .await;
}

/// Of all that are open, however many and however old.
#[tokio::test]
async fn the_queue_begins_with_who_wrote_and_goes_on_by_what_is_at_stake() {
    on_each_database(async |app| {
        let (customer, _) = ids(&app.customer("c").await);
        let mut made = Vec::new();
        let txn = app.app.store().write().await.unwrap();
        for (score, at_risk, has_written) in
            [(0.6, 900, false), (0.9, 700, false), (0.95, -5, false), (0.5, 1, true), (0.8, 0, false)]
        {
            let ids = (kernel::new_uuid(), customer.uuid());
            let case = rows::Model {
                score,
                at_risk: at_risk * 1_000_000,
                appealed_at: has_written.then_some(1),
                ..rows::Model::opened(kernel::new_uuid(), ids, app.app.now().micros())
            };
            made.push(case.id);
            assert!(rows::open(&txn, case).await.unwrap());
        }
        txn.commit().await.unwrap();
        let queue = cases::queue(&app.app, &Principal::system(), 10).await.unwrap();
        let order: Vec<_> = queue.iter().map(|case| case.id.uuid()).collect();
        assert_eq!(order, [3, 1, 0, 2, 4].map(|n| made[n]), "{}", app.name);
        let first = cases::queue(&app.app, &Principal::system(), 2).await.unwrap();
        assert_eq!(first, queue[..2], "{}", app.name);
    })
    .await;
}
