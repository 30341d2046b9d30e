//! Where customers sign up from: a farm is found before it has used anything, and of addresses only a keyed hash of their
//! network is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;

use sea_orm::EntityTrait;
use serde_json::{Value, json};
use store::Store;
use store::cold::risk::origins;
use tests::process::{Server, ServerOptions};
use tests::scratch::ScratchDir;
use tests::shop::{Shop, in_each_shop};

use crate::portal::{Browser, between};
use crate::risk::tick;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
/// Signs up, and gets a trial.
const FARM: usize = 9;

async fn grant(shop: &Shop, customer: &str, kind: &str) {
    let body = json!({"customer": customer, "credits": "60", "kind": kind});
    assert_eq!(shop.post("/v1/grants", &body).await.status, 201, "{}", shop.name);
}

/// Signs up in the portal; answers our id.
async fn signs_up(shop: &Shop, email: &str, from: &str, kind: &str) -> String {
    let mut browser = Browser::of(shop).from(from);
    browser.sign_up("Robin", email).await;
    let id = browser.customer().await;
    shop.clock.advance_seconds(40);
    grant(shop, &id, kind).await;
    id
}

/// The patterns of open cases, of each customer.
async fn found(shop: &Shop) -> BTreeMap<String, BTreeSet<String>> {
    shop.clock.advance_seconds(app::risk::LAG_SECONDS + 1);
    tick(&shop.app).await;
    let open = shop.get("/v1/risk/cases?state=open&limit=100").await.document();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let reasons = |case: &Value| {
        let reasons = case["reasons"].as_array().expect("a list");
        reasons.iter().map(|reason| text(&reason["name"])).collect()
    };
    open["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|case| (text(&case["customer"]), reasons(case)))
        .collect()
}

#[tokio::test]
async fn a_farm_that_signs_up_in_the_portal_is_found_before_it_has_used_anything() {
    in_each_shop(async |shop| {
        tick(&shop.app).await;
        let mut farm = BTreeSet::new();
        for n in 0..FARM {
            let address = format!("198.51.100.{}", n * 17 + 1);
            farm.insert(signs_up(shop, &format!("f{n}@mailinator.com"), &address, "trial").await);
            // An office, and people who hide their address elsewhere.
            signs_up(shop, &format!("c{n}@office.example"), "203.0.113.9", "promo").await;
            let elsewhere = format!("192.0.{}.7", n + 10);
            signs_up(shop, &format!("h{n}@mailinator.com"), &elsewhere, "trial").await;
        }
        let found = found(shop).await;
        assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), farm, "{}: {found:?}", shop.name);
        assert!(found.values().all(|reasons| reasons.contains("trial_farm")), "{}: {found:?}", shop.name);
        made_anew_it_is_the_same(shop).await;
    })
    .await;
}

async fn made_anew_it_is_the_same(shop: &Shop) {
    let pages = store::cold::retention::Passing::RiskPages;
    store::cold::retention::forget(shop.app.store(), pages, i64::MAX, 1_000_000).await.expect("they go");
    let (reached, state) = app::risk::state_of(&shop.app).await;
    let again = app::risk::rebuild(&shop.app, reached).await.expect("the tables are read");
    assert!(state == again && state.wallets() >= FARM, "{}: made anew it is another", shop.name);
}

/// Customers of a merchant's own program, which tells where they are.
#[tokio::test]
async fn a_farm_that_the_api_tells_of_is_found_as_well() {
    in_each_shop(async |shop| {
        tick(&shop.app).await;
        let mut farm = BTreeSet::new();
        for n in 0..FARM {
            for (name, ip) in [("f", Some(format!("2001:db8:7:{n}::1"))), ("quiet", None)] {
                let mut new = json!({"external_id": format!("{name}{n}"), "kind": "individual", "name": "Robin",
                    "email": format!("{name}{n}@yopmail.com")});
                if let Some(ip) = &ip {
                    new["context"] = json!({"ip": ip});
                }
                let made = shop.post("/v1/customers", &new).await.document();
                let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
                grant(shop, &id, "trial").await;
                if ip.is_some() {
                    farm.insert(id);
                }
            }
            shop.clock.advance_seconds(3_600);
        }
        let found = found(shop).await;
        assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), farm, "{}: {found:?}", shop.name);
        made_anew_it_is_the_same(shop).await;
        let rows = origins::Entity::find().all(shop.app.store().reader()).await.expect("rows");
        assert_eq!(rows.len(), FARM);
        let networks: BTreeSet<i64> = rows.iter().map(|row| row.network).collect();
        assert_eq!(networks.len(), 1, "one /48 is one network: {rows:?}");
    })
    .await;
}

/// An account that was signed up before anybody asked from where.
#[tokio::test]
async fn who_opens_an_account_comes_from_where_they_signed_up_or_else_from_there() {
    in_each_shop(async |shop| {
        let network_of = async |signs_up: Option<&str>, opens: Option<&str>, email: &str| {
            let at = |browser: Browser, from: Option<&str>| match from {
                Some(from) => browser.from(from),
                None => browser,
            };
            let mut first = at(Browser::of(shop), signs_up);
            first.ask_for_an_account(email).await;
            let link = first.mailed_to(email).await;
            at(Browser::of(shop), opens).open(&link, "Robin", "correct horse battery").await;
            let rows = origins::Entity::find().all(shop.app.store().reader()).await.expect("rows");
            let newest = rows.into_iter().max_by_key(|row| row.told_at);
            shop.clock.advance_seconds(1);
            newest.map(|row| row.network)
        };
        let (here, there) = (Some("198.51.100.1"), Some("203.0.113.1"));
        assert_eq!(network_of(None, None, "n@example.com").await, None);
        let of_here = network_of(here, there, "a@example.com").await;
        let of_there = network_of(None, there, "b@example.com").await;
        assert!(of_here.is_some() && of_there.is_some() && of_here != of_there);
        assert_eq!(network_of(Some("198.51.100.200"), None, "c@example.com").await, of_here);
    })
    .await;
}

/// Answers the whole answer to a request of its own connection.
fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn ask_for_an_account(port: u16, email: &str, forwarded: &str) {
    let head = format!("host: 127.0.0.1:{port}\r\nconnection: close\r\nx-forwarded-for: {forwarded}\r\n");
    let page = exchange(port, &format!("GET /sign-up HTTP/1.1\r\n{head}\r\n"));
    let cookie = between(&page, "set-cookie: ", ";");
    let token = between(&page, "name=\"form_token\" value=\"", "\"");
    let body = format!("form_token={token}&email={email}");
    let kind = "content-type: application/x-www-form-urlencoded";
    let length = body.len();
    let answer = exchange(
        port,
        &format!(
            "POST /sign-up HTTP/1.1\r\n{head}cookie: {cookie}\r\n{kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Networks that a server kept of two sign-ups through a proxy.
async fn kept(trusted: &str) -> Vec<i64> {
    let folder = ScratchDir::new("risk-sign-ups");
    let options = ServerOptions::serve(EXECUTABLE, folder.path()).env("SCRIP_PROXIES", trusted);
    let server = Server::start(&options);
    ask_for_an_account(server.port(), "a%40example.com", "198.51.100.7, 203.0.113.1");
    ask_for_an_account(server.port(), "b%40example.com", "192.0.2.9, 203.0.113.200");
    drop(server);
    let url = format!("sqlite://{}", folder.path().join("scrip-data/scrip.db").display());
    let store = Store::connect(&url).await.expect("it opens");
    let rows = origins::Entity::find().all(store.reader()).await.expect("rows");
    store.close().await.expect("it closes");
    rows.into_iter().map(|row| row.network).collect()
}

#[tokio::test]
async fn a_proxy_is_believed_when_it_is_named_and_else_nothing_is_known() {
    let named = kept("127.0.0.0/8").await;
    assert_eq!(named.len(), 2, "{named:?}");
    assert_eq!(named[0], named[1], "what stands on the left was said by whoever asked");
    assert_eq!(kept("").await, Vec::<i64>::new());
}
