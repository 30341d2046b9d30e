//! Operators at work, by plain HTTP with the cookies kept by hand.

use std::collections::BTreeMap;

use app::accounts::ensure_user;
use app::customers::{Customer, CustomerKind, NewCustomer};
use app::mails::send_due;
use app::{App, AppConfig, CustomerRef, Principal};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use engine::EngineConfig;
use kernel::{Credits, IdempotencyKey};
use ledger::GrantKind;
use sea_orm::EntityTrait;
use store::cold::{mails, outbox, queue};
use tests::databases::{Bench, benches_with, command, debit, grant};
use tower::ServiceExt;

const OPERATOR: (&str, &str) = ("olga@example.com", "correct horse battery");
const CUSTOMER: (&str, &str) = ("ada@example.com", "correct horse battery");

/// The console on one database, and what stands in its wallets.
struct House {
    bench: Bench,
    app: App,
    console: Router,
}

/// A browser without scripts: one cookie jar.
pub struct Browser {
    console: Router,
    jar: BTreeMap<String, String>,
}

pub struct Seen {
    pub status: u16,
    pub location: String,
    pub html: String,
}

async fn houses() -> Vec<House> {
    let open = |bench: Bench| {
        let (store, clock, engine) = (bench.store.clone(), bench.clock.clone(), bench.engine.clone());
        let app = App::open(store, clock, engine, AppConfig::default());
        House { console: console::router(app.clone(), "http://127.0.0.1:8080"), app, bench }
    };
    benches_with(EngineConfig::default()).await.into_iter().map(open).collect()
}

impl House {
    async fn with_operator(self) -> House {
        ensure_user(&self.app, OPERATOR.0, "Olga", OPERATOR.1, None).await.expect("an operator");
        self
    }

    async fn customer(&self, external_id: &str, email: &str) -> Customer {
        let new = NewCustomer {
            external_id: external_id.to_owned(),
            kind: CustomerKind::Individual,
            name: "Ada <b>Lovelace</b>".to_owned(),
            email: email.to_owned(),
            currency: None,
            timezone: None,
            from: None,
        };
        let made = app::customers::create(&self.app, &Principal::system(), new, None).await;
        made.expect("a customer").value
    }

    async fn available(&self, customer: &Customer) -> String {
        let of = CustomerRef::Id(customer.id);
        let view = app::wallets::view(&self.app, &Principal::system(), &of, None).await;
        view.expect("a wallet").available.to_string()
    }

    fn browser(&self) -> Browser {
        Browser::of(self.console.clone())
    }

    async fn operators_browser(&self) -> Browser {
        Browser::of_operator(self.console.clone(), OPERATOR).await
    }
}

impl Browser {
    pub fn of(console: Router) -> Browser {
        Browser { console, jar: BTreeMap::new() }
    }

    /// An operator's, signed in.
    pub async fn of_operator(console: Router, (email, password): (&str, &str)) -> Browser {
        let mut browser = Browser::of(console);
        let fields = [("email", email), ("password", password), ("next", "/console/customers")];
        let seen = browser.send("/console/sign-in", "/console/sign-in", &fields).await;
        assert_eq!((seen.status, seen.location.as_str()), (303, "/console/customers"));
        browser
    }

    pub async fn get(&mut self, path: &str) -> Seen {
        self.call(Request::get(path), Body::empty()).await
    }

    /// Fills in the form of `page` with its own hidden fields and sends it to `action`.
    pub async fn send(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Seen {
        let html = self.get(page).await.html;
        let form = html.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")));
        let form = form.unwrap_or_else(|| panic!("{page} has no form for {action}"));
        let mut sent: Vec<(String, String)> = Vec::new();
        for name in ["form_token", "act", "seen"] {
            let hidden = form.split_once(&format!("name=\"{name}\" value=\""));
            sent.extend(
                hidden.map(|(_, rest)| (name.to_owned(), rest.split('"').next().unwrap().to_owned())),
            );
        }
        sent.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.post(action, &sent).await
    }

    pub async fn post(&mut self, action: &str, fields: &[(String, String)]) -> Seen {
        let encode =
            |text: &str| -> String {
                text.bytes()
                    .map(|b| {
                        if b.is_ascii_alphanumeric() {
                            char::from(b).to_string()
                        } else {
                            format!("%{b:02X}")
                        }
                    })
                    .collect()
            };
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", name.replace('_', "%5F"), encode(value)))
            .collect();
        let request = Request::post(action).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.call(request, Body::from(body.join("&"))).await
    }

    async fn call(&mut self, request: axum::http::request::Builder, body: Body) -> Seen {
        let jar: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header(header::COOKIE, jar.join("; ")).header(header::HOST, "127.0.0.1:8080");
        let answer = self.console.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        for set in answer.headers().get_all(header::SET_COOKIE) {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            match value {
                "" => self.jar.remove(name),
                value => self.jar.insert(name.to_owned(), value.to_owned()),
            };
        }
        let location = answer.headers().get(header::LOCATION).map(|v| v.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        Seen {
            status,
            location: location.unwrap_or_default(),
            html: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_finds_a_customer_and_grants_credits_with_a_reason() {
    for house in houses().await {
        let house = house.with_operator().await;
        let ada = house.customer("ada-1", "ada@example.com").await;
        let mut browser = house.operators_browser().await;
        let path = format!("/console/customers/{}", ada.id);
        for text in ["ada@example.com", "ada-1", "LOVELACE", &ada.id.to_string(), &ada.wallet.to_string()] {
            let seen = browser.get(&format!("/console/customers?q={text}")).await;
            assert!(seen.html.contains(&path), "{}: {text}", house.bench.name);
            assert!(!seen.html.contains("<b>Lovelace"), "a name is text");
        }

        let fields = [("credits", "12.5"), ("kind", "promo"), ("reason", "late <delivery>")];
        let seen = browser.send(&path, &format!("{path}/grants"), &fields).await;
        assert_eq!((seen.status, &seen.location), (303, &path));
        let seen = browser.get(&path).await;
        assert!(seen.html.contains("The credits are in the wallet.") && seen.html.contains("12.5"));
        assert_eq!(house.available(&ada).await, "12.5");

        let audit = browser.get("/console/audit").await.html;
        for shown in ["olga@example.com", "grant.create", "late &#60;delivery&#62;", "available 0 → 12.5"] {
            assert!(audit.contains(shown), "{shown} is not in {audit}");
        }
        house.bench.assert_verified().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_sent_twice_acts_once_and_one_without_reason_not_at_all() {
    for house in houses().await {
        let house = house.with_operator().await;
        let ada = house.customer("ada-1", "ada@example.com").await;
        let mut browser = house.operators_browser().await;
        let path = format!("/console/customers/{}", ada.id);
        let html = browser.get(&path).await.html;
        let value = |name: &str| {
            let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
            (name.to_owned(), rest.split('"').next().unwrap().to_owned())
        };
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut form = vec![
            value("form_token"),
            value("act"),
            field("credits", "5"),
            field("kind", "trial"),
            field("reason", "asked for it"),
        ];
        for _ in 0..2 {
            assert_eq!(browser.post(&format!("{path}/grants"), &form).await.status, 303);
        }
        assert_eq!(house.available(&ada).await, "5");
        form[2].1 = "6".to_owned();
        let seen = browser.post(&format!("{path}/grants"), &form).await;
        assert_eq!(seen.status, 400, "the same form with another amount");

        let fields = [("credits", "5"), ("kind", "trial"), ("reason", "  ")];
        let seen = browser.send(&path, &format!("{path}/grants"), &fields).await;
        assert_eq!(seen.status, 400);
        assert!(seen.html.contains("reason must have"), "{}", seen.html);
        assert_eq!(house.available(&ada).await, "5");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adjustment_takes_no_more_than_the_lot_has_and_a_void_takes_the_rest() {
    for house in houses().await {
        let house = house.with_operator().await;
        let ada = house.customer("ada-1", "ada@example.com").await;
        let mut browser = house.operators_browser().await;
        let path = format!("/console/customers/{}", ada.id);
        let (adjust, why) = (format!("{path}/adjustments"), ("reason", "miscounted"));
        browser.send(&path, &adjust, &[("credits", "100"), ("from", "add"), why]).await;
        assert_eq!(house.available(&ada).await, "100");
        let html = browser.get(&path).await.html;
        let (_, rest) = html.split_once("value=\"grt_").expect("a lot to take from");
        let lot = format!("grt_{}", rest.split('"').next().unwrap());

        let seen = browser.send(&path, &adjust, &[("credits", "100.5"), ("from", &lot), why]).await;
        assert_eq!(seen.status, 400);
        assert!(seen.html.contains("at most 100"), "{}", seen.html);
        let seen = browser.send(&path, &adjust, &[("credits", "30"), ("from", &lot), why]).await;
        assert_eq!(seen.status, 303);
        assert_eq!(house.available(&ada).await, "70");

        let void = format!("/console/grants/{lot}/void");
        let seen = browser.send(&void, &void, &[why]).await;
        assert_eq!((seen.status, &seen.location), (303, &path));
        assert_eq!(house.available(&ada).await, "0");
        let seen = browser.send(&void, &void, &[why]).await;
        assert_eq!(seen.status, 400, "a grant is voided once");
        let audit = browser.get("/console/audit").await.html;
        for action in ["wallet.add", "wallet.take", "grant.void", "refused"] {
            assert!(audit.contains(action), "{action}");
        }
        house.bench.assert_verified().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_an_operator_sees_anything_of_the_console() {
    for house in houses().await {
        let house = house.with_operator().await;
        let ada = house.customer("ada-1", CUSTOMER.0).await;
        ensure_user(&house.app, CUSTOMER.0, "Ada", CUSTOMER.1, Some(ada.id)).await.expect("a user");
        let with = app::accounts::Credentials {
            email: CUSTOMER.0.to_owned(),
            password: CUSTOMER.1.to_owned(),
            role: app::accounts::Role::Customer,
            user_agent: String::new(),
            network: None,
            earlier: None,
        };
        let customers = app::accounts::sign_in(&house.app, with).await.expect("a customer's session");
        let mut browser = house.browser();
        // The very token under either name: what counts is whose session it is.
        for cookie in ["scrip_session", "scrip_operator"] {
            browser.jar.insert(cookie.to_owned(), customers.token.clone());
        }
        let own = format!("/console/customers/{}", ada.id);
        for path in
            ["/console", "/console/customers", &own, "/console/webhooks", "/console/mails", "/console/audit"]
        {
            let seen = browser.get(path).await;
            assert_eq!(seen.status, 303, "{path}");
            assert!(seen.location.starts_with("/console/sign-in"), "{path}");
            assert!(!seen.html.contains("Lovelace"), "{path}");
        }
        let fields = [("email", CUSTOMER.0), ("password", CUSTOMER.1)];
        let seen = browser.send("/console/sign-in", "/console/sign-in", &fields).await;
        assert_eq!(seen.status, 400, "a customer's password opens no console");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_its_token_changes_nothing() {
    for house in houses().await {
        let house = house.with_operator().await;
        let ada = house.customer("ada-1", "ada@example.com").await;
        let mut browser = house.operators_browser().await;
        let path = format!("/console/customers/{}", ada.id);
        let act = kernel::new_uuid().to_string();
        let form: Vec<(String, String)> =
            [("act", act.as_str()), ("credits", "5"), ("kind", "promo"), ("reason", "x"), ("from", "add")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec();
        for action in ["grants", "adjustments"] {
            assert_eq!(browser.post(&format!("{path}/{action}"), &form).await.status, 403, "{action}");
        }
        for action in ["/console/verification", "/console/sign-out"] {
            assert_eq!(browser.post(action, &form).await.status, 403, "{action}");
        }
        assert_eq!(house.available(&ada).await, "0");
        assert_eq!(browser.get("/console").await.status, 200, "still signed in");
    }
}

/// All rows of mails as they lie in the database.
async fn stored_mails(house: &House) -> Vec<mails::Model> {
    mails::Entity::find().all(house.app.store().reader()).await.expect("rows")
}

/// Two mails whose links are secrets: a proof of the address and a new password.
async fn secret_mails(house: &House) -> Vec<(mails::Model, String)> {
    tests::shop::account(&house.app, "Ada", CUSTOMER.0, CUSTOMER.1).await;
    let role = app::accounts::Role::Customer;
    app::accounts::forgot_password(&house.app, role, CUSTOMER.0, None).await.expect("an answer");
    app::work::outbox_round(&house.app).await.expect("the worker looks");
    let rows = stored_mails(house).await;
    let secret = |row: &mails::Model| {
        let (_, link) = row.text.split_once("token=").expect("a link");
        link.split_whitespace().next().expect("a secret").to_owned()
    };
    rows.into_iter().map(|row| (row.clone(), secret(&row))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operator_sees_a_secret_link_and_no_row_keeps_it() {
    for house in houses().await {
        let house = house.with_operator().await;
        let mut browser = house.operators_browser().await;
        let secrets = secret_mails(&house).await;
        assert_eq!(secrets.len(), 2, "{}", house.bench.name);
        for (row, secret) in &secrets {
            assert!(secret.len() > 20 && row.html.contains(secret), "{}", row.key);
            let html = browser.get(&format!("/console/mails/{}", row.id)).await.html;
            assert!(html.contains("token=…") && !html.contains(secret), "{html}");
        }
        let (transport, sent) = mail::Transport::memory();
        send_due(&house.app, &transport).await.expect("a run");
        let sent = sent.lock().unwrap().clone();
        let rows = stored_mails(&house).await;
        for (row, secret) in &secrets {
            assert!(sent.iter().any(|mail| mail.letter.text.contains(secret)), "its reader has it");
            let row = rows.iter().find(|kept| kept.id == row.id).expect("the row");
            assert_eq!((row.state.as_str(), row.sent_at.is_some()), (mails::SENT, true));
            assert!(!format!("{row:?}").contains(secret), "{row:?}");
            let html = browser.get(&format!("/console/mails/{}", row.id)).await.html;
            assert!(html.contains("Not kept"), "{html}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_given_up_keeps_no_secret_and_is_not_sent_empty() {
    for house in houses().await {
        let house = house.with_operator().await;
        let secrets = secret_mails(&house).await;
        // Nothing listens on port 1.
        let transport = mail::Transport::smtp("smtp://127.0.0.1:1").expect("a mail server");
        for _ in 0..12 {
            send_due(&house.app, &transport).await.expect("a run");
            house.bench.clock.advance_seconds(86_400);
        }
        let mut browser = house.operators_browser().await;
        for (row, secret) in &secrets {
            let rows = stored_mails(&house).await;
            let row = rows.iter().find(|kept| kept.id == row.id).expect("the row");
            assert_eq!(row.state, mails::FAILED);
            assert!(!format!("{row:?}").contains(secret), "{row:?}");
            let html = browser.get(&format!("/console/mails/{}", row.id)).await.html;
            assert!(html.contains("Not kept") && !html.contains("Try again"), "{html}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replaying_and_sending_again_are_written_down_once() {
    for house in houses().await {
        let house = house.with_operator().await;
        let mut browser = house.operators_browser().await;
        let at = house.bench.clock.now().micros();
        let key = "password_reset/nobody/1".to_owned();
        let mut work = outbox::Model::new(kernel::new_uuid(), key, "password_reset", "{}".to_owned(), at);
        work.state = queue::FAILED.to_owned();
        let failed = mails::Model {
            id: kernel::new_uuid(),
            key: "receipt:chk_1".to_owned(),
            recipient: CUSTOMER.0.to_owned(),
            subject: "Your receipt".to_owned(),
            text: "Thank you.".to_owned(),
            html: "<p>Thank you.</p>".to_owned(),
            state: mails::FAILED.to_owned(),
            attempts: 10,
            next_attempt_at: at,
            created_at: at,
            sent_at: None,
            error: Some("refused".to_owned()),
        };
        let key = "refund/1".to_owned();
        let mut done = outbox::Model::new(kernel::new_uuid(), key, "refund", "{}".to_owned(), at);
        done.state = queue::DONE.to_owned();
        let txn = house.app.store().write().await.expect("a transaction");
        outbox::insert(&txn, work.clone()).await.expect("work");
        outbox::insert(&txn, done.clone()).await.expect("work");
        mails::insert_once(&txn, failed.clone()).await.expect("a mail");
        txn.commit().await.expect("kept");

        let (mail_page, work_page) =
            (format!("/console/mails/{}", failed.id), format!("/console/outbox/{}", work.id));
        for (page, action, audited) in [
            (mail_page.as_str(), format!("{mail_page}/retry"), "mail.retry"),
            (work_page.as_str(), format!("{work_page}/replay"), "work.replay"),
        ] {
            let html = browser.get(page).await.html;
            let (_, token) = html.split_once("name=\"form_token\" value=\"").expect("a form");
            let token = token.split('"').next().unwrap().to_owned();
            let form = [("form_token".to_owned(), token.clone())];
            for _ in 0..2 {
                assert_eq!(browser.post(&action, &form).await.status, 303, "{action}");
            }
            let audit = browser.get("/console/audit").await.html;
            assert_eq!(audit.matches(audited).count(), 1, "{audited}: {audit}");
        }
        let page = format!("/console/outbox/{}", done.id);
        let html = browser.get(&page).await.html;
        assert!(html.contains("refund/1") && !html.contains("/replay\""), "{html}");
        let shown = browser.get("/console").await.html;
        let (_, token) = shown.split_once("name=\"form_token\" value=\"").expect("a form");
        let form = [("form_token".to_owned(), token.split('"').next().unwrap().to_owned())];
        assert_eq!(browser.post(&format!("{page}/replay"), &form).await.status, 303);
        let html = browser.get(&page).await.html;
        assert!(html.contains("nothing is done twice") && html.contains(">done<"), "{html}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_draws_what_the_check_of_each_day_found() {
    for house in houses().await {
        let house = house.with_operator().await;
        let ada = house.customer("ada", "ada@example.com").await;
        let days = [(grant(500), true), (debit(120), false), (grant(1_000), true), (debit(80), true)];
        for (n, (of_day, is_checked)) in days.into_iter().enumerate() {
            if n > 0 {
                house.bench.clock.advance_seconds(86_400);
            }
            let of_day = command(ada.wallet, &format!("day-{n}"), of_day);
            house.bench.engine.submit(of_day).await.expect("it is done");
            if is_checked {
                app::verification::run(&house.app, &Principal::system()).await.expect("a check");
            }
        }
        let mut browser = house.operators_browser().await;
        let shown = browser.get("/console").await.html;
        for ends in [
            "Credits outstanding at the last check of each day, {days}: {none}500, none, 1,380, 1,300</title>",
            "Credits used from check to check, {days}: {none}none, none, 120, 80</title>",
            "New customers a day, {days}: {zero}1, 0, 0, 0</title>",
        ] {
            let told = ends.replace("{days}", "19 Feb 2026 to 4 Mar 2026");
            let told = told.replace("{none}", &"none, ".repeat(10)).replace("{zero}", &"0, ".repeat(10));
            assert!(shown.contains(&told), "{}: {told} is not in {shown}", house.bench.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_opens_and_the_check_turns_green() {
    for house in houses().await {
        let house = house.with_operator().await;
        let mut browser = house.operators_browser().await;
        assert!(browser.get("/console").await.html.contains("No check has run yet."));
        let seen = browser.send("/console", "/console/verification", &[]).await;
        assert_eq!(seen.location, "/console");
        assert!(
            browser.get("/console").await.html.contains("A worker is recomputing every balance"),
            "until it is done"
        );
        app::work::schedules_round(&house.app).await.expect("the worker looks");
        let shown = browser.get("/console").await.html;
        assert!(shown.contains(">green<") && shown.contains("Verify now"), "{shown}");
        for page in [
            "review",
            "risk",
            "customers",
            "problems",
            "webhooks",
            "outbox",
            "schedules",
            "mails",
            "unpaid",
            "audit",
        ] {
            assert_eq!(browser.get(&format!("/console/{page}")).await.status, 200, "{page}");
        }
        for list in ["problems", "webhooks", "outbox", "mails"] {
            let seen = browser.get(&format!("/console/{list}?state=nonsense")).await;
            assert!(seen.status == 400 && seen.html.contains("There is no state nonsense."), "{list}");
            assert_eq!(browser.get(&format!("/console/{list}?state=")).await.status, 200, "{list}: all");
        }
        for list in ["webhooks", "outbox", "mails"] {
            assert_eq!(browser.get(&format!("/console/{list}?state=failed")).await.status, 200, "{list}");
        }
        for unknown in
            ["review/cas_1", "customers/cus_1", "webhooks/evt_1", "mails/1", "grants/grt_1/void", "outbox/1"]
        {
            assert_eq!(browser.get(&format!("/console/{unknown}")).await.status, 404, "{unknown}");
        }
        let seen = browser.send("/console", "/console/sign-out", &[]).await;
        assert_eq!((seen.status, seen.location.as_str()), (303, "/console/sign-in"));
        assert_eq!(browser.get("/console").await.status, 303);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lot_is_announced_once_in_each_of_its_periods_and_a_low_wallet_once() {
    for house in houses().await {
        let ada = house.customer("ada-1", "ada@example.com").await;
        let day = 86_400;
        let grant = app::grants::NewGrant {
            customer: CustomerRef::Id(ada.id),
            credits: Credits::whole(500),
            kind: GrantKind::Purchase,
            expires_at: Some(house.bench.clock.now().plus_seconds(60 * day)),
            priority: None,
            reason: None,
            paid: None,
        };
        let keyed = app::Keyed { key: IdempotencyKey::new("g").unwrap(), hash: [1; 32] };
        app::grants::create(&house.app, &Principal::system(), grant, &keyed).await.expect("a grant");
        // A scan reads projections; an engine that stops leaves them at the journal's head.
        house.bench.engine.stop().await;
        let (transport, sent) = mail::Transport::memory();
        let mut subjects = Vec::new();
        for days in [29, 2, 22, 2, 4, 0] {
            house.bench.clock.advance_seconds(days * day);
            for _ in 0..2 {
                app::notices::scan(&house.app).await.expect("a scan");
                send_due(&house.app, &transport).await.expect("a run");
            }
            subjects.extend(sent.lock().unwrap().drain(..).map(|mail| mail.letter.subject));
        }
        let expected =
            ["in 29 days", "in 7 days", "within a day"].map(|when| format!("500 credits expire {when}"));
        assert_eq!(subjects, expected, "{}", house.bench.name);

        let engine = house.bench.another_engine(EngineConfig::default()).await;
        engine.submit(command(ada.wallet, "use", debit(451))).await.expect("a debit");
        engine.stop().await;
        for _ in 0..2 {
            app::notices::scan(&house.app).await.expect("a scan");
        }
        send_due(&house.app, &transport).await.expect("a run");
        let sent: Vec<String> = sent.lock().unwrap().drain(..).map(|mail| mail.letter.subject).collect();
        assert_eq!(sent, ["49 credits left"], "{}", house.bench.name);
    }
}
