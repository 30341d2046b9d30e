//! Customers who are never acted on, rules in shadow, and what a case's reviewer sees first.

use app::audit::Act;
use app::risk::{exceptions, shadow};
use app::{Principal, work};
use kernel::new_uuid;
use serde_json::json;
use tests::test_app::on_each_database;

use crate::risk::{DAY_SECONDS, disputed, ids, may_work, operator, say, tick, used};

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
