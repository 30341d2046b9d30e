//! Abuse: what is seen, what follows from it by itself, and what people make of it.

use app::accounts::{self, NewOperator, Role, Session};
use app::{App, Principal};
use kernel::{CustomerId, WalletId, new_uuid};
use risk::record::{Place, Record, Source};
use risk::signal::{Address, Opinion, Payment, PaymentKind, Use, What};
use risk::text::{Print, short_hash};
use serde_json::{Value, json};
use tests::test_app::{TestApp, on_each_database, text, usage};

/// The followers take in what is older than this.
const LAG_SECONDS: i64 = app::risk::LAG_SECONDS;
pub const DAY_SECONDS: i64 = 86_400;

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
pub const DISPUTE: What = What::Paid(Payment {
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
pub fn ids(customer: &Value) -> (CustomerId, WalletId) {
    let id = |member| text(customer, member);
    (id("/id").parse().expect("an id"), id("/wallet").parse().expect("an id"))
}

/// Lets a dispute be seen: what was said becomes old enough, then the follower looks.
pub async fn disputed(app: &TestApp, wallet: WalletId, number: i64) {
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

pub async fn open_case(app: &TestApp) -> Value {
    let page = app.get("/v1/risk/cases?state=open").await.success(200);
    assert_eq!(page["data"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(
        app.get(&format!("/v1/risk/cases/{}", text(&page["data"][0], "/id"))).await.success(200),
        page["data"][0]
    );
    page["data"][0].clone()
}

pub async fn may_work(app: &TestApp, customer: &str) -> u16 {
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
        assert_eq!(app.post(&path, &ruling).await.success(200), decided, "{}: it is decided", app.name);
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
        network: None,
        earlier: None,
    };
    accounts::sign_in(app, credentials).await.expect("they sign in").session
}
