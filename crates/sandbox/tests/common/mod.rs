//! A sandbox on a real port over a database of its own, a browser and a webhook receiver.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests, which clippy does not see as tests")]
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use gateways::Secret;
use gateways::stripe::{Retries, Stripe, StripeSettings};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use kernel::{Clock, Timestamp, new_uuid};
use sandbox::{MOUNT, Sandbox, SandboxConfig, router};
use serde_json::Value;
use store::Store;
use tokio::net::TcpListener;

pub const KEY: &str = "sk_test_sandbox";
pub const WEBHOOK_SECRET: &str = "whsec_common";

pub struct World {
    pub sandbox: Sandbox,
    pub clock: Clock,
    /// Without a slash at the end.
    pub origin: String,
    pub url: String,
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no redirect: {} {}", self.status, self.body))
    }
}

/// A database file that a second [`world_on`] opens again.
pub fn database() -> String {
    let path = std::env::temp_dir().join(format!("scrip-sandbox-{}.db", new_uuid().simple()));
    format!("sqlite://{}", path.display())
}

pub async fn world() -> World {
    world_on(&database()).await
}

pub async fn world_on(database: &str) -> World {
    let store = Store::connect(database).await.expect("a database");
    migrations::migrate(&store).await.expect("a schema");
    let clock = Clock::manual("2026-11-22T12:00:00Z".parse::<Timestamp>().expect("an instant"));
    let sandbox = Sandbox::new(store, clock.clone(), SandboxConfig::default());
    let app = Router::new().nest(MOUNT, router(sandbox.clone()));
    let origin = serve(app).await;
    let url = format!("{origin}{MOUNT}");
    World { sandbox, clock, origin, url }
}

pub async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    origin
}

impl World {
    pub fn stripe(&self) -> Stripe {
        let secrets = vec![Secret::new(WEBHOOK_SECRET)];
        let mut settings = StripeSettings::new(Secret::new(KEY), secrets).at(format!("{}/", self.url));
        settings.retries = Retries { attempts: 1, ..Retries::default() };
        Stripe::new(settings).expect("settings")
    }

    pub async fn post(&self, path: &str, form: &str) -> Reply {
        self.call("POST", path, form, &[]).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, "", &[]).await
    }

    /// The API with the test key; `extra` replaces or adds headers.
    pub async fn call(&self, method: &str, path: &str, body: &str, extra: &[(&str, &str)]) -> Reply {
        let bearer = format!("Bearer {KEY}");
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend_from_slice(extra);
        send(method, &format!("{}{path}", self.url), body, &headers).await
    }

    /// A checkout over 45.00 USD, and its page.
    pub async fn checkout(&self) -> (String, String) {
        let form = "mode=payment&success_url=http://127.0.0.1:9/return?c={CHECKOUT_SESSION_ID}\
            &cancel_url=http://127.0.0.1:9/buy&client_reference_id=chk_1&customer_email=ada@example.org\
            &line_items[0][quantity]=1&line_items[0][price_data][currency]=usd\
            &line_items[0][price_data][unit_amount]=4500\
            &line_items[0][price_data][product_data][name]=500 credits%3Cb%3E\
            &payment_intent_data[metadata][a]=b";
        let made = self.post("/v1/checkout/sessions", form).await;
        assert_eq!(made.status, 200, "{}", made.body);
        let text = |name: &str| made.json()[name].as_str().unwrap_or_default().to_owned();
        (text("id"), text("url"))
    }

    /// Types a card into a page.
    pub async fn pay(&self, page: &str, number: &str) -> Reply {
        let form = format!("number={number}&expiry=12/34&cvc=123&name=Ada");
        send("POST", page, &form, &[]).await
    }

    pub async fn session(&self, id: &str) -> Value {
        self.get(&format!("/v1/checkout/sessions/{id}?expand[]=payment_intent.latest_charge")).await.json()
    }

    /// Kinds of all events, oldest first.
    pub async fn events(&self) -> Vec<String> {
        let list = self.get("/v1/events?limit=100").await.json();
        let mut kinds: Vec<String> = list["data"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|event| event["type"].as_str().unwrap_or_default().to_owned())
            .collect();
        kinds.reverse();
        kinds
    }
}

pub async fn send(method: &str, url: &str, body: &str, headers: &[(&str, &str)]) -> Reply {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(url);
    if method == "POST" {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).expect("a request");
    let (parts, body) = client.request(request).await.expect("an answer").into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// A webhook receiver: keeps what arrives, answers the scripted statuses, then 200.
#[derive(Clone, Default)]
pub struct Receiver {
    pub received: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    pub answers: Arc<Mutex<Vec<u16>>>,
}

impl Receiver {
    pub async fn start(&self) -> String {
        let app = Router::new().route("/webhooks", post(receive)).with_state(self.clone());
        format!("{}/webhooks", serve(app).await)
    }

    pub fn kinds(&self) -> Vec<String> {
        self.bodies().iter().map(|event| event["type"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub fn bodies(&self) -> Vec<Value> {
        let received = self.received.lock().expect("no panic");
        received.iter().map(|(_, body)| serde_json::from_slice(body).expect("JSON")).collect()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    receiver.received.lock().expect("no panic").push((headers, body));
    let mut answers = receiver.answers.lock().expect("no panic");
    let status = if answers.is_empty() { 200 } else { answers.remove(0) };
    StatusCode::from_u16(status).expect("a status")
}
