//! Limits of speed: they hold by themselves, again each time, and not whom a person has found in order.

use kernel::WalletId;
use serde_json::{Value, json};
use tests::test_app::{TestApp, on_each_database, text, usage};

use crate::risk::{DAY_SECONDS, disputed, ids, may_work, open_case, say, tick, used};

#[tokio::test]
async fn spending_faster_than_the_limit_trips_a_hold() {
    on_each_database(async |app| {
        let settings = |limit: Option<&str>| {
            json!({"settings": {"review": 0.5, "restrict": 0.9, "block": 1.0, "release": 0.6,
                "velocity": {"credits_per_hour": limit, "least_credits": "0"}, "restrict_minutes": 60,
                "step_up": "verify_mail", "mail_above": "100"}, "reason": "a small shop"})
        };
        let made = app.post_with("/v1/risk/settings", "s", &settings(Some("100"))).await.success(201);
        assert_eq!((&made["version"], &made["velocity"]["credits_per_hour"]), (&json!(1), &json!("100")));
        assert!(app.post_with("/v1/risk/settings", "s", &settings(Some("100"))).await.is_replayed());
        assert_eq!(app.get("/v1/risk/settings").await.success(200), made);
        let (_, wallet) = ids(&app.funded("c", "1000").await);
        tick(&app.app).await;
        for number in 0..3 {
            assert_eq!(may_work(app, "c").await, 201);
            say(&app.app, wallet, number.into(), used(number, 40.0, "a castle by the sea"));
            app.clock.advance_seconds(60);
            tick(&app.app).await;
        }
        let refused = app.post("/v1/usage", &usage("c", 1)).await.problem(403, "restricted");
        assert_eq!(refused["step_up"], "wait");
        let case = open_case(app).await;
        assert_eq!(case["reasons"][0]["name"], "velocity", "{case}");
        let score = app.post("/v1/risk/score", &json!({"customer": "c"})).await.success(200);
        assert_eq!(
            (&score["verdict"], &score["reasons"][0]["name"]),
            (&json!("restrict"), &json!("velocity"))
        );
        app.customer("calm").await;
        let score = app.post("/v1/risk/score", &json!({"customer": "calm"})).await.success(200);
        assert_eq!((&score["verdict"], &score["reasons"]), (&json!("allow"), &json!([])), "{}", app.name);
        let wrong = json!({"settings": {"review": 0.95, "restrict": 0.9, "block": 1.0, "release": 0.6,
            "rules": {"tall": "on"}, "restrict_minutes": 60, "step_up": "wait", "mail_above": "0"},
            "reason": "r"});
        let refused = app.post("/v1/risk/settings", &wrong).await;
        refused.names("restrict");
        refused.names("rules.tall");
    })
    .await;
}

/// The case says why the hold came, also when it was open before for another reason.
#[tokio::test]
async fn a_case_that_waits_becomes_stricter_with_what_holds_the_wallet() {
    on_each_database(async |app| {
        let settings = json!({"settings": {"review": 0.5, "restrict": 0.995, "block": 1.0, "release": 0.6,
            "velocity": {"credits_per_hour": "100", "least_credits": "0"}, "restrict_minutes": 60,
            "step_up": "verify_mail", "mail_above": "100"}, "reason": "a small shop"});
        app.post("/v1/risk/settings", &settings).await.success(201);
        let (_, wallet) = ids(&app.funded("c", "1000").await);
        disputed(app, wallet, 1).await;
        let case = open_case(app).await;
        assert_eq!((&case["verdict"], &case["is_restricted"]), (&json!("review"), &json!(false)));
        assert_eq!(case["step_up"], "confirm_card");
        // A dispute of days ago weighs less than one of today: the score falls a little, the verdict does not.
        app.clock.advance_seconds(DAY_SECONDS);
        for number in 2..5_u32 {
            say(&app.app, wallet, number.into(), used(number, 40.0, "a castle by the sea"));
            app.clock.advance_seconds(60);
            tick(&app.app).await;
        }
        let refused = app.post("/v1/usage", &usage("c", 1)).await.problem(403, "restricted");
        assert_eq!(refused["step_up"], "wait");
        let held = open_case(app).await;
        assert_eq!((&held["id"], &held["verdict"]), (&case["id"], &json!("restrict")), "{held}");
        let names: Vec<&Value> =
            held["reasons"].as_array().expect("a list").iter().map(|reason| &reason["name"]).collect();
        assert_eq!(names[..2], ["velocity", "disputed"], "{}: {held}", app.name);
        assert!(held["score"].as_f64() >= case["score"].as_f64(), "the highest so far: {held}");
    })
    .await;
}

/// At most 100 credits in an hour; who spends more waits for an hour.
async fn limit_of_a_hundred(app: &TestApp) {
    let settings = json!({"settings": {"review": 0.5, "restrict": 0.9, "block": 1.0, "release": 0.6,
        "velocity": {"credits_per_hour": "100", "least_credits": "0"}, "restrict_minutes": 60,
        "step_up": "verify_mail", "mail_above": "100"}, "reason": "a small shop"});
    app.post("/v1/risk/settings", &settings).await.success(201);
}

/// 120 credits within three minutes.
async fn races(app: &TestApp, wallet: WalletId, first: u32) {
    for number in first..first + 3 {
        say(&app.app, wallet, number.into(), used(number, 40.0, "a castle by the sea"));
        app.clock.advance_seconds(60);
        tick(&app.app).await;
    }
}

#[tokio::test]
async fn a_dismissal_silences_the_limits_of_speed_for_a_week() {
    on_each_database(async |app| {
        limit_of_a_hundred(app).await;
        let (_, wallet) = ids(&app.funded("c", "1000").await);
        tick(&app.app).await;
        races(app, wallet, 0).await;
        let case = open_case(app).await;
        assert_eq!(may_work(app, "c").await, 403);
        let path = format!("/v1/risk/cases/{}/verdict", text(&case, "/id"));
        app.post(&path, &json!({"verdict": "dismissed"})).await.success(200);
        app.clock.advance_seconds(10);
        tick(&app.app).await;
        races(app, wallet, 10).await;
        assert_eq!(may_work(app, "c").await, 201, "{}: a batch of theirs", app.name);
        assert_eq!(app.get("/v1/risk/cases?state=open").await.success(200)["data"], json!([]));
        app.clock.advance_seconds(7 * DAY_SECONDS);
        tick(&app.app).await;
        races(app, wallet, 20).await;
        assert_eq!(may_work(app, "c").await, 403, "{}: the week is over", app.name);
    })
    .await;
}

#[tokio::test]
async fn who_races_again_is_held_again_and_who_was_released_rests_for_a_week() {
    on_each_database(async |app| {
        limit_of_a_hundred(app).await;
        let (_, wallet) = ids(&app.funded("c", "1000").await);
        tick(&app.app).await;
        races(app, wallet, 0).await;
        let first = open_case(app).await;
        assert_eq!((may_work(app, "c").await, &first["is_restricted"]), (403, &json!(true)));
        app.clock.advance_seconds(3_601);
        assert_eq!(may_work(app, "c").await, 201, "{}: the hour is over", app.name);
        assert_eq!(open_case(app).await["is_restricted"], json!(false), "and the case says so");

        races(app, wallet, 10).await;
        assert_eq!(may_work(app, "c").await, 403, "{}: again", app.name);
        let again = open_case(app).await;
        assert_eq!(
            (&again["id"], &again["is_restricted"]),
            (&first["id"], &json!(true)),
            "one case: {again}"
        );
        assert_ne!(again["restricted_until"], first["restricted_until"], "{}", app.name);

        app.post("/v1/customers/c/release", &json!({"reason": "they called"})).await.success(200);
        assert_eq!(open_case(app).await["is_restricted"], json!(false), "{}: the case knows of it", app.name);
        app.clock.advance_seconds(3_601);
        races(app, wallet, 20).await;
        assert_eq!(may_work(app, "c").await, 201, "{}: a person has just decided", app.name);
        app.clock.advance_seconds(7 * DAY_SECONDS);
        tick(&app.app).await;
        races(app, wallet, 30).await;
        assert_eq!(may_work(app, "c").await, 403, "{}: a week later", app.name);
    })
    .await;
}

/// Dismissed is the case of a dispute; what comes next is speed, which nobody has silenced.
#[tokio::test]
async fn who_was_dismissed_is_looked_at_for_something_else_and_held_only_after_a_week() {
    on_each_database(async |app| {
        limit_of_a_hundred(app).await;
        let (_, wallet) = ids(&app.funded("c", "1000").await);
        disputed(app, wallet, 1).await;
        assert_eq!(may_work(app, "c").await, 403, "{}", app.name);
        let first = open_case(app).await;
        let path = format!("/v1/risk/cases/{}/verdict", text(&first, "/id"));
        app.post(&path, &json!({"verdict": "dismissed"})).await.success(200);
        app.clock.advance_seconds(10);
        tick(&app.app).await;

        races(app, wallet, 10).await;
        assert_eq!(may_work(app, "c").await, 201, "{}: a person has just let them go on", app.name);
        let second = open_case(app).await;
        assert_ne!(second["id"], first["id"], "{}", app.name);
        assert_eq!((&second["verdict"], &second["is_restricted"]), (&json!("restrict"), &json!(false)));
        assert_eq!(second["reasons"][0]["name"], "velocity", "{second}");

        app.clock.advance_seconds(7 * DAY_SECONDS);
        tick(&app.app).await;
        races(app, wallet, 20).await;
        assert_eq!(may_work(app, "c").await, 403, "{}: the week is over", app.name);
        let held = open_case(app).await;
        assert_eq!((&held["id"], &held["is_restricted"]), (&second["id"], &json!(true)), "{held}");
    })
    .await;
}
