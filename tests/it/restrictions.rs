//! Restrictions over HTTP: who may make them, what they keep out, how they end, and what is written down.

use app::audit::AuditRow;
use app::restrictions::{self, Actor, NewRelease, NewRestriction};
use app::{CustomerRef, PageRequest, Principal};
use kernel::CustomerId;
use ledger::StepUp;
use serde_json::{Value, json};
use tests::cards::OVERAGE;
use tests::test_app::{TestApp, event, on_each_database, text, usage};

const WHY: &str = "card reported stolen";

async fn restrict(app: &TestApp, customer: &str, more: &Value) -> Value {
    let mut body = json!({"reason": WHY});
    tests::test_app::merge(&mut body, more);
    app.post(&format!("/v1/customers/{customer}/restrict"), &body).await.success(200)
}

async fn release(app: &TestApp, customer: &str) -> Value {
    let body = json!({"reason": "the customer called"});
    app.post(&format!("/v1/customers/{customer}/release"), &body).await.success(200)
}

async fn log(app: &TestApp, customer: &str) -> Vec<AuditRow> {
    let id: CustomerId = text(&app.get(&format!("/v1/customers/{customer}")).await.success(200), "/id")
        .parse()
        .expect("a customer's id");
    let page = PageRequest::default();
    app::audit::list(&app.app, &Principal::system(), Some(id), &page).await.expect("a list").data
}

#[tokio::test]
async fn new_work_of_a_restricted_customer_is_a_403_that_says_what_to_do() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        let until = app.at(3_600);
        let made = restrict(app, "c", &json!({"until": until, "step_up": "verify_mail"})).await;
        let expected = json!({"since": app.at(0), "until": until, "step_up": "verify_mail"});
        assert_eq!(made["restriction"], expected);
        for (path, body) in [
            ("/v1/holds", json!({"customer": "c", "credits": "1"})),
            ("/v1/holds", usage("c", 1)),
            ("/v1/usage", usage("c", 1)),
        ] {
            let problem = app.post(path, &body).await.problem(403, "restricted");
            assert_eq!((&problem["until"], &problem["step_up"]), (&json!(until), &json!("verify_mail")));
            assert!(text(&problem, "/appeal_url").ends_with("/on-hold"), "{problem}");
            assert!(text(&problem, "/detail").contains("mail address"), "{problem}");
        }
        let items = json!({"items": [usage("c", 1)]});
        let batch = app.post("/v1/usage/batch", &items).await.success(200);
        assert_eq!(batch["results"][0]["code"], "restricted");
        assert!(batch["results"][0]["appeal_url"].is_string(), "{batch}");
        app.assert_wallet("c", ["10", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_quote_says_so_and_is_no_error() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        let admission =
            async || app.post("/v1/quotes", &usage("c", 1)).await.success(201)["admission"].clone();
        assert_eq!(admission().await["verdict"], "allow");
        restrict(app, "c", &json!({"until": app.at(60)})).await;
        let admission = admission().await;
        assert_eq!((&admission["verdict"], &admission["affordable"]), (&json!("restrict"), &json!(true)));
        assert_eq!(admission["restricted_until"], json!(app.at(60)));
    })
    .await;
}

#[tokio::test]
async fn what_has_begun_ends_as_usual_and_credits_can_still_be_given() {
    on_each_database(async |app| {
        app.funded("c", "20").await;
        let receipt = text(&app.post("/v1/usage", &usage("c", 1)).await.success(201), "/id");
        let hold = async || text(&app.hold("c", "3").await, "/id");
        let (captured, voided, extended) = (hold().await, hold().await, hold().await);
        app.publish(OVERAGE).await;
        restrict(app, "c", &json!({})).await;
        let post = async |path: String, body: Value| app.post(&path, &body).await;
        post(format!("/v1/holds/{captured}/capture"), json!({"credits": "4"})).await.success(200);
        post(format!("/v1/holds/{voided}/void"), json!({})).await.success(200);
        post(format!("/v1/holds/{extended}/extend"), json!({"ttl_seconds": 1_800})).await.success(200);
        let more = post(format!("/v1/holds/{extended}/extend"), json!({"credits": "1"})).await;
        more.problem(403, "restricted");
        post(format!("/v1/receipts/{receipt}/reverse"), json!({})).await.success(201);
        app.report(&event("c", "1", "work.absorb", 2)).await.success(204);
        app.grant("c", "5", &json!({})).await;
        app.assert_wallet("c", ["16", "3", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn it_ends_by_time_without_an_entry_or_by_a_release() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        restrict(app, "c", &json!({"until": app.at(60)})).await;
        let lines = app.postings("c").await;
        app.clock.advance_seconds(59);
        app.post("/v1/usage", &usage("c", 1)).await.problem(403, "restricted");
        app.clock.advance_seconds(1);
        assert_eq!(app.postings("c").await, lines);
        assert_eq!(app.wallet("c").await["restriction"], Value::Null);
        app.post("/v1/usage", &usage("c", 1)).await.success(201);
        let body = json!({"reason": "late"});
        app.post("/v1/customers/c/release", &body).await.problem(400, "not_restricted");

        restrict(app, "c", &json!({})).await;
        assert_eq!(app.wallet("c").await["restriction"]["step_up"], "review");
        let sooner = json!({"reason": WHY, "until": "2030-01-01T00:00:00Z"});
        app.post("/v1/customers/c/restrict", &sooner).await.problem(400, "restricted_longer");
        let released = release(app, "c").await;
        assert_eq!(released["restriction"], Value::Null);
        app.post("/v1/usage", &usage("c", 1)).await.success(201);
        let past = json!({"reason": WHY, "until": "2020-01-01T00:00:00Z"});
        app.post("/v1/customers/c/restrict", &past).await.problem(400, "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn the_wallet_shows_it_as_it_was_known_then_also_after_a_restart() {
    on_each_database(async |app| {
        app.funded("c", "1").await;
        app.clock.advance_seconds(10);
        restrict(app, "c", &json!({"until": app.at(100)})).await;
        app.clock.advance_seconds(50);
        release(app, "c").await;
        app.clock.advance_seconds(200);
        let other = app.another_process().await;
        for (process, seconds, is_restricted) in
            [(app, 9, false), (app, 10, true), (&other, 59, true), (&other, 60, false), (&other, 120, false)]
        {
            let wallet = process.wallet_as_of("c", seconds).await;
            assert_eq!(wallet["restriction"].is_object(), is_restricted, "{seconds}");
        }
        restrict(&other, "c", &json!({})).await;
        app.post("/v1/usage", &usage("c", 1)).await.problem(403, "restricted");
        let again = app.restarted().await;
        again.post("/v1/usage", &usage("c", 1)).await.problem(403, "restricted");
        assert!(again.wallet("c").await["restriction"].is_object());
    })
    .await;
}

#[tokio::test]
async fn a_success_from_before_is_still_repeated() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        let first = app.post_with("/v1/usage", "k", &usage("c", 1)).await.success(201);
        restrict(app, "c", &json!({})).await;
        let again = app.post_with("/v1/usage", "k", &usage("c", 1)).await;
        assert!(again.is_replayed());
        assert_eq!(again.success(201), first);
        app.post_with("/v1/usage", "new", &usage("c", 1)).await.problem(403, "restricted");
        release(app, "c").await;
        app.post_with("/v1/usage", "new", &usage("c", 1)).await.success(201);
    })
    .await;
}

#[tokio::test]
async fn each_decision_is_carried_out_once_and_written_down_once() {
    on_each_database(async |app| {
        app.customer("c").await;
        let (path, body) = ("/v1/customers/c/restrict", json!({"reason": WHY}));
        let first = app.post_with(path, "k", &body).await.success(200);
        let again = app.post_with(path, "k", &body).await;
        assert!(again.is_replayed());
        assert_eq!(again.success(200), first);
        let other = json!({"reason": "another"});
        app.post_with(path, "k", &other).await.problem(422, "idempotency_key_reused");
        let rows = log(app, "c").await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        let row = &rows[0];
        assert_eq!((row.action.as_str(), row.state.as_str()), ("customer.restrict", "done"));
        assert_eq!((row.reason.as_str(), row.before.as_deref()), (WHY, Some(r#"{"restriction":null}"#)));
        assert!(row.after.as_deref().is_some_and(|after| after.contains("review")), "{row:?}");
        let key = app::keys::authenticate(&app.app, &app.key).await.expect("the key").owner;
        assert_eq!(row.actor, key);
        let sooner = json!({"reason": WHY, "until": app.at(60)});
        app.post(path, &sooner).await.problem(400, "restricted_longer");
        assert_eq!(log(app, "c").await[0].state, "refused");
    })
    .await;
}

#[tokio::test]
async fn the_statement_shows_it_without_credits_and_without_the_operators_reason() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        restrict(app, "c", &json!({})).await;
        release(app, "c").await;
        let key = app.customers_key("c").await;
        let page = app.call("GET", "/v1/customers/c/postings").by(&key).send().await.success(200);
        let lines = page["data"].as_array().expect("lines");
        let kinds: Vec<&str> = lines.iter().filter_map(|line| line["kind"].as_str()).collect();
        assert_eq!(kinds, ["release", "restrict", "grant"]);
        assert!(lines[..2].iter().all(|line| line["amount"] == "0"), "{page}");
        assert!(!page.to_string().contains(WHY), "{page}");
        let wallet = app.call("GET", "/v1/customers/c/wallet").by(&key).send().await.success(200);
        assert!(!wallet.to_string().contains(WHY));
        let body = json!({"reason": "let me in"});
        for path in ["/v1/customers/c/restrict", "/v1/customers/c/release"] {
            app.call("POST", path).by(&key).json(&body).send().await.problem(403, "forbidden");
            let foreign = path.replace("/c/", "/nobody/");
            app.post(&foreign, &body).await.problem(404, "not_found");
        }
    })
    .await;
}

/// The risk rules restrict for a while; a step-up ends that and no later decision of an operator.
#[tokio::test]
async fn a_step_up_ends_the_restriction_it_was_asked_for_and_no_other() {
    on_each_database(async |app| {
        let id: CustomerId = text(&app.customer("c").await, "/id").parse().expect("an id");
        let customer = CustomerRef::Id(id);
        let by_risk = async |key: Option<&app::Keyed>| {
            let until = Some(app.clock.now().plus_seconds(3_600));
            let new = NewRestriction { until, step_up: StepUp::VerifyMail, reason: "a surge".to_owned() };
            restrictions::restrict(&app.app, Actor::Risk, &customer, new, key).await
        };
        let made = by_risk(None).await.expect("a restriction").value.restriction.expect("in force");
        let known = restrictions::of(&app.app, &Principal::system(), &customer).await.expect("a read");
        let known = known.expect("a restriction");
        assert_eq!((known.actor.as_str(), known.reason.as_str()), ("risk", "a surge"));
        let verified = async |restriction| {
            let new = NewRelease { restriction: Some(restriction), reason: "mail verified".to_owned() };
            restrictions::release(&app.app, Actor::Customer(id), &customer, new, None).await
        };
        let later = restrict(app, "c", &json!({})).await;
        assert!(verified(made.seq).await.is_err(), "the operator's decision stands");
        assert!(app.wallet("c").await["restriction"].is_object());
        let later = later["seq"].as_i64().expect("a seq");
        verified(later).await.expect("that one");
        assert_eq!(app.wallet("c").await["restriction"], Value::Null);
        let actors: Vec<String> = log(app, "c").await.into_iter().map(|row| row.actor).collect();
        assert_eq!(actors[0], id.to_string());
        assert_eq!(actors[3], "risk");

        // A decision has a name: carried out again, it is the same one.
        let key = app::Keyed::form(kernel::IdempotencyKey::new("case-1/2").expect("a key"), "");
        let first = by_risk(Some(&key)).await.expect("a restriction");
        let again = by_risk(Some(&key)).await.expect("the same");
        assert!(!first.replayed && again.replayed);
        assert_eq!(first.value, again.value);
    })
    .await;
}
