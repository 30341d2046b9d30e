//! The portal by plain HTTP, a cookie jar in hand: what a browser would do, and what it must not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use axum::{Router, http};
use futures::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use store::cold::{mails, problems};
use tests::routes::{self, Route};
use tests::shop::{Shop, in_each_shop};
use tower::ServiceExt;

const BODY_MAX_BYTES: usize = 4 * 1024 * 1024;
const PASSWORD: &str = "correct horse battery";
/// In every text field.
const PAYLOADS: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus='alert(1)",
    "{{ 7 * 7 }}</title><svg onload=alert(1)>",
];

/// A browser without scripts.
pub struct Browser {
    app: app::App,
    pages: Router,
    cookies: BTreeMap<String, String>,
    /// As the server tells the pages.
    peer: Option<site::Peer>,
}

#[derive(Debug)]
pub struct Shown {
    pub status: u16,
    location: Option<String>,
    cookies: Vec<String>,
    retry_after: Option<String>,
    pub body: String,
}

impl Browser {
    pub fn of(shop: &Shop) -> Browser {
        Browser::patient(shop, Duration::ZERO)
    }

    /// One whose page after a payment waits for the payment's event.
    fn patient(shop: &Shop, payment_wait: Duration) -> Browser {
        let (app, base) = (shop.app.clone(), format!("http://{}", shop.address));
        let pages = portal::router_that_waits(app.clone(), &base, payment_wait);
        Browser { app, pages, cookies: BTreeMap::new(), peer: None }
    }

    /// The same browser at another process of the shop.
    pub fn at(&self, shop: &Shop, app: app::App) -> Browser {
        let pages = portal::router(app.clone(), &format!("http://{}", shop.address));
        Browser { app, pages, cookies: self.cookies.clone(), peer: self.peer }
    }

    /// The same browser with the cookies of a moment ago.
    fn copy(&self) -> Browser {
        Browser {
            app: self.app.clone(),
            pages: self.pages.clone(),
            cookies: self.cookies.clone(),
            peer: self.peer,
        }
    }

    /// The same browser at an address on the internet.
    pub fn from(&self, address: &str) -> Browser {
        let address = address.parse().expect("an address");
        Browser { peer: Some(site::Peer { address, public: Some(address) }), ..self.copy() }
    }

    pub async fn get(&mut self, path: &str) -> Shown {
        self.send(http::Method::GET, path, String::new()).await
    }

    /// Reads the form's token from the page that has the form, then posts it.
    async fn post(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Shown {
        let shown = self.get(page).await;
        let token = between(&shown.body, "name=\"form_token\" value=\"", "\"").to_owned();
        let mut all = vec![("form_token", token.as_str())];
        all.extend(fields);
        self.post_as_is(path, &all).await
    }

    /// Sends a form of ours with the token of the page `from`.
    pub async fn submit(&mut self, from: &str, path: &str, fields: &[(&str, &str)]) -> Shown {
        self.post(from, path, fields).await
    }

    async fn post_as_is(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", percent(value)));
        self.send(http::Method::POST, path, pairs.collect::<Vec<_>>().join("&")).await
    }

    async fn send(&mut self, method: http::Method, path: &str, body: String) -> Shown {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, cookies.join("; "))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .expect("a request");
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let response = self.pages.clone().oneshot(request).await.expect("an answer");
        let headers = response.headers().clone();
        let text = |value: &http::HeaderValue| value.to_str().expect("plain text").to_owned();
        let cookies: Vec<String> = headers.get_all(header::SET_COOKIE).iter().map(text).collect();
        for cookie in &cookies {
            let (name, value) = cookie.split(';').next().and_then(|c| c.split_once('=')).expect("a cookie");
            match cookie.contains("Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        assert!(headers.contains_key(header::CONTENT_SECURITY_POLICY), "{path} has no policy");
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), BODY_MAX_BYTES).await.expect("a body");
        let body = String::from_utf8(body.to_vec()).expect("UTF-8");
        let of = |name| headers.get(name).map(text);
        Shown { status, location: of(header::LOCATION), cookies, retry_after: of(header::RETRY_AFTER), body }
    }

    /// Signs up, follows the link of the mail and chooses [`PASSWORD`] there; is signed in then.
    pub async fn sign_up(&mut self, name: &str, email: &str) -> Shown {
        let asked = self.ask_for_an_account(email).await;
        assert_eq!(asked.status, 200, "{asked:?}");
        let link = self.mailed_to(&email.to_lowercase()).await;
        self.open(&link, name, PASSWORD).await
    }

    pub async fn ask_for_an_account(&mut self, email: &str) -> Shown {
        self.post("/sign-up", "/sign-up", &[("email", email)]).await
    }

    /// Follows the link of a sign-up and sends the form behind it.
    pub async fn open(&mut self, link: &str, name: &str, password: &str) -> Shown {
        let (_, token) = link.split_once("token=").expect("a link with a token");
        self.post(link, "/verify", &[("token", token), ("name", name), ("password", password)]).await
    }

    /// Follows the link that lifts a hold and sends the form behind it.
    pub async fn confirm(&mut self, link: &str) -> Shown {
        let (_, token) = link.split_once("token=").expect("a link with a token");
        self.post(link, "/on-hold/proof", &[("token", token)]).await
    }

    /// The link of the last mail that opens an account, from the outbox.
    pub async fn mailed_to(&self, email: &str) -> String {
        let rows = mails::Entity::find().filter(mails::Column::Recipient.eq(email));
        let rows = rows.order_by_desc(mails::Column::Id).all(self.app.store().reader()).await.expect("rows");
        let row = rows.iter().find(|row| row.text.contains("/verify?token=")).expect("a mail with a link");
        format!("/verify?token={}", between(&row.text, "/verify?token=", "\n"))
    }

    pub async fn sign_in(&mut self, email: &str, password: &str) -> Shown {
        self.post("/sign-in", "/sign-in", &[("email", email), ("password", password), ("next", "/")]).await
    }

    pub async fn ask_for_a_password(&mut self, email: &str) {
        assert!(self.post("/forgot", "/forgot", &[("email", email)]).await.leads_to("/sign-in"));
    }

    /// Answers where the link leads, or the form behind it.
    pub async fn choose_password(&mut self, token: &str, password: &str) -> String {
        let page = format!("/reset?token={token}");
        let opened = self.get(&page).await;
        let shown = match opened.location {
            Some(_) => opened,
            None => self.post(&page, "/reset", &[("token", token), ("password", password)]).await,
        };
        shown.location.unwrap_or_default()
    }

    async fn is_signed_in(&mut self) -> bool {
        self.get("/settings").await.status == 200
    }

    /// Our id of the customer behind the session.
    pub async fn customer(&mut self) -> String {
        let settings = self.get("/settings").await;
        between(&settings.body, "<dd><code>", "</code>").to_owned()
    }
}

impl Shown {
    fn leads_to(&self, path: &str) -> bool {
        self.status == 303 && self.location.as_deref() == Some(path)
    }
}

/// The text after `start` up to `end`; empty when it is not there.
pub fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let after = text.split_once(start).map_or("", |(_, after)| after);
    after.split_once(end).map_or("", |(found, _)| found)
}

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

async fn grant(shop: &Shop, customer: &str, credits: &str) {
    let new = json!({"customer": customer, "credits": credits, "kind": "promo"});
    assert_eq!(shop.post("/v1/grants", &new).await.status, 201);
}

/// One image; answers its receipt's id.
async fn image(shop: &Shop, customer: &str, more: Value) -> String {
    let mut work = json!({
        "customer": customer, "feature": "image.generate", "model": "sdxl", "quantities": {"images": 1, "steps": 36},
    });
    if let (Some(work), Value::Object(more)) = (work.as_object_mut(), more) {
        work.extend(more);
    }
    let answer = shop.post("/v1/usage", &work).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.document()["id"].as_str().expect("a receipt").to_owned()
}

#[tokio::test]
async fn from_sign_up_to_the_price_formula_of_a_job_in_two_clicks() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        assert!(browser.get("/").await.body.contains("Create an account"));
        assert!(browser.sign_up("Ada", "Ada@Example.com").await.leads_to("/"), "{}", shop.name);
        let balance = browser.get("/").await;
        assert!(balance.body.contains("<h1>Balance</h1>"));

        let customer = browser.customer().await;
        grant(shop, &customer, "100").await;
        let made = browser
            .post("/developers", "/developers/keys", &[("name", "Laptop"), ("once", "0123456789abcdef")])
            .await;
        let key = between(&made.body, "<code class=\"secret\">", "</code>").to_owned();
        assert!(key.starts_with("ck_"), "{made:?}");
        let bearer = format!("Bearer {key}");
        let wallet = shop
            .send("GET", &format!("/v1/customers/{customer}/wallet"), &[("authorization", &bearer)], "")
            .await;
        assert_eq!(wallet.document()["available"], "100", "the key reads its own wallet");
        let receipt = image(shop, &customer, json!({"subject": "ada"})).await;

        // First click: the row on the balance page. That is all it takes.
        let balance = browser.get("/").await;
        let path = format!("/receipts/{receipt}");
        assert!(balance.body.contains(&format!("href=\"{path}\"")) && balance.body.contains("94"));
        let shown = browser.get(&path).await;
        assert!(shown.body.contains("5 (1024 × 1024) × 1.2 (36 steps) = 6"), "{}", shown.body);
        let activity = browser.get("/activity?month=all").await;
        for part in ["Opening", "100", "= Closing", "94", &path] {
            assert!(activity.body.contains(part), "{part}");
        }
        let csv = browser.get("/activity.csv?month=all").await.body;
        assert_eq!(csv.lines().count(), 5, "{csv}");
        assert!(csv.lines().nth(2).is_some_and(|line| line.contains("-6,94,charged")), "{csv}");
    })
    .await;
}

#[tokio::test]
async fn no_form_works_without_its_token() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        let forms: [(&str, &[(&str, &str)]); 8] = [
            ("/sign-in", &[("email", "ada@example.com"), ("password", PASSWORD)]),
            ("/sign-up", &[("email", "b@example.com")]),
            ("/sign-out", &[]),
            ("/checkouts", &[("pack", "pack_100"), ("once", "0123456789abcdef")]),
            ("/developers/keys", &[("name", "k"), ("once", "0123456789abcdef")]),
            ("/settings/name", &[("name", "Eve")]),
            ("/settings/password", &[("current", PASSWORD), ("password", "another password")]),
            ("/settings/sessions/end-others", &[]),
        ];
        let mut stranger = Browser::of(shop);
        let foreign = stranger.get("/sign-in").await;
        let foreign = between(&foreign.body, "name=\"form_token\" value=\"", "\"").to_owned();
        for (path, fields) in forms {
            for token in ["", "0", foreign.as_str()] {
                let mut all = vec![("form_token", token)];
                all.extend(fields);
                let shown = browser.post_as_is(path, &all).await;
                assert_eq!(shown.status, 403, "{path}");
                assert!(shown.body.contains("This form is no longer valid") && shown.body.contains("req_"));
            }
            assert_eq!(browser.post_as_is(path, fields).await.status, 403, "{path}");
        }
        assert!(browser.is_signed_in().await, "nothing of it took effect");
        let mut stranger = Browser::of(shop);
        assert!(stranger.sign_in("ada@example.com", PASSWORD).await.leads_to("/"));
    })
    .await;
}

#[tokio::test]
async fn what_belongs_to_others_is_not_found() {
    in_each_shop(async |shop| {
        let (mut ada, mut bob) = (Browser::of(shop), Browser::of(shop));
        ada.sign_up("Ada", "ada@example.com").await;
        bob.sign_up("Bob", "bob@example.com").await;
        let customer = ada.customer().await;
        grant(shop, &customer, "100").await;
        let receipt = image(shop, &customer, json!({})).await;
        let keys = [("name", "Laptop"), ("once", "0123456789abcdef")];
        ada.post("/developers", "/developers/keys", &keys).await;
        let page = ada.get("/developers").await;
        let key = between(&page.body, "action=\"/developers/keys/", "/").to_owned();
        assert!(key.starts_with("key_"));

        let order = [("pack", "pack_500"), ("once", "fedcba9876543210")];
        ada.post("/buy", "/checkouts", &order).await;
        let mut other = Browser::of(shop);
        other.sign_in("ada@example.com", PASSWORD).await;
        let sessions = ada.get("/settings").await;
        let session = between(&sessions.body, "action=\"/settings/sessions/", "/").to_owned();
        assert!(session.len() > 30, "{session}");
        // What each of Ada's routes with an id leads to.
        let own = BTreeMap::from([
            ("/receipts/{id}", receipt.clone()),
            ("/receipts/{id}/problem", receipt.clone()),
            ("/buy/return/{once}", "fedcba9876543210".to_owned()),
            ("/developers/keys/{id}/revocation", key.clone()),
            ("/settings/sessions/{id}/end", session.clone()),
        ]);
        let is_anybodys = |route: &Route| route.path == "/prices/{feature}/{model}";
        for route in routes::portal().iter().filter(|route| route.has_parameter() && !is_anybodys(route)) {
            let id = own.get(route.path.as_str()).unwrap_or_else(|| panic!("what is {} about?", route.path));
            for id in [id.as_str(), "0", "nobody"] {
                let path = route.with(id);
                if route.takes_get {
                    assert_eq!(bob.get(&path).await.status, 404, "{path}");
                }
                if route.takes_post {
                    let shown = bob.post("/settings", &path, &[("text", "not mine")]).await;
                    assert_eq!(shown.status, 404, "{path}");
                }
            }
            if route.takes_get {
                assert_eq!(ada.get(&route.with(id)).await.status, 200, "{} is Ada's", route.path);
            }
        }
        assert!(ada.get("/developers").await.body.contains(&key), "it is still there");
        let problems = problems::Entity::find().all(shop.app.store().reader()).await.expect("rows");
        assert!(problems.is_empty(), "{problems:?}");
        assert!(other.is_signed_in().await);
        let (revocation, end) =
            (format!("/developers/keys/{key}/revocation"), format!("/settings/sessions/{session}/end"));
        assert!(ada.post("/settings", &end, &[]).await.leads_to("/settings"));
        assert!(!other.is_signed_in().await);
        assert!(ada.post("/developers", &revocation, &[]).await.leads_to("/developers"));
        assert!(!ada.get("/developers").await.body.contains(&key));
    })
    .await;
}

#[tokio::test]
async fn a_session_dies_on_logout_and_on_a_password_change_and_rotates_at_sign_in() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        let shown = browser.sign_up("Ada", "ada@example.com").await;
        let cookie = shown.cookies.iter().find(|c| c.starts_with("scrip_session=")).expect("a session");
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        let mut stolen = browser.copy();
        let old = browser.cookies.clone();
        assert!(browser.post("/settings", "/sign-out", &[]).await.leads_to("/"));
        assert!(!stolen.is_signed_in().await, "the session itself has ended, not only the cookie");
        assert!(browser.sign_in("ada@example.com", PASSWORD).await.leads_to("/"));
        assert_ne!(browser.cookies.get("scrip_session"), old.get("scrip_session"));

        let mut elsewhere = Browser::of(shop);
        elsewhere.sign_in("ADA@example.com ", PASSWORD).await;
        let mut before = browser.copy();
        let wrong = [("current", "not the password"), ("password", "another password")];
        assert_eq!(browser.post("/settings", "/settings/password", &wrong).await.status, 400);
        let right = [("current", PASSWORD), ("password", "another password")];
        assert!(browser.post("/settings", "/settings/password", &right).await.leads_to("/settings"));
        assert!(browser.is_signed_in().await);
        assert!(!elsewhere.is_signed_in().await && !before.is_signed_in().await);
        let mut stranger = Browser::of(shop);
        assert_eq!(stranger.sign_in("ada@example.com", PASSWORD).await.status, 400, "the old one is over");
        assert!(stranger.sign_in("ada@example.com", "another password").await.leads_to("/"));

        shop.clock.advance_seconds(15 * 86_400);
        assert!(!browser.is_signed_in().await, "two weeks without use");
    })
    .await;
}

#[tokio::test]
async fn guessing_passwords_has_to_wait_and_tells_nothing() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        let mut thief = Browser::of(shop);
        let unknown = thief.sign_in("nobody@example.com", "wrong password").await;
        for _ in 0..5 {
            let known = thief.sign_in("ada@example.com", "wrong password").await;
            let said = |shown: &Shown| between(&shown.body, "role=\"status\">", "</p>").to_owned();
            assert_eq!((known.status, said(&known)), (400, said(&unknown)));
        }
        assert_eq!(thief.sign_in("ada@example.com", PASSWORD).await.status, 400, "even the right one waits");
        assert!(browser.is_signed_in().await, "who is signed in stays so");
        shop.clock.advance_seconds(6);
        assert!(thief.sign_in("ada@example.com", PASSWORD).await.leads_to("/"), "{}", shop.name);
    })
    .await;
}

/// Hashing is dear on purpose, so a flood of guesses is not let in; neither is anything counted that was not
/// judged.
#[test]
fn more_guesses_than_can_be_hashed_soon_are_told_to_come_back() {
    // One thread hashes, and the story holds it for a while.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.expect("a runtime").block_on(in_each_shop(async |shop| {
        Browser::of(shop).sign_up("Ada", "ada@example.com").await;
        let mut stranger = Browser::of(shop);
        let page = stranger.get("/sign-in").await.body;
        let token = between(&page, "name=\"form_token\" value=\"", "\"").to_owned();
        let knock = async |email: &str| {
            let form = [("form_token", token.as_str()), ("email", email), ("password", PASSWORD)];
            stranger.copy().post_as_is("/sign-in", &form).await
        };
        let (release, released) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || released.recv());
        let turned_away = AtomicUsize::new(0);
        let flood = join_all((0..200).map(async |n| {
            let shown = knock(&format!("nobody-{n}@example.com")).await;
            turned_away.fetch_add(usize::from(shown.status == 503), Ordering::SeqCst);
            shown
        }));
        let owner = async {
            while turned_away.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            let mut tries = Vec::new();
            // More than are free of a wait when they are wrong.
            for _ in 0..6 {
                tries.push(knock("ada@example.com").await.status);
            }
            release.send(()).expect("the thread waits");
            tries
        };
        let (answers, tries) = tokio::join!(flood, owner);
        assert_eq!(tries, [503; 6], "{}", shop.name);
        let (busy, judged): (Vec<Shown>, Vec<Shown>) =
            answers.into_iter().partition(|shown| shown.status == 503);
        assert!(!judged.is_empty() && judged.iter().all(|shown| shown.status == 400), "{}", shop.name);
        for shown in &busy {
            assert_eq!(shown.retry_after.as_deref(), Some("5"));
            assert!(shown.body.contains("Please try again in a few seconds"), "{}", shown.body);
        }
        assert!(knock("ada@example.com").await.leads_to("/"), "{}: none of it was counted", shop.name);
    }));
}

#[test]
fn a_network_that_floods_the_sign_in_leaves_room_for_everybody_else() {
    // One thread hashes, and the story holds it for a while.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.expect("a runtime").block_on(in_each_shop(async |shop| {
        let mut ada = Browser::of(shop);
        ada.sign_up("Ada", "ada@example.com").await;
        let mut stranger = Browser::of(shop);
        let page = stranger.get("/sign-in").await.body;
        let token = between(&page, "name=\"form_token\" value=\"", "\"").to_owned();
        let knock = async |address: &str, email: &str| {
            let form = [("form_token", token.as_str()), ("email", email), ("password", PASSWORD)];
            stranger.from(address).post_as_is("/sign-in", &form).await
        };
        let (release, released) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || released.recv());
        let turned_away = AtomicUsize::new(0);
        let flood = join_all((0..200).map(async |n| {
            let address = format!("203.0.113.{n}");
            let shown = knock(&address, &format!("nobody-{n}@example.com")).await;
            turned_away.fetch_add(usize::from(shown.status == 503), Ordering::SeqCst);
            shown
        }));
        let others = async {
            while turned_away.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            let same = knock("203.0.113.250", "ada@example.com").await;
            let waiting =
                join_all([knock("198.51.100.7", "ada@example.com"), knock("2001:db8::7", "bea@example.com")]);
            let release = async {
                tokio::task::yield_now().await;
                release.send(()).expect("the thread waits");
            };
            (same, tokio::join!(waiting, release).0)
        };
        let (answers, (same, waiting)) = tokio::join!(flood, others);
        assert_eq!(
            (same.status, same.retry_after.as_deref()),
            (503, Some("5")),
            "{}: of the same network",
            shop.name
        );
        assert!(waiting[0].leads_to("/"), "{}: {:?}", shop.name, waiting[0]);
        assert_eq!(waiting[1].status, 400, "{}: judged", shop.name);
        let refused: Vec<&Shown> = answers.iter().filter(|shown| shown.status == 503).collect();
        assert!((120..199).contains(&refused.len()), "{}: {} refused", shop.name, refused.len());
        assert!(refused.iter().all(|shown| shown.retry_after.as_deref() == Some("5")), "{}", shop.name);
        assert!(knock("203.0.113.250", "ada@example.com").await.leads_to("/"), "{}: it is over", shop.name);
    }));
}

#[tokio::test]
async fn a_network_that_asks_for_accounts_all_the_time_leaves_some_to_others() {
    in_each_shop(async |shop| {
        let flooding = Browser::of(shop).from("203.0.113.9");
        let mut refused = 0;
        for n in 0..120 {
            let shown = flooding.copy().ask_for_an_account(&format!("nobody-{n}@example.com")).await;
            refused += usize::from(shown.status == 503);
            assert!(shown.status == 200 || shown.retry_after.as_deref() == Some("60"), "{shown:?}");
        }
        assert_eq!(refused, 90, "{}: a quarter of a minute's accounts are one network's", shop.name);
        let mut ada = Browser::of(shop).from("203.0.112.9");
        assert_eq!(ada.ask_for_an_account("ada@example.com").await.status, 200, "{}", shop.name);
        shop.clock.advance_seconds(60);
        let again = flooding.copy().ask_for_an_account("later@example.com").await;
        assert_eq!(again.status, 200, "{}: the next minute", shop.name);
    })
    .await;
}

#[tokio::test]
async fn guessing_in_the_form_that_changes_it_has_to_wait_too() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        let (form, new) = ("/settings/password", ("password", "another password"));
        for _ in 0..5 {
            let shown = browser.post("/settings", form, &[("current", "wrong password"), new]).await;
            assert!(shown.status == 400 && shown.body.contains("is not your password"));
        }
        let waits = browser.post("/settings", form, &[("current", PASSWORD), new]).await;
        assert!(waits.status == 400 && waits.body.contains("has to wait"), "even the right one waits");
        shop.clock.advance_seconds(6);
        assert!(browser.post("/settings", form, &[("current", PASSWORD), new]).await.leads_to("/settings"));
        let wrong = browser.post("/settings", form, &[("current", PASSWORD), new]).await;
        assert!(wrong.body.contains("is not your password"), "{}: the count began anew", shop.name);
    })
    .await;
}

#[tokio::test]
async fn a_minute_takes_so_many_resets_and_answers_the_others_alike() {
    in_each_shop(async |shop| {
        let waiting = async || {
            let state = store::cold::queue::WAITING;
            let by = app::Principal::system();
            let page = app::PageRequest { limit: Some(100), ..app::PageRequest::default() };
            let work = app::queues::work(&shop.app, &by, Some(state), &page).await.expect("a list").data;
            work.iter().filter(|work| work.kind == "password_reset").count()
        };
        let most = usize::try_from(app::accounts::RESETS_PER_MINUTE).expect("small");
        let mut stranger = Browser::of(shop);
        let forgot = |n: usize| format!("nobody-{n}@example.com");
        for n in 0..most + 5 {
            let asked = stranger.post("/forgot", "/forgot", &[("email", &forgot(n))]).await;
            assert!(asked.leads_to("/sign-in"), "{n}: {asked:?}");
        }
        assert_eq!(waiting().await, most, "{}", shop.name);
        shop.clock.advance_seconds(60);
        stranger.post("/forgot", "/forgot", &[("email", &forgot(most))]).await;
        assert_eq!(waiting().await, most + 1, "{}", shop.name);
    })
    .await;
}

#[tokio::test]
async fn of_reports_at_once_one_is_taken() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        let customer = browser.customer().await;
        grant(shop, &customer, "100").await;
        let receipt = image(shop, &customer, json!({})).await;
        let path = format!("/receipts/{receipt}/problem");
        let page = browser.get(&format!("/receipts/{receipt}")).await.body;
        let token = between(&page, "name=\"form_token\" value=\"", "\"").to_owned();
        let reports = (0..8).map(|_| {
            let (mut same, path, token) = (browser.copy(), path.as_str(), token.as_str());
            async move { same.post_as_is(path, &[("form_token", token), ("text", "black")]).await }
        });
        let shown = futures::future::join_all(reports).await;
        let taken = shown.iter().filter(|shown| shown.status == 303).count();
        let refused =
            shown.iter().filter(|shown| shown.status == 400 && shown.body.contains("You reported a problem"));
        assert_eq!((taken, refused.count()), (1, 7), "{}", shop.name);
        let (system, all) = (app::Principal::system(), app::PageRequest::default());
        let listed = app::problems::list(&shop.app, &system, None, &all).await.expect("a list").data;
        assert_eq!(listed.len(), 1, "{}", shop.name);
    })
    .await;
}

#[tokio::test]
async fn guesses_side_by_side_are_no_free_tries() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        // Of guesses that meet, at least one is counted, and those that are not are not judged either.
        for _ in 0..5 {
            let guesses = (0..8).map(|_| {
                let mut thief = Browser::of(shop);
                async move { thief.sign_in("ada@example.com", "wrong password").await.status }
            });
            assert!(futures::future::join_all(guesses).await.iter().all(|status| *status == 400));
        }
        let late = Browser::of(shop).sign_in("ada@example.com", PASSWORD).await;
        assert_eq!(late.status, 400, "{}: the fifth round has been waited for", shop.name);
    })
    .await;
}

#[tokio::test]
async fn script_in_any_text_field_is_shown_as_text() {
    in_each_shop(async |shop| {
        for (n, payload) in PAYLOADS.iter().enumerate() {
            let mut browser = Browser::of(shop);
            let refused = browser.ask_for_an_account(payload).await;
            assert_text(&refused, payload, 400);
            let refused = browser.sign_in(payload, payload).await;
            assert_text(&refused, payload, 400);
            let email = format!("p{n}@example.com");
            assert_eq!(browser.ask_for_an_account(&email).await.status, 200);
            let link = browser.mailed_to(&email).await;
            assert_text(&browser.open(&link, payload, "short").await, payload, 400);
            assert!(browser.open(&link, payload, PASSWORD).await.leads_to("/"));
            let fields = [("name", *payload), ("once", "0123456789abcdef")];
            assert_text(&browser.post("/developers", "/developers/keys", &fields).await, payload, 200);
            assert!(
                browser.post("/settings", "/settings/name", &[("name", payload)]).await.leads_to("/settings")
            );
            assert_text(&browser.get("/settings").await, payload, 200);
            let custom = [("credits", *payload), ("once", "0123456789abcdef")];
            let refused = browser.post("/buy", "/checkouts", &custom).await;
            assert_text(&refused, payload, 400);

            let customer = browser.customer().await;
            grant(shop, &customer, "100").await;
            let said = json!({"job": payload, "subject": payload, "vendor_transaction": payload});
            let held = json!({"customer": customer, "credits": "1", "job": payload, "subject": payload});
            assert_eq!(shop.post("/v1/holds", &held).await.status, 201);
            let work = json!({"customer": customer, "credits": "1", "job": payload});
            shop.post("/v1/holds", &work).await;
            let receipt =
                image(shop, &customer, json!({"vendor_transaction": said["vendor_transaction"]})).await;
            for path in ["/", "/activity?month=all", &format!("/receipts/{receipt}")] {
                assert_text(&browser.get(path).await, payload, 200);
            }
            let query = percent(payload);
            let asked = browser.get(&format!("/prices/image.generate/sdxl?images={query}")).await;
            assert_text(&asked, payload, 200);
            assert_eq!(browser.get(&format!("/activity?month={query}")).await.status, 400);
            let next = browser.copy().get(&format!("/sign-in?next={query}")).await;
            assert_eq!(next.location.as_deref(), Some("/"), "no way to elsewhere");
        }
    })
    .await;
}

fn assert_text(shown: &Shown, payload: &str, status: u16) {
    assert_eq!(shown.status, status, "{shown:?}");
    let near = shown.body.find(payload).map(|at| &shown.body[at.saturating_sub(60)..at]);
    // The second half of one payload closes a tag of ours when it is not escaped.
    assert!(near.is_none(), "{payload} stands unescaped after {near:?}");
    for mark in ["<script", "<img", "<svg onload", "' autofocus"] {
        assert!(!shown.body.contains(mark), "{mark} in {}", shown.body);
    }
}

/// What a page says, without what differs from one showing to the next.
fn said(shown: &Shown) -> String {
    let token = between(&shown.body, "name=\"form_token\" value=\"", "\"");
    if token.is_empty() { shown.body.clone() } else { shown.body.replace(token, "") }
}

#[tokio::test]
async fn an_account_opens_with_the_link_that_was_mailed() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        let asked = browser.ask_for_an_account("ada@example.com").await;
        assert!(asked.status == 200 && asked.body.contains("<strong>ada@example.com</strong>"), "{asked:?}");
        assert!(!asked.body.contains("token=") && !asked.cookies.iter().any(|c| c.contains("session")));
        for password in ["", PASSWORD] {
            let early = browser.sign_in("ada@example.com", password).await;
            assert_eq!(early.status, 400, "{}: nobody signs in before the link", shop.name);
        }
        shop.settle().await;
        let mail = shop.sent.lock().expect("no panic holds it").first().expect("a mail").letter.clone();
        let path = format!("/verify?token={}", between(&mail.text, "/verify?token=", "\n"));
        assert!(browser.get("/verify?token=0").await.leads_to("/sign-in"));
        // Looking opens nothing: what reads mails for viruses follows links as well.
        for _ in 0..2 {
            let shown = browser.get(&path).await;
            assert!(shown.status == 200 && shown.body.contains("value=\"ada@example.com\""), "{shown:?}");
        }
        assert!(browser.open(&path, "Ada", "short").await.body.contains("must have 10 to 200 characters"));
        assert!(browser.open(&path, " ", PASSWORD).await.body.contains("id=\"name-wrong\""));
        assert_eq!(browser.sign_in("ada@example.com", PASSWORD).await.status, 400);
        let opened = browser.open(&path, "Ada", PASSWORD).await;
        assert!(opened.leads_to("/") && opened.cookies.iter().any(|c| c.starts_with("scrip_session=")));
        assert!(browser.get("/").await.body.contains("Your account is open."));
        assert!(!browser.get("/").await.body.contains("Your account is open."), "shown once");
        assert!(browser.get("/settings").await.body.contains("value=\"Ada\""));
        assert!(browser.get(&path).await.leads_to("/"), "a link may be followed twice");

        // And it is no way to another password.
        let mut finder = Browser::of(shop);
        assert!(finder.get(&path).await.leads_to("/sign-in"));
        let (_, token) = path.split_once("token=").expect("a token");
        let form = [("token", token), ("name", "Eve"), ("password", "a word of the finder")];
        assert!(finder.post("/sign-in", "/verify", &form).await.leads_to("/sign-in"));
        assert!(finder.get("/sign-in").await.body.contains("This account is open."));
        assert_eq!(finder.sign_in("ada@example.com", "a word of the finder").await.status, 400);
        assert!(finder.sign_in("ada@example.com", PASSWORD).await.leads_to("/"));
    })
    .await;
}

#[tokio::test]
async fn who_buys_for_themselves_is_greeted_by_their_new_name_and_an_organisation_keeps_its_own() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        let ada = browser.customer().await;
        let works = json!({
            "external_id": "works", "kind": "organisation", "name": "Pixel Works", "email": "works@example.com",
        });
        let made = shop.post("/v1/customers", &works).await.document();
        let works = made["id"].as_str().expect("an id").to_owned();
        let id = works.parse().expect("an id");
        let bea = ("bea@example.com", "Bea");
        app::accounts::ensure_user(&shop.app, bea.0, bea.1, PASSWORD, Some(id)).await.expect("a user");
        let mut member = Browser::of(shop);
        assert!(member.sign_in(bea.0, PASSWORD).await.leads_to("/"));
        for (browser, customer, name) in
            [(&mut browser, &ada, "Ada Lovelace"), (&mut member, &works, "Pixel Works")]
        {
            let renamed = browser.post("/settings", "/settings/name", &[("name", "Ada Lovelace")]).await;
            assert!(renamed.leads_to("/settings"), "{renamed:?}");
            let of = shop.get(&format!("/v1/customers/{customer}")).await.document();
            assert_eq!(of["name"], name, "{}", shop.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_hold_is_lifted_by_the_link_that_was_mailed_for_it_within_the_hour() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        let customer = browser.customer().await;
        let welcome = browser.mailed_to("ada@example.com").await;
        let hold = json!({"reason": "a look at the address", "step_up": "verify_mail"});
        assert_eq!(shop.post(&format!("/v1/customers/{customer}/restrict"), &hold).await.status, 200);
        assert!(browser.get(&welcome).await.leads_to("/"));
        let held = browser.get("/on-hold").await.body;
        assert!(held.contains("New work is on hold"), "{}: it was proven before: {held}", shop.name);

        let mut followed = String::new();
        for is_in_time in [false, true] {
            shop.clock.advance_seconds(3_600);
            assert!(browser.post("/on-hold", "/on-hold/link", &[]).await.leads_to("/on-hold"));
            shop.settle().await;
            let sent = shop.sent.lock().expect("no panic holds it").clone();
            let mail = sent.iter().rev().find(|mail| mail.letter.subject.starts_with("Go on at Scrip"));
            let text = &mail.expect("a mail of its own").letter.text;
            assert!(text.starts_with("Hello Ada,\n\nYou asked for the link") && !text.contains("Welcome"));
            let link = format!("/verify?token={}", between(text, "/verify?token=", "\n"));
            if !is_in_time {
                shop.clock.advance_seconds(3_600);
            }
            // What looks through mails follows links as well: looking lifts nothing.
            for _ in 0..2 {
                let shown = Browser::of(shop).get(&link).await;
                assert_eq!(shown.status == 200, is_in_time, "{}: {shown:?}", shop.name);
                assert!(is_in_time || shown.leads_to("/sign-in"), "{}: {shown:?}", shop.name);
            }
            assert!(browser.get("/on-hold").await.body.contains("New work is on hold"), "{}", shop.name);
            if is_in_time {
                assert!(browser.confirm(&link).await.leads_to("/on-hold"), "{}", shop.name);
            } else {
                let (_, token) = link.split_once("token=").expect("a token");
                let late = browser.post("/on-hold", "/on-hold/proof", &[("token", token)]).await;
                assert!(late.leads_to("/sign-in"), "{}: {late:?}", shop.name);
            }
            let shown = browser.get("/on-hold").await.body;
            assert_eq!(shown.contains("Nothing is on hold"), is_in_time, "{}: {shown}", shop.name);
            followed = link;
        }
        assert!(browser.get("/").await.body.contains("Balance"));

        shop.clock.advance_seconds(60);
        assert_eq!(shop.post(&format!("/v1/customers/{customer}/restrict"), &hold).await.status, 200);
        assert!(browser.confirm(&followed).await.leads_to("/on-hold"));
        let shown = browser.get("/on-hold").await.body;
        assert!(shown.contains("New work is on hold"), "{}: a link of an earlier hold: {shown}", shop.name);
    })
    .await;
}

#[tokio::test]
async fn a_sign_up_does_not_tell_whose_address_is_taken() {
    in_each_shop(async |shop| {
        let system = app::Principal::system();
        let operator = app::accounts::NewOperator {
            email: "olga@example.com".to_owned(),
            name: "Olga".to_owned(),
            password: PASSWORD.to_owned(),
        };
        app::accounts::create_operator(&shop.app, &system, operator).await.expect("an operator");
        let mut ada = Browser::of(shop);
        ada.sign_up("Ada", "ada@example.com").await;
        shop.settle().await;
        let before = shop.sent.lock().expect("no panic holds it").len();

        let mut answers = Vec::new();
        for email in ["nobody@example.com", "ADA@example.com", "olga@example.com", "ada@example.com"] {
            let mut thief = Browser::of(shop);
            let asked = thief.ask_for_an_account(email).await;
            let tried = thief.sign_in(email, "a word of the thief").await;
            let words = [said(&asked), said(&tried)].map(|page| page.replace(email, ""));
            answers.push((asked.status, tried.status, asked.cookies.len(), words));
        }
        assert_eq!((answers[0].0, answers[0].1), (200, 400));
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{}: {answers:?}", shop.name);
        let customers = app::customers::list(&shop.app, &system, None, &app::PageRequest::default()).await;
        let names: Vec<String> = customers.expect("a list").data.into_iter().map(|c| c.name).collect();
        assert_eq!(names.iter().filter(|name| *name == "nobody@example.com").count(), 1, "{names:?}");

        shop.settle().await;
        let sent: Vec<_> =
            shop.sent.lock().expect("no panic holds it").iter().skip(before).cloned().collect();
        let to = |email: &str| sent.iter().filter(|mail| mail.recipient == email).collect::<Vec<_>>();
        let owner = to("ada@example.com");
        assert_eq!(owner.len(), 1, "{}: two in ten minutes are one mail", shop.name);
        let text = &owner[0].letter.text;
        assert!(
            text.contains("Hello Ada,") && text.contains("/sign-in\n") && text.contains("/forgot\n"),
            "{text}"
        );
        assert!(to("olga@example.com")[0].letter.text.contains("/console/sign-in\n"));
        assert!(to("nobody@example.com")[0].letter.text.contains("/verify?token="));
        assert!(ada.get("/settings").await.body.contains("value=\"Ada\""), "nothing of hers has changed");
    })
    .await;
}

/// Whoever signs up with somebody else's address waits for its owner to follow the link.
#[tokio::test]
async fn the_account_of_an_address_belongs_to_who_reads_its_mails() {
    in_each_shop(async |shop| {
        let (mut eve, mut ada) = (Browser::of(shop), Browser::of(shop));
        // What a form of an earlier version had is not heard.
        let fields = [("name", "Eve"), ("email", "ada@example.com"), ("password", PASSWORD)];
        assert_eq!(eve.post("/sign-up", "/sign-up", &fields).await.status, 200);
        let first = ada.mailed_to("ada@example.com").await;
        ada.ask_for_an_account("ada@example.com").await;
        assert_eq!(ada.mailed_to("ada@example.com").await, first, "the first mail has just been sent");
        shop.clock.advance_seconds(601);
        eve.post("/sign-up", "/sign-up", &fields).await;
        let link = ada.mailed_to("ada@example.com").await;
        assert_ne!(link, first);
        assert!(ada.get(&first).await.leads_to("/sign-in"), "the earlier link has ended");
        assert!(ada.open(&link, "Ada", "another horse entirely").await.leads_to("/"));
        assert!(!eve.is_signed_in().await);
        assert_eq!(eve.sign_in("ada@example.com", PASSWORD).await.status, 400, "{}", shop.name);
        assert!(ada.get("/settings").await.body.contains("value=\"Ada\""));
        shop.settle().await;
        let sent = shop.sent.lock().expect("no panic holds it").clone();
        assert!(sent.iter().all(|mail| !mail.letter.text.contains("Eve")), "no words of hers are mailed");
        let customer = ada.customer().await;
        assert_eq!(shop.get(&format!("/v1/customers/{customer}")).await.document()["name"], "Ada");
    })
    .await;
}

#[tokio::test]
async fn who_forgets_a_password_before_there_is_one_gets_the_link_that_opens_the_account() {
    in_each_shop(async |shop| {
        let mut ada = Browser::of(shop);
        ada.ask_for_an_account("ada@example.com").await;
        let first = ada.mailed_to("ada@example.com").await;
        ada.ask_for_a_password("ada@example.com").await;
        shop.settle().await;
        let text = shop.sent.lock().expect("no panic holds it").last().expect("a mail").letter.text.clone();
        let link = format!("/verify?token={}", between(&text, "/verify?token=", "\n"));
        assert_ne!(link, first, "{}", shop.name);
        assert!(ada.get(&first).await.leads_to("/sign-in"), "the earlier link has ended");
        assert!(ada.open(&link, "Ada", PASSWORD).await.leads_to("/"));
        let sent = shop.sent.lock().expect("no panic holds it").clone();
        assert!(sent.iter().all(|mail| !mail.letter.text.contains("/reset?token=")), "{}", shop.name);
    })
    .await;
}

#[tokio::test]
async fn a_form_for_a_key_that_is_sent_twice_makes_one_and_with_other_fields_none() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        let form = |name: &'static str| [("name", name), ("once", "0123456789abcdef")];
        let made = browser.post("/developers", "/developers/keys", &form("Laptop")).await.body;
        assert!(made.contains("<code class=\"secret\">ck_"));
        let again = browser.post("/developers", "/developers/keys", &form("Laptop")).await;
        assert!(again.status == 200 && again.body.contains("was made before"), "{again:?}");
        let other = browser.post("/developers", "/developers/keys", &form("Server")).await;
        assert!(other.status == 400 && other.body.contains("Nothing new was made"), "{other:?}");
        let page = browser.get("/developers").await.body;
        assert_eq!(page.matches("/revocation\"").count(), 1, "{page}");
    })
    .await;
}

#[tokio::test]
async fn credits_come_from_the_verified_event_and_not_from_the_way_back() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        let shown = browser.get("/buy").await.body;
        for words in [
            "$45.00",
            "$0.09 per credit",
            "Save 10 %",
            "About 100 SDXL or 50 DALL·E 3 images",
            "PCI DSS level 1",
        ] {
            assert!(shown.contains(words), "{words}");
        }
        let order = [("pack", "pack_500"), ("once", "0123456789abcdef")];
        let url = browser.post("/buy", "/checkouts", &order).await.location.expect("the hosted page");
        let more = [("pack", "pack_1000"), ("quantity", "3"), ("once", "several-packs-1234")];
        assert_eq!(browser.post("/buy", "/checkouts", &more).await.status, 303);
        let sessions = shop.at_gateway("GET", "/v1/checkout/sessions?limit=1", "").await;
        assert_eq!(sessions["data"][0]["amount_total"], 24_000, "three packs of 1,000: {sessions}");
        for quantity in ["0", "many", "1001"] {
            let wrong = [("pack", "pack_1000"), ("quantity", quantity), ("once", "several-packs-1235")];
            let refused = browser.post("/buy", "/checkouts", &wrong).await;
            assert!(refused.status == 400 && refused.body.contains("id=\"quantity-wrong\""), "{refused:?}");
        }
        let again = browser.post("/buy", "/checkouts", &order).await.location;
        assert_eq!(again.as_deref(), Some(url.as_str()), "the same form twice is one purchase");
        for other in [("pack", "pack_100"), ("credits", "20000")] {
            let changed = browser.post("/buy", "/checkouts", &[other, order[1]]).await;
            assert!(changed.status == 400 && changed.body.contains("Nothing new was bought"), "{changed:?}");
        }
        let back = "/buy/return/0123456789abcdef";
        let early = browser.get(back).await.body;
        assert!(early.contains("Waiting for the payment") && early.contains(&format!("href=\"{back}\"")));
        assert!(!early.contains("http-equiv"), "a page that reloads itself takes the reader's place away");
        let went_to = shop.pay(&json!({"url": url}), tests::shop::SUCCESS).await;
        assert!(went_to.ends_with(back), "{went_to}");
        assert!(browser.get(back).await.body.contains("Waiting"), "the way back proves nothing");
        // A page that waits, and the event that comes meanwhile: no second look is needed.
        let mut patient = Browser::patient(shop, Duration::from_secs(600));
        patient.cookies.clone_from(&browser.cookies);
        let (done, ()) = tokio::join!(patient.get(back), shop.settle());
        assert!(done.body.contains("Thank you") && done.body.contains("+500"), "{}", done.body);
        let done = browser.get(back).await.body;
        assert!(done.contains("Thank you") && !done.contains("Check again"), "{done}");
        assert!(browser.get("/").await.body.contains("<strong>500</strong> credits"));
    })
    .await;
}

#[tokio::test]
async fn strangers_see_prices_and_are_asked_to_sign_in_elsewhere() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        let prices = browser.get("/prices").await;
        assert!(prices.status == 200 && prices.body.contains("/prices/image.generate/sdxl"));
        let asked = browser.get("/prices/image.generate/sdxl?images=2&width=1024&height=1024&steps=36").await;
        let quote = json!({
            "customer": "demo", "feature": "image.generate", "model": "sdxl",
            "quantities": {"images": 2, "width": 1024, "height": 1024, "steps": 36},
        });
        let quote = shop.post("/v1/quotes", &quote).await.document();
        let credits = quote["credits"].as_str().expect("a price");
        assert!(asked.body.contains(&format!("<p class=\"big\">{credits} ")), "as the API says: {quote}");
        assert_eq!(browser.get("/prices/image.generate/nothing").await.status, 404);
        for path in ["/activity", "/activity.csv", "/developers", "/settings", "/buy", "/buy/cancelled"] {
            let shown = browser.get(path).await;
            assert_eq!(shown.location, Some(format!("/sign-in?next={}", path.replace('/', "%2F"))), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn activity_is_narrowed_by_kind_work_and_any_name_of_a_row() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        let customer = browser.customer().await;
        grant(shop, &customer, "100").await;
        let image = image(shop, &customer, json!({"job": "poster", "vendor_transaction": "fal-1"})).await;
        let chat = json!({
            "customer": customer, "feature": "text.generate", "model": "gpt-4", "job": "chat", "subject": "mira",
            "quantities": {"input_tokens": 1000},
        });
        let chat = shop.post_with("/v1/usage", "my-own-key", &chat).await.document()["id"].clone();
        let chat = chat.as_str().expect("a receipt").to_owned();
        let both = [format!("/receipts/{image}"), format!("/receipts/{chat}")];
        for (query, shown) in [
            ("", [true, true]),
            ("&kind=used", [true, true]),
            ("&kind=received", [false, false]),
            ("&work=image.generate", [true, false]),
            ("&work=image.generate%2Fmidjourney", [false, false]),
            ("&work=text.generate%2Fgpt-4", [false, true]),
            ("&q=poster", [true, false]),
            ("&q=fal-1", [true, false]),
            ("&q=mira", [false, true]),
            ("&q=my-own-key", [false, true]),
            (&format!("&q={image}"), [true, false]),
            ("&q=poste", [false, false]),
            ("&kind=used&work=text.generate&q=chat", [false, true]),
        ] {
            for page in ["/activity", "/activity.csv"] {
                let found = browser.get(&format!("{page}?month=all{query}")).await.body;
                let is_there = [&image, &chat].map(|id| found.contains(id.as_str()));
                // The id that is searched for stands in the search box, too.
                let is_linked = both.each_ref().map(|path| found.contains(&format!("href=\"{path}\"")));
                let is_there = if page == "/activity" { is_linked } else { is_there };
                assert_eq!(is_there, shown, "{}: {page} {query}", shop.name);
                let closing = if page == "/activity" { "= Closing" } else { "Closing balance" };
                assert_eq!(found.contains(closing), page == "/activity" || query.is_empty(), "{query}");
            }
        }
        assert_eq!(browser.get("/activity?kind=nonsense").await.status, 400);
    })
    .await;
}

#[tokio::test]
async fn a_receipt_tells_every_step_of_its_hold() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        let customer = browser.customer().await;
        grant(shop, &customer, "100").await;
        let hold = shop.post("/v1/holds", &json!({"customer": customer, "credits": "20"})).await.document();
        let hold = hold["id"].as_str().expect("a hold").to_owned();
        let mut receipts = Vec::new();
        for (path, body) in [
            ("capture", json!({"credits": "3", "final": false})),
            ("extend", json!({"credits": "7"})),
            ("capture", json!({"credits": "4"})),
        ] {
            shop.clock.advance_seconds(60);
            let done = shop.post(&format!("/v1/holds/{hold}/{path}"), &body).await;
            assert!(done.status < 300, "{done:?}");
            receipts.push(done.document()["id"].as_str().unwrap_or_default().to_owned());
        }
        for (receipt, other) in [(&receipts[0], &receipts[2]), (&receipts[2], &receipts[0])] {
            let shown = browser.get(&format!("/receipts/{receipt}")).await.body;
            let steps = between(&shown, "<ol class=\"timeline\">", "</ol>");
            let told = ["20 set aside", "3 charged", "7 more set aside", "4 charged, 20 given back"];
            let found: Vec<Option<usize>> = told.iter().map(|step| steps.find(step)).collect();
            assert!(found.iter().all(Option::is_some) && found.is_sorted(), "{found:?} in {steps}");
            assert!(steps.contains(&format!("href=\"/receipts/{other}\"")), "the other capture: {steps}");
            assert_eq!(steps.matches("this receipt").count(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_reported_problem_reaches_operators_once() {
    in_each_shop(async |shop| {
        let operator = app::accounts::NewOperator {
            email: "olga@example.com".to_owned(),
            name: "Olga".to_owned(),
            password: PASSWORD.to_owned(),
        };
        let system = app::Principal::system();
        app::accounts::create_operator(&shop.app, &system, operator).await.expect("an operator");
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        let customer = browser.customer().await;
        grant(shop, &customer, "100").await;
        let receipt = image(shop, &customer, json!({})).await;
        let (page, path) = (format!("/receipts/{receipt}"), format!("/receipts/{receipt}/problem"));
        assert_eq!(browser.post(&page, &path, &[("text", " ")]).await.status, 400);
        let told = [("text", "It is black.\r\n<b>All</b> of it.")];
        let twice = browser.copy();
        assert!(browser.post(&page, &path, &told).await.leads_to(&page));
        let shown = browser.get(&page).await.body;
        assert!(shown.contains("Your report reached us") && shown.contains("You reported a problem"));
        let mut twice = twice;
        let token =
            between(&twice.get("/settings").await.body, "name=\"form_token\" value=\"", "\"").to_owned();
        let again = twice.post_as_is(&path, &[("form_token", &token), told[0]]).await;
        assert!(again.status == 400 && again.body.contains("You reported a problem with it"), "{again:?}");
        shop.settle().await;
        let sent = shop.sent.lock().expect("no panic holds it").clone();
        let mails: Vec<_> = sent.iter().filter(|mail| mail.recipient == "olga@example.com").collect();
        assert_eq!(mails.len(), 1);
        let letter = &mails[0].letter;
        assert!(
            letter.text.contains("<b>All</b> of it.") && letter.text.contains(&receipt),
            "{}",
            letter.text
        );
        assert!(!letter.html.contains("<b>All"));

        let page = app::PageRequest::default();
        let listed = app::problems::list(&shop.app, &system, Some("open"), &page).await.expect("a list").data;
        assert_eq!(listed.iter().map(|p| p.receipt.as_str()).collect::<Vec<_>>(), [receipt.as_str()]);
        assert_eq!(
            (listed[0].customer_name.as_str(), listed[0].reporter.as_str()),
            ("Ada", "ada@example.com")
        );
        let mut stranger = Browser::of(shop);
        stranger.sign_up("Bob", "bob@example.com").await;
        assert_eq!(stranger.post("/settings", &path, &told).await.status, 404, "another's receipt");
    })
    .await;
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_the_link_that_was_mailed() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        shop.settle().await;
        let before = shop.sent.lock().expect("no panic holds it").len();
        let mut stranger = Browser::of(shop);
        for email in ["nobody@example.com", "Ada@example.com", "ada@example.com"] {
            let asked = stranger.post("/forgot", "/forgot", &[("email", email)]).await;
            assert!(asked.leads_to("/sign-in"), "the same answer for everybody: {asked:?}");
        }
        shop.settle().await;
        let sent = shop.sent.lock().expect("no panic holds it").clone();
        let new: Vec<_> = sent.iter().skip(before).collect();
        assert_eq!(new.len(), 1, "{new:?}");
        let link = between(&new[0].letter.text, "/reset?token=", "\n").trim().to_owned();
        let chosen = |password: &'static str| [("token", link.clone()), ("password", password.to_owned())];
        let page = format!("/reset?token={link}");
        let fields = chosen("short");
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_eq!(stranger.post(&page, "/reset", &fields).await.status, 400);
        let fields = chosen("another horse entirely");
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert!(stranger.post(&page, "/reset", &fields).await.leads_to("/sign-in"));
        assert!(!browser.is_signed_in().await, "every session has ended");
        assert_eq!(browser.sign_in("ada@example.com", PASSWORD).await.status, 400);
        assert!(browser.sign_in("ada@example.com", "another horse entirely").await.leads_to("/"));
        assert!(stranger.get(&page).await.leads_to("/forgot"), "a link works once");
        let told = stranger.get("/forgot").await.body;
        assert!(told.contains("This link is not valid any more. Ask for another."), "{told}");
        assert!(
            stranger.post("/forgot", "/reset", &fields).await.leads_to("/forgot"),
            "and so does its token"
        );

        shop.clock.advance_seconds(3_600);
        stranger.post("/forgot", "/forgot", &[("email", "ada@example.com")]).await;
        shop.settle().await;
        let last = shop.sent.lock().expect("no panic holds it").last().expect("a mail").clone();
        let link = between(&last.letter.text, "/reset?token=", "\n").trim().to_owned();
        shop.clock.advance_seconds(3_600);
        assert!(stranger.get(&format!("/reset?token={link}")).await.leads_to("/forgot"), "an hour is over");
        let fields = [("token", link.as_str()), ("password", PASSWORD)];
        assert!(stranger.post("/forgot", "/reset", &fields).await.leads_to("/forgot"), "an hour is over");
    })
    .await;
}

#[tokio::test]
async fn signing_out_everywhere_ends_this_session_too() {
    in_each_shop(async |shop| {
        let (mut here, mut there) = (Browser::of(shop), Browser::of(shop));
        here.sign_up("Ada", "ada@example.com").await;
        there.sign_in("ada@example.com", PASSWORD).await;
        assert!(there.is_signed_in().await);
        assert!(here.post("/settings", "/settings/sessions/end-all", &[]).await.leads_to("/"));
        assert!(!here.is_signed_in().await && !there.is_signed_in().await);
    })
    .await;
}
