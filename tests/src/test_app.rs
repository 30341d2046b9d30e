//! The whole product in this process, without TCP: a fresh database, an engine, the use cases and the
//! router, with a clock that stands still and the demo catalogue.

use std::sync::Arc;

use app::payments::PaymentGateway;
use app::{App, AppConfig, demo};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, header};
use engine::{Engine, EngineConfig};
use http_body_util::BodyExt;
use kernel::Clock;
use serde_json::{Value, json};
use store::Store;
use tokio::sync::OnceCell;
use tower::ServiceExt;

use crate::cluster::postgres;
use crate::databases::{noon, urls};
use crate::guard::Guard;
use crate::scratch::ScratchDir;
use crate::till::Till;

pub const BUY_URL: &str = "https://example.com/buy";
const MAX_PAGES: usize = 100;

/// One process of the product.
pub struct TestApp {
    /// Of the database.
    pub name: &'static str,
    pub clock: Clock,
    pub app: App,
    /// The merchant's, with all scopes.
    pub key: String,
    url: String,
    router: Router,
    /// Kept for as long as the database is used.
    folder: Option<Arc<ScratchDir>>,
}

/// A request before it is sent.
pub struct Call<'a> {
    app: &'a TestApp,
    what: String,
    request: axum::http::request::Builder,
    body: Body,
}

/// An answer, with what it answers for whoever reads a failure.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub what: String,
}

/// A database with the demo in it and nobody connected: every story begins with a copy.
struct Seed {
    name: &'static str,
    url: String,
    key: String,
    folder: Option<Arc<ScratchDir>>,
    /// Takes the folder of a seed away after this process: a static is never dropped.
    _guard: Option<Guard>,
}

static SEEDS: OnceCell<Vec<Seed>> = OnceCell::const_new();

/// Tells the story on each database that this machine has, and checks the journal after it.
pub async fn on_each_database(story: impl AsyncFn(&TestApp)) {
    for seed in SEEDS.get_or_init(sow).await {
        let app = TestApp::start(seed).await;
        story(&app).await;
        app.assert_verified().await;
        app.end().await;
    }
}

impl TestApp {
    async fn start(seed: &Seed) -> TestApp {
        TestApp::open(seed.copy(), Clock::manual(noon())).await
    }

    async fn open(on: Seed, clock: Clock) -> TestApp {
        let store = Store::connect(&on.url).await.expect("it opens");
        TestApp::with(store, on, clock).await
    }

    async fn with(store: Store, on: Seed, clock: Clock) -> TestApp {
        let app = open(store, clock.clone()).await;
        let router = api::router(app.clone(), BUY_URL);
        let Seed { name, url, key, folder, .. } = on;
        TestApp { name, clock, app, key, url, router, folder }
    }

    /// A second process: its own connections, engine and caches, the same database and clock.
    pub async fn another_process(&self) -> TestApp {
        TestApp::open(self.place(), self.clock.clone()).await
    }

    /// A second process that tells `log` each statement it sends.
    pub async fn telling_process(&self, log: impl Fn(&str) + Clone + Send + Sync + 'static) -> TestApp {
        let mut store = Store::connect(&self.url).await.expect("it opens again");
        store.on_statement(move |statement| log(&statement.sql));
        TestApp::with(store, self.place(), self.clock.clone()).await
    }

    fn place(&self) -> Seed {
        let (url, key, folder) = (self.url.clone(), self.key.clone(), self.folder.clone());
        Seed { name: self.name, url, key, folder, _guard: None }
    }

    /// The process after a restart; this one takes no more commands.
    pub async fn restarted(&self) -> TestApp {
        self.app.engine().stop().await;
        self.another_process().await
    }

    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        Call {
            app: self,
            what: format!("{}: {method} {path}", self.name),
            request: Request::builder().method(method).uri(path),
            body: Body::empty(),
        }
    }

    /// By the merchant.
    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path).by(&self.key).send().await
    }

    /// By the merchant, with a key of its own.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_with(path, &self.new_key(), body).await
    }

    /// By the merchant, with this idempotency key.
    pub async fn post_with(&self, path: &str, key: &str, body: &Value) -> Reply {
        self.call("POST", path).by(&self.key).key(key).json(body).send().await
    }

    /// An idempotency key that no test writes by hand.
    pub fn new_key(&self) -> String {
        kernel::new_uuid().to_string()
    }

    /// The manual clock's start and some seconds, as the API writes instants.
    pub fn at(&self, seconds: i64) -> String {
        noon().plus_seconds(seconds).to_string()
    }

    /// A customer without credits; answers them.
    pub async fn customer(&self, external_id: &str) -> Value {
        let new =
            json!({"external_id": external_id, "kind": "individual", "name": "C", "email": "c@example.com"});
        self.post("/v1/customers", &new).await.success(201)
    }

    /// A customer with one promotional lot that never expires.
    pub async fn funded(&self, external_id: &str, credits: &str) -> Value {
        let customer = self.customer(external_id).await;
        self.grant(external_id, credits, &json!({})).await;
        customer
    }

    /// Grants credits, with more members for the body.
    pub async fn grant(&self, customer: &str, credits: &str, more: &Value) -> Value {
        let mut body = json!({"customer": customer, "credits": credits, "kind": "promo"});
        merge(&mut body, more);
        self.post("/v1/grants", &body).await.success(201)
    }

    /// A hold of plain credits.
    pub async fn hold(&self, customer: &str, credits: &str) -> Value {
        self.post("/v1/holds", &json!({"customer": customer, "credits": credits})).await.success(201)
    }

    /// A charge of whole credits in one step: gpt-4 costs 5 credits per 1,000 tokens.
    pub async fn use_credits(&self, customer: &str, credits: u64) -> Value {
        self.post("/v1/usage", &usage(customer, credits)).await.success(201)
    }

    /// Sends one event, or an array of them.
    pub async fn report(&self, events: &Value) -> Reply {
        self.call("POST", "/api/v1/events").by(&self.key).json(events).send().await
    }

    pub async fn wallet(&self, customer: &str) -> Value {
        self.get(&format!("/v1/customers/{customer}/wallet")).await.success(200)
    }

    pub async fn wallet_as_of(&self, customer: &str, seconds: i64) -> Value {
        let path = format!("/v1/customers/{customer}/wallet?as_of={}", self.at(seconds));
        self.get(&path).await.success(200)
    }

    /// Asserts available, held and debt.
    pub async fn assert_wallet(&self, customer: &str, balances: [&str; 3]) {
        assert_eq!(balances_of(&self.wallet(customer).await), balances, "{}: {customer}", self.name);
    }

    /// The whole statement, oldest line first.
    pub async fn postings(&self, customer: &str) -> Vec<Value> {
        let mut lines = self.pages(&format!("/v1/customers/{customer}/postings"), 100).await;
        lines.reverse();
        lines
    }

    /// All items of a list, page by page.
    pub async fn pages(&self, path: &str, limit: usize) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let page = self.get(&format!("{path}?limit={limit}{cursor}")).await.success(200);
            let data = page["data"].as_array().expect("a list has its data");
            assert!(data.len() <= limit, "{path}: {} items", data.len());
            items.extend(data.iter().cloned());
            assert_eq!(page["has_more"], page["next_cursor"].is_string(), "{path}");
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
        panic!("{}: {path} has no end", self.name)
    }

    /// The secret of a new `ck_` key.
    pub async fn customers_key(&self, customer: &str) -> String {
        let new = json!({"name": "theirs", "customer": customer});
        text(&self.post("/v1/api-keys", &new).await.success(201), "/secret")
    }

    /// The secret of a new merchant's key.
    pub async fn merchants_key(&self, scopes: &[&str]) -> String {
        let new = json!({"name": "ours", "scopes": scopes});
        text(&self.post("/v1/api-keys", &new).await.success(201), "/secret")
    }

    /// Drafts and publishes a rate card; answers its id.
    pub async fn publish(&self, document: &str) -> String {
        let draft = self.post("/v1/rate-cards", &json!({"document": document})).await.success(201);
        let id = text(&draft, "/id");
        self.post(&format!("/v1/rate-cards/{id}/publish"), &json!({})).await.success(200);
        id
    }

    pub async fn assert_verified(&self) {
        let report = store::verify::verify(self.app.store()).await.expect("verify reads everything");
        assert!(report.is_ok(), "{}: {:?}", self.name, report.described);
    }

    /// Hundreds of databases would fill a small disk. Nobody waits for theirs to go: the server's
    /// checkpoint takes longer than most stories.
    async fn end(self) {
        self.app.engine().stop().await;
        let name = database_of(&self.url).to_owned();
        let is_postgres = self.url.starts_with("postgres://");
        drop(self);
        if let Some(cluster) = postgres().filter(|_| is_postgres) {
            std::thread::spawn(move || {
                cluster.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"))
            });
        }
    }
}

impl Call<'_> {
    /// With this API key.
    pub fn by(self, secret: &str) -> Self {
        self.header(header::AUTHORIZATION.as_str(), &format!("Bearer {secret}"))
    }

    /// With this idempotency key.
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        self.header_bytes(name, value.as_bytes())
    }

    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw_json(body.to_string())
    }

    /// Bytes that say they are JSON.
    pub fn raw_json(self, body: impl Into<Bytes>) -> Self {
        self.raw("application/json", body)
    }

    pub fn raw(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let shown: String = String::from_utf8_lossy(&body).chars().take(200).collect();
        self.what = format!("{} {shown}", self.what);
        self.body = Body::from(body);
        self.header(header::CONTENT_TYPE.as_str(), content_type)
    }

    pub async fn send(self) -> Reply {
        let request = self.request.body(self.body).expect("a request that can be sent");
        let response = self.app.router.clone().oneshot(request).await.expect("a router never fails");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body in memory").to_bytes();
        Reply { status: head.status.as_u16(), headers: head.headers, body, what: self.what }
    }
}

impl Reply {
    /// The document; `null` for an empty body.
    pub fn document(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The document of a success with this status.
    pub fn success(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self}");
        self.document()
    }

    /// The problem document of a failure with this status and code, complete as every problem is.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.any_problem();
        assert_eq!((self.status, text(&problem, "/code").as_str()), (status, code), "{self}");
        problem
    }

    /// A 400 that names this member.
    pub fn names(&self, field: &str) -> Value {
        let problem = self.problem(400, "invalid_request");
        let fields: Vec<String> = fields_of(&problem);
        assert!(fields.iter().any(|f| f == field), "{field} is not named: {self}");
        problem
    }

    /// Any complete problem document.
    pub fn any_problem(&self) -> Value {
        assert!((400..600).contains(&self.status), "{self}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self}");
        let problem = self.document();
        for member in ["type", "title", "detail", "code", "request_id"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self}");
        }
        assert_eq!(problem["status"], self.status, "{self}");
        assert!(problem["errors"].is_array(), "{self}");
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{self}");
        problem
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(2_000).collect();
        write!(f, "{} → {} {body}", self.what, self.status)
    }
}

/// What `use_credits` reports.
pub fn usage(customer: &str, credits: u64) -> Value {
    json!({
        "customer": customer, "feature": "text.generate", "model": "gpt-4",
        "quantities": {"input_tokens": credits * 200},
    })
}

/// `seconds` of a feature of our test cards, as a quote, a hold or a usage report has it.
pub fn work(customer: &str, feature: &str, seconds: u32) -> Value {
    json!({"customer": customer, "feature": feature, "model": "m", "quantities": {"seconds": seconds}})
}

/// The same as a CloudEvent in our own shape.
pub fn event(subject: &str, id: &str, feature: &str, seconds: u32) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "tests", "subject": subject, "type": "scrip.usage",
        "data": {"feature": feature, "model": "m", "quantities": {"seconds": seconds}},
    })
}

/// The text at a JSON pointer.
pub fn text(document: &Value, pointer: &str) -> String {
    let found = document.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no text at {pointer} of {document}")).to_owned()
}

/// Available, held, debt.
pub fn balances_of(wallet: &Value) -> [String; 3] {
    ["/available", "/held", "/debt"].map(|balance| text(wallet, balance))
}

/// The members that a problem names.
pub fn fields_of(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().filter_map(|error| Some(error["field"].as_str()?.to_owned())).collect()
}

/// Puts the members of `more` into `body`.
pub fn merge(body: &mut Value, more: &Value) {
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
}

/// Made once in this process; migrating anew for each story would take longer than the stories.
async fn sow() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, url, folder) in urls() {
        let store = Store::connect(&url).await.expect("a fresh database opens");
        migrations::migrate(&store).await.expect("it migrates");
        let app = open(store.clone(), Clock::manual(noon())).await;
        let demo = demo::demo(&app).await.expect("the demo starts");
        app::risk::flush(&app).await.expect("what it saw is written");
        app.engine().stop().await;
        drop(app);
        store.close().await.expect("it closes");
        let key = demo.secret.expect("the first start has a key");
        let guard = folder.as_ref().map(|folder| Guard::new("rm -rf \"$1\"", [folder.path()]));
        seeds.push(Seed { name, url, key, folder, _guard: guard });
    }
    seeds
}

impl Seed {
    fn copy(&self) -> Seed {
        let (url, folder) = match self.url.strip_prefix("sqlite://") {
            Some(file) => {
                let folder = ScratchDir::new("story");
                let copy = folder.path().join("scrip.db");
                std::fs::copy(file, &copy).expect("the file can be copied");
                (format!("sqlite://{}", copy.display()), Some(Arc::new(folder)))
            }
            None => (postgres().expect("it is there").copy_of_database(database_of(&self.url)), None),
        };
        Seed { name: self.name, url, key: self.key.clone(), folder, _guard: None }
    }
}

fn database_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

async fn open(store: Store, clock: Clock) -> App {
    let engine = Engine::start(store.clone(), clock.clone(), EngineConfig::default()).await;
    let config = AppConfig { gateway: Some(PaymentGateway::new(Till::default())), ..AppConfig::default() };
    App::open(store, clock, engine.expect("the engine starts"), config)
}
