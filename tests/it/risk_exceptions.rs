//! Customers who are never acted on, rules in shadow, and what a case's reviewer sees first.

use app::audit::Act;
use app::risk::{exceptions, shadow};
use app::{Principal, work};
use kernel::new_uuid;
use serde_json::{Value, json};
use store::cold::risk::{allowed, snoozes};
use tests::test_app::{TestApp, on_each_database, text};

use crate::risk::{
    DAY_SECONDS, case_of_a_dispute, disputed, ids, may_work, open_case, operator, say, tick, used,
};

#[tokio::test]
async fn a_customer_on_the_list_and_a_rule_in_shadow_are_scored_and_not_acted_on() {
    on_each_database(async |app| {
        let session = operator(&app.app).await;
        let (listed, wallet) = ids(&app.funded("listed", "100").await);
        let act = || Act { id: new_uuid(), reason: "our own load test".to_owned() };
        exceptions::allow(&app.app, &session, listed, &act(), true).await.unwrap();
        disputed(app, wallet, 1).await;
        let score = app.post("/v1/risk/score", &json!({"customer": "listed"})).await.success(200);
        assert_eq!((&score["is_allowed"], &score["verdict"]), (&json!(true), &json!("restrict")));
        assert_eq!(may_work(app, "listed").await, 201, "{}", app.name);

        let settings = json!({"settings": {"review": 0.5, "restrict": 0.9, "block": 1.0, "release": 0.6,
            "rules": {"disputed": "shadow"}, "restrict_minutes": 60, "step_up": "wait", "mail_above": "0"},
            "reason": "disputes are watched first"});
        app.post("/v1/risk/settings", &settings).await.success(201);
        let (_, wallet) = ids(&app.funded("c", "100").await);
        disputed(app, wallet, 1).await;
        assert_eq!(may_work(app, "c").await, 201, "{}", app.name);
        // A week later the report says what it would have done.
        say(&app.app, wallet, 2, used(1, 1.0, "a castle"));
        app.clock.advance_seconds(5);
        tick(&app.app).await;
        work::schedules_round(&app.app).await.unwrap();
        app.clock.advance_seconds(DAY_SECONDS);
        work::schedules_round(&app.app).await.unwrap();
        let report = shadow::report(&app.app, &Principal::system()).await.unwrap();
        let rule = report.rules.iter().find(|rule| rule.rule == "disputed").unwrap();
        // Both customers; nothing else would have brought them to a reviewer.
        assert_eq!((report.flagged, rule.flagged, rule.alone), (0, 2, 2), "{report:?}");
        let told = app.get("/v1/risk/shadow").await.success(200);
        assert_eq!(told["rules"][11]["alone"], 2, "{told}");
        assert_eq!(told["rules"][11]["state"], "shadow");
        exceptions::allow(&app.app, &session, listed, &act(), false).await.unwrap();
        assert_eq!(exceptions::allowed_customers(&app.app, &Principal::system()).await.unwrap(), []);
    })
    .await;
}

/// Actions of the audit log with who did them and why, the oldest first.
async fn acts(app: &TestApp) -> Vec<(String, String, String)> {
    let rows =
        app::audit::list(&app.app, &Principal::system(), None, &Default::default()).await.unwrap().data;
    rows.into_iter().rev().map(|row| (row.action, row.actor, row.reason)).collect()
}

#[tokio::test]
async fn a_program_silences_a_rule_and_allows_a_customer_and_takes_both_back() {
    on_each_database(async |app| {
        let (customer, wallet) = ids(&app.funded("c", "100").await);
        let snooze =
            |days: i64| json!({"customer": "c", "rule": "disputed", "days": days, "reason": "a slow bank"});
        let first = app.post_with("/v1/risk/snoozes", "s", &snooze(30)).await;
        let set = first.success(200);
        assert_eq!((&set["customer"], &set["allowance"]), (&json!(customer.to_string()), &Value::Null));
        let silent = &set["snoozes"][0];
        assert_eq!((&silent["rule"], &silent["reason"]), (&json!("disputed"), &json!("a slow bank")));
        let again = app.post_with("/v1/risk/snoozes", "s", &snooze(30)).await;
        assert!(again.is_replayed() && again.body == first.body, "{again}");
        disputed(app, wallet, 1).await;
        assert_eq!(may_work(app, "c").await, 201, "{}: the rule is silent", app.name);

        let allow = |is: bool| json!({"customer": "c", "is_allowed": is, "reason": "our load test"});
        let set = app.post("/v1/risk/allowances", &allow(true)).await.success(200);
        assert_eq!(set["allowance"]["reason"], "our load test", "{set}");
        let listed = app.get("/v1/risk/allowances").await.success(200);
        assert_eq!(listed["data"], json!([set["allowance"]]), "{listed}");
        let set = app.post("/v1/risk/snoozes", &snooze(0)).await.success(200);
        assert_eq!((&set["snoozes"], &set["allowance"]["customer"]), (&json!([]), &set["customer"]));
        assert_eq!(app.get("/v1/risk/exceptions?customer=c").await.success(200), set);
        disputed(app, wallet, 2).await;
        assert_eq!(may_work(app, "c").await, 201, "{}: never acted on", app.name);

        // Off the list, what went on all the time is acted on again.
        let set = app.post("/v1/risk/allowances", &allow(false)).await.success(200);
        assert_eq!((&set["allowance"], &set["snoozes"]), (&Value::Null, &json!([])));
        disputed(app, wallet, 3).await;
        assert_eq!(may_work(app, "c").await, 403, "{}", app.name);

        for (path, wrong) in [
            ("/v1/risk/snoozes", json!({"rule": "unusual"})),
            ("/v1/risk/snoozes", json!({"days": 366})),
            ("/v1/risk/snoozes", json!({"customer": "nobody"})),
            ("/v1/risk/allowances", json!({"customer": "nobody"})),
        ] {
            let mut body = if path.ends_with("snoozes") { snooze(1) } else { allow(true) };
            tests::test_app::merge(&mut body, &wrong);
            app.post(path, &body).await.problem(400, "invalid_request");
        }
        app.get("/v1/risk/exceptions").await.problem(400, "invalid_request");
        let owner = app::keys::authenticate(&app.app, &app.key).await.unwrap().owner;
        let of_key: Vec<_> = acts(app).await.into_iter().filter(|(_, actor, _)| *actor == owner).collect();
        let expected = [
            ("risk.snooze", "a slow bank"),
            ("risk.allow", "our load test"),
            ("risk.snooze", "a slow bank"),
            ("risk.allow", "our load test"),
        ];
        let told: Vec<_> = of_key.iter().map(|(action, _, why)| (action.as_str(), why.as_str())).collect();
        assert_eq!(told, expected, "{}: a replay is no act", app.name);
    })
    .await;
}

#[tokio::test]
async fn what_a_program_decides_and_sets_is_written_down() {
    on_each_database(async |app| {
        let (_, wallet) = ids(&app.funded("c", "100").await);
        disputed(app, wallet, 1).await;
        let path = format!("/v1/risk/cases/{}/verdict", text(&open_case(app).await, "/id"));
        app.post_with(&path, "d", &json!({"verdict": "dismissed", "note": "they called"})).await.success(200);
        app.post_with(&path, "d", &json!({"verdict": "dismissed", "note": "they called"})).await.success(200);
        app.post(&path, &json!({"verdict": "dismissed"})).await.success(200);
        let other = format!("/v1/risk/cases/{}/verdict", case_of_a_dispute(app).await);
        app.post(&other, &json!({"verdict": "dismissed"})).await.success(200);
        let settings = json!({"settings": {"review": 0.5, "restrict": 0.9, "block": 1.0, "release": 0.6,
            "restrict_minutes": 60, "step_up": "wait", "mail_above": "0"}, "reason": "shorter holds"});
        app.post("/v1/risk/settings", &settings).await.success(201);
        let owner = app::keys::authenticate(&app.app, &app.key).await.unwrap().owner;
        let of_key: Vec<_> = acts(app).await.into_iter().filter(|(_, actor, _)| *actor == owner).collect();
        let told: Vec<_> = of_key.iter().map(|(action, _, why)| (action.as_str(), why.as_str())).collect();
        assert_eq!(
            told,
            [
                ("case.decide", "they called"),
                ("case.decide", "no reason given"),
                ("risk.settings", "shorter holds")
            ],
            "{}",
            app.name
        );
    })
    .await;
}

/// Others on the allow-list, and rules that are silent about others for an hour.
async fn others(app: &TestApp, count: usize) {
    let now = app.app.now().micros();
    let txn = app.app.store().write().await.unwrap();
    for _ in 0..count {
        let (customer, author, reason) = (new_uuid(), "olga".to_owned(), "r".to_owned());
        let row =
            allowed::Model { customer, author: author.clone(), reason: reason.clone(), created_at: now };
        allowed::put(&txn, row).await.unwrap();
        let (rule, until) = ("scraper".to_owned(), now + 3_600_000_000);
        let row = snoozes::Model { customer, rule, until, author, reason, created_at: now };
        snoozes::set(&txn, row).await.unwrap();
    }
    txn.commit().await.unwrap();
}

#[tokio::test]
async fn a_full_list_takes_nobody_and_says_what_to_do() {
    on_each_database(async |app| {
        let (_, first) = ids(&app.funded("c", "100").await);
        app.customer("d").await;
        others(app, 9_999).await;
        let allow = |customer: &str, is: bool, why: &str| json!({"customer": customer, "is_allowed": is, "reason": why});
        let post = async |body: Value| app.post("/v1/risk/allowances", &body).await;
        post(allow("c", true, "our load test")).await.success(200);
        let refused = post(allow("d", true, "one more")).await.names("customer");
        assert!(refused.to_string().contains("10000 customers are on the list"), "{refused}");
        assert!(refused.to_string().contains("take one off it first"), "{refused}");
        // Who is on it can be put there for another reason, and is not acted on.
        let set = post(allow("c", true, "their audit")).await.success(200);
        assert_eq!(set["allowance"]["reason"], "their audit", "{}: {set}", app.name);
        disputed(app, first, 1).await;
        assert_eq!(may_work(app, "c").await, 201, "{}", app.name);

        let snooze = |customer: &str| json!({"customer": customer, "rule": "scraper", "days": 1, "reason": "r"});
        app.post("/v1/risk/snoozes", &snooze("c")).await.success(200);
        let refused = app.post("/v1/risk/snoozes", &snooze("d")).await.names("rule");
        assert!(refused.to_string().contains("turn the rule off"), "{refused}");
        app.post("/v1/risk/snoozes", &snooze("c")).await.success(200);

        post(allow("c", false, "it is over")).await.success(200);
        post(allow("d", true, "one more")).await.success(200);
        app.clock.advance_seconds(3_600);
        app.post("/v1/risk/snoozes", &snooze("d")).await.success(200);
    })
    .await;
}
