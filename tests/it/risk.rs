//! Abuse: what is seen, what follows from it by itself, and what people make of it.

use app::accounts::{self, NewOperator, Role, Session};
use app::audit::Act;
use app::risk::cases::{self, Decision, Ruling};
use app::risk::{appeals, exceptions, on_hold, shadow};
use app::{App, Principal, work};
use kernel::{CaseId, CustomerId, WalletId, new_uuid};
use risk::record::{Place, Record, Source};
use risk::signal::{Address, Opinion, Payment, PaymentKind, Use, What};
use risk::text::{Print, short_hash};
use serde_json::{Value, json};
use tests::shop::{Shop, in_each_shop};
use tests::test_app::{TestApp, on_each_database, text, usage};

/// The followers take in what is older than this.
const LAG_SECONDS: i64 = app::risk::LAG_SECONDS;
const DAY_SECONDS: i64 = 86_400;

/// A use of `credits` from one of many addresses.
pub fn used(number: u32, credits: f32, prompt: &str) -> What {
    What::Used(Use {
        output: number,
        credits,
        print: Print::of(prompt),
        parameters: short_hash(b"sdxl 1024"),
        address: Address { network: 7 + number % 3, host: number },
        agent: short_hash(b"program"),
    })
}

/// The cardholder says that a payment was not theirs: one detector alone is certain of that.
const DISPUTE: What = What::Paid(Payment {
    kind: PaymentKind::Dispute,
    succeeded: false,
    card: 9,
    country_matches: true,
    opinion: Opinion::Normal,
    credits: 0,
});

pub fn record(wallet: WalletId, at_micros: i64, number: i64, what: What) -> Record {
    let place = Place { at: at_micros, wallet: wallet.uuid().as_u128(), source: Source::Journal, number };
    Record { place, what }
}

/// Says something about a wallet in a process, now.
pub fn say(app: &App, wallet: WalletId, number: i64, what: What) {
    app::risk::say(app, record(wallet, app.now().micros(), number, what));
}

pub async fn tick(app: &App) -> app::risk::Tick {
    app::risk::tick(app).await.expect("the watch ticks")
}

/// The customer's ids.
fn ids(customer: &Value) -> (CustomerId, WalletId) {
    let id = |member| text(customer, member);
    (id("/id").parse().expect("an id"), id("/wallet").parse().expect("an id"))
}

/// Lets a dispute be seen: what was said becomes old enough, then the follower looks.
async fn disputed(app: &TestApp, wallet: WalletId, number: i64) {
    tick(&app.app).await;
    say(&app.app, wallet, number, DISPUTE);
    app.clock.advance_seconds(LAG_SECONDS + 1);
    tick(&app.app).await;
}

/// The id of an open case of a customer that nothing else needs.
pub async fn case_of_a_dispute(app: &TestApp) -> String {
    let (customer, wallet) = ids(&app.customer(&new_uuid().to_string()).await);
    disputed(app, wallet, 1).await;
    let page = app.get("/v1/risk/cases?state=open").await.success(200);
    let cases = page["data"].as_array().expect("a list has its data");
    let of = cases.iter().find(|case| case["customer"] == customer.to_string());
    text(of.expect("a case of the dispute"), "/id")
}

async fn open_case(app: &TestApp) -> Value {
    let page = app.get("/v1/risk/cases?state=open").await.success(200);
    assert_eq!(page["data"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(
        app.get(&format!("/v1/risk/cases/{}", text(&page["data"][0], "/id"))).await.success(200),
        page["data"][0]
    );
    page["data"][0].clone()
}

async fn may_work(app: &TestApp, customer: &str) -> u16 {
    app.post("/v1/usage", &usage(customer, 1)).await.status
}

#[tokio::test]
async fn a_strict_verdict_holds_new_work_until_somebody_dismisses_the_case() {
    on_each_database(async |app| {
        let (_, wallet) = ids(&app.funded("c", "100").await);
        assert_eq!(may_work(app, "c").await, 201);
        disputed(app, wallet, 1).await;
        let refused = app.post("/v1/usage", &usage("c", 1)).await.problem(403, "restricted");
        assert_eq!(refused["step_up"], "confirm_card", "{refused}");
        let case = open_case(app).await;
        assert_eq!((&case["verdict"], &case["is_restricted"]), (&json!("restrict"), &json!(true)));
        assert_eq!(case["reasons"][0]["name"], "disputed", "{case}");
        assert_eq!(case["at_risk"], "99");
        let score = app.post("/v1/risk/score", &json!({"customer": "c"})).await.success(200);
        assert_eq!(score["verdict"], "restrict", "{score}");
        assert!(score["features"]["disputes_month"].as_f64() > Some(0.99), "{score}");

        let path = format!("/v1/risk/cases/{}/verdict", text(&case, "/id"));
        let ruling = json!({"verdict": "dismissed", "note": "the bank was wrong"});
        let first = app.post_with(&path, "decide", &ruling).await;
        let decided = first.success(200);
        assert_eq!((&decided["state"], &decided["decision"]), (&json!("closed"), &json!("dismissed")));
        let again = app.post_with(&path, "decide", &ruling).await;
        assert!(again.is_replayed() && again.body == first.body, "{again}");
        app.post_with(&path, "decide", &json!({"verdict": "confirmed"}))
            .await
            .problem(422, "idempotency_key_reused");
        app.post(&path, &ruling).await.problem(400, "wrong_state");
        assert_eq!(may_work(app, "c").await, 201, "{}: released", app.name);

        // The rule stays silent about this customer for a week, however often it speaks.
        app.clock.advance_seconds(10);
        tick(&app.app).await;
        disputed(app, wallet, 2).await;
        assert_eq!(may_work(app, "c").await, 201);
        assert_eq!(app.get("/v1/risk/cases?state=open").await.success(200)["data"], json!([]));
        let acts = app::audit::list(&app.app, &Principal::system(), None, &Default::default()).await.unwrap();
        let of_risk: Vec<&str> =
            acts.data.iter().filter(|act| act.actor == "risk").map(|act| act.action.as_str()).collect();
        assert_eq!(of_risk, ["customer.release", "customer.restrict"], "{}", app.name);
    })
    .await;
}

#[tokio::test]
async fn a_confirmed_case_stays_on_hold_until_it_is_released() {
    on_each_database(async |app| {
        let (_, wallet) = ids(&app.funded("c", "100").await);
        disputed(app, wallet, 1).await;
        let id = text(&open_case(app).await, "/id");
        let path = format!("/v1/risk/cases/{id}/verdict");
        let decided = app.post(&path, &json!({"verdict": "confirmed"})).await.success(200);
        assert_eq!((&decided["is_restricted"], &decided["restricted_until"]), (&json!(true), &Value::Null));
        app.clock.advance_seconds(40 * DAY_SECONDS);
        assert_eq!(may_work(app, "c").await, 403, "{}", app.name);
        app.post("/v1/customers/c/release", &json!({"reason": "paid back"})).await.success(200);
        assert_eq!(may_work(app, "c").await, 201, "{}", app.name);
    })
    .await;
}

#[tokio::test]
async fn a_hold_by_itself_ends_by_itself() {
    on_each_database(async |app| {
        let (_, wallet) = ids(&app.funded("c", "100").await);
        disputed(app, wallet, 1).await;
        assert_eq!(may_work(app, "c").await, 403);
        app.clock.advance_seconds(DAY_SECONDS);
        assert_eq!(may_work(app, "c").await, 201, "{}: a day is over", app.name);
        open_case(app).await;
    })
    .await;
}

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

pub async fn operator(app: &App) -> Session {
    let email = "olga@example.com";
    let password = "three sunny words";
    let new = NewOperator { email: email.to_owned(), name: "Olga".to_owned(), password: password.to_owned() };
    accounts::create_operator(app, &Principal::system(), new).await.expect("an operator");
    signed_in(app, Role::Operator, email, password).await
}

async fn signed_in(app: &App, role: Role, email: &str, password: &str) -> Session {
    let credentials = accounts::Credentials {
        email: email.to_owned(),
        password: password.to_owned(),
        role,
        user_agent: "test".to_owned(),
        earlier: None,
    };
    accounts::sign_in(app, credentials).await.expect("they sign in").session
}

#[tokio::test]
async fn a_customer_on_hold_is_told_and_lifts_it_by_a_mail() {
    in_each_shop(async |shop| {
        let operator = operator(&shop.app).await;
        let (session, wallet) = held_customer(shop).await;
        let told = on_hold::on_hold(&shop.app, &session).await.unwrap().expect("on hold");
        assert_eq!(told.step_up, ledger::StepUp::VerifyMail);
        assert!(!told.why.contains("abuse") && !told.why.contains("fraud"), "{}", told.why);
        appeals::appeal(&shop.app, &session, "It was my own script.\nSorry!").await.unwrap();
        assert!(appeals::appeal(&shop.app, &session, "And another thing").await.is_err(), "once a case");
        on_hold::send_link(&shop.app, &session).await.unwrap();
        shop.settle().await;
        let mails: Vec<(String, String)> = {
            let sent = shop.sent.lock().unwrap();
            sent.iter().map(|mail| (mail.recipient.clone(), mail.letter.subject.clone())).collect()
        };
        for (to, begin) in [
            ("eve@example.com", "New work on your account"),
            ("olga@example.com", "Eve was put on hold: 1,000 credits at stake"),
            ("olga@example.com", "Eve is on hold and writes"),
        ] {
            let count = mails.iter().filter(|(who, what)| who == to && what.starts_with(begin)).count();
            assert_eq!(count, 1, "{}: {to} {begin} in {mails:?}", shop.name);
        }
        let link = {
            let sent = shop.sent.lock().unwrap();
            let mail = sent.iter().rev().find(|mail| mail.letter.text.contains("token=")).unwrap();
            let after = mail.letter.text.split("token=").nth(1).unwrap();
            after.split_whitespace().next().unwrap().to_owned()
        };
        accounts::follow(&shop.app, &link).await.unwrap();
        assert_eq!(on_hold::on_hold(&shop.app, &session).await.unwrap(), None, "{}", shop.name);
        let hold = json!({"customer": session.user.customer.unwrap().to_string(), "credits": "1"});
        assert_eq!(shop.post("/v1/holds", &hold).await.status, 201, "{}: they go on", shop.name);
        // The case still waits for a person, with what the customer wrote first.
        let queue = cases::queue(&shop.app, &operator.user.principal(), 10).await.unwrap();
        assert_eq!((queue.len(), queue[0].is_restricted), (1, false));
        let evidence = cases::evidence(&shop.app, &operator.user.principal(), queue[0].id).await.unwrap();
        assert_eq!(evidence.case.appeal.as_deref(), Some("It was my own script.\nSorry!"));
        review(shop, &operator, queue[0].id).await;
        assert_eq!(evidence.case.wallet, wallet);
    })
    .await;
}

/// Signed up in the portal, with credits, and held because a rule is certain.
pub async fn held_customer(shop: &Shop) -> (Session, WalletId) {
    let password = "correct horse battery";
    let session = tests::shop::account(&shop.app, "Eve", "eve@example.com", password).await.session;
    let customer = session.user.customer.unwrap();
    let grant = json!({"customer": customer.to_string(), "credits": "1000", "kind": "promo"});
    assert_eq!(shop.post("/v1/grants", &grant).await.status, 201);
    let document = shop.get(&format!("/v1/customers/{customer}")).await.document();
    let (_, wallet) = ids(&document);
    tick(&shop.app).await;
    // One account, many networks and many programs within the day.
    for number in 0..60_u32 {
        let What::Used(mut used) = used(number, 2.0, "a castle by the sea") else { unreachable!() };
        used.agent = number;
        used.address = Address { network: number, host: number };
        say(&shop.app, wallet, number.into(), What::Used(used));
        shop.clock.advance_seconds(30);
    }
    tick(&shop.app).await;
    (session, wallet)
}

async fn review(shop: &Shop, operator: &Session, id: CaseId) {
    let act = Act { id: new_uuid(), reason: "they explained it".to_owned() };
    let ruling = Ruling { decision: Decision::Dismissed, note: None, release: None };
    let case = cases::review(&shop.app, operator, id, &act, ruling.clone()).await.unwrap();
    assert_eq!(case.decided_by.as_deref(), Some("olga@example.com"));
    let again = cases::review(&shop.app, operator, id, &act, ruling).await.unwrap();
    assert_eq!(again.decision, case.decision, "the same form is one act");
    let precision = cases::precision(&shop.app, &operator.user.principal()).await.unwrap();
    assert_eq!((precision[0].rule.as_str(), precision[0].dismissed), ("all", 1), "{precision:?}");
}
