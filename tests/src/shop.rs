//! A process of the product that sells credits: API and sandbox on a real socket, the worker driven by
//! hand, a clock that stands still. Nothing is left to time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use app::accounts::{self, Credentials, NewOperator, Opening, Role, SignUp, SignedIn};
use app::payments::PaymentGateway;
use app::{App, AppConfig, Principal, demo};
use engine::{Engine, EngineConfig};
use gateways::Secret;
use gateways::stripe::{Stripe, StripeSettings};
use kernel::{Clock, new_uuid};
use mail::{Mail, Transport};
use sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};
use store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::databases::{noon, urls};
use crate::scratch::ScratchDir;

pub const WEBHOOK_SECRET: &str = "whsec_of_the_tests";
pub const SUCCESS: &str = "4242424242424242";
const STRIPE_KEY: &str = "sk_test_of_the_tests";
/// Rounds of [`Shop::settle`]; more means that work makes work for ever.
const ROUNDS_MAX: usize = 200;

pub struct Shop {
    pub name: &'static str,
    pub app: App,
    pub clock: Clock,
    pub sandbox: Sandbox,
    pub address: SocketAddr,
    /// The merchant's, with all scopes.
    pub key: String,
    pub mails: Transport,
    pub sent: Arc<Mutex<Vec<Mail>>>,
    url: String,
    server: JoinHandle<()>,
    _folder: Option<Arc<ScratchDir>>,
}

/// An answer on the wire.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Tells the story on each database that this machine has, and checks the journal after it.
pub async fn in_each_shop(story: impl AsyncFn(&Shop)) {
    for (name, url, folder) in urls() {
        let shop = Shop::open(name, url, folder).await;
        story(&shop).await;
        let report = store::verify::verify(shop.app.store()).await.expect("verify reads everything");
        assert!(report.is_ok(), "{name}: {:?}", report.described);
        shop.server.abort();
        shop.app.engine().stop().await;
    }
}

/// Somebody who signed up, followed the link and is signed in.
pub async fn account(app: &App, name: &str, email: &str, password: &str) -> SignedIn {
    let made = accounts::sign_up(app, email, None, None).await.expect("a sign-up");
    let SignUp::Mailed { link, .. } = made else { panic!("{email} is known: {made:?}") };
    let (_, token) = link.split_once("token=").expect("a link with a token");
    let with = Opening {
        token: token.to_owned(),
        name: name.to_owned(),
        password: password.to_owned(),
        user_agent: String::new(),
        from: None,
        earlier: None,
    };
    accounts::open_account(app, with).await.expect("a session")
}

/// A new operator who is signed in.
pub async fn operator(app: &App, name: &str, email: &str, password: &str) -> SignedIn {
    let [name, email, password] = [name, email, password].map(str::to_owned);
    let new = NewOperator { email: email.clone(), name, password: password.clone() };
    accounts::create_operator(app, &Principal::system(), new).await.expect("an operator");
    let with = Credentials {
        email,
        password,
        role: Role::Operator,
        user_agent: String::new(),
        network: None,
        earlier: None,
    };
    accounts::sign_in(app, with).await.expect("a session")
}

impl Shop {
    async fn open(name: &'static str, url: String, folder: Option<Arc<ScratchDir>>) -> Shop {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let store = Store::connect(&url).await.expect("a fresh database opens");
        migrations::migrate(&store).await.expect("it migrates");
        let clock = Clock::manual(noon());
        let app = process(store.clone(), &clock, address).await;
        let sandbox = Sandbox::new(store, clock.clone(), SandboxConfig::default());
        let webhook = format!("http://{address}/webhooks/stripe");
        sandbox.send_events_to(&webhook, WEBHOOK_SECRET).await.expect("the sandbox takes the endpoint");
        let key = demo::demo(&app).await.expect("the demo starts").secret.expect("the first start has a key");
        let router = api::router(app.clone(), "/buy").nest(sandbox::MOUNT, sandbox::router(sandbox.clone()));
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let (mails, sent) = Transport::memory();
        Shop { name, app, clock, sandbox, address, key, mails, sent, url, server, _folder: folder }
    }

    /// A second process on the same database: its own connections, engine and worker.
    pub async fn another_process(&self) -> App {
        let store = Store::connect(&self.url).await.expect("it opens again");
        process(store, &self.clock, self.address).await
    }

    /// A second process that reaches another gateway.
    pub async fn process_with(&self, gateway: PaymentGateway) -> App {
        let store = Store::connect(&self.url).await.expect("it opens again");
        with_gateway(store, &self.clock, gateway).await
    }

    /// The adapter that the shop's processes reach the sandbox with.
    pub fn stripe(&self) -> Stripe {
        stripe_at(self.address)
    }

    /// Everything that is due by the clock: deliveries of the sandbox, then the worker, until nothing is.
    pub async fn settle(&self) {
        for _ in 0..ROUNDS_MAX {
            let delivered = self.sandbox.deliver_due().await.expect("the sandbox delivers");
            let done = worker::drain(&self.app, &self.mails).await.expect("the worker works");
            if delivered + done == 0 {
                return;
            }
        }
        panic!("{}: the work has no end", self.name);
    }

    pub async fn wait_and_settle(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
        self.settle().await;
    }

    pub async fn customer(&self, external_id: &str) {
        let new =
            json!({"external_id": external_id, "kind": "individual", "name": "C", "email": "c@example.com"});
        assert_eq!(self.post("/v1/customers", &new).await.status, 201);
    }

    /// Opens a checkout for `pack_500`; answers the document.
    pub async fn checkout(&self, customer: &str) -> Value {
        let answer = self.post("/v1/checkouts", &self.order(customer)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.document()
    }

    pub fn order(&self, customer: &str) -> Value {
        json!({
            "customer": customer, "pack": "pack_500",
            "success_url": "http://127.0.0.1:9/thanks", "cancel_url": "http://127.0.0.1:9/prices",
        })
    }

    /// Types a card into the hosted page; answers where the browser goes.
    pub async fn pay(&self, checkout: &Value, card: &str) -> String {
        let page = path_of(checkout["url"].as_str().expect("an open checkout has its page"));
        let shown = self.send("GET", &page, &[], "").await;
        assert!(shown.status == 200 && shown.body.contains("TEST MODE"), "{shown:?}");
        self.form(&page, &format!("number={card}&expiry=12%2F34&cvc=123&name=Ada")).await
    }

    /// Answers the bank's question.
    pub async fn authenticate(&self, page: &str, answer: &str) -> String {
        self.form(page, &format!("answer={answer}")).await
    }

    async fn form(&self, page: &str, body: &str) -> String {
        let head = [("content-type", "application/x-www-form-urlencoded")];
        let answer = self.send("POST", page, &head, body).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.header("location").expect("a redirect says where")
    }

    /// A call of Stripe's API at the sandbox, as the merchant's own dashboard makes it: Scrip hears of it
    /// from the webhook only.
    pub async fn at_gateway(&self, method: &str, path: &str, form: &str) -> Value {
        self.at_gateway_under(None, method, path, form).await
    }

    /// The same under an idempotency key.
    pub async fn at_gateway_under(&self, key: Option<&str>, method: &str, path: &str, form: &str) -> Value {
        let bearer = format!("Bearer {STRIPE_KEY}");
        let mut head =
            vec![("authorization", bearer.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        head.extend(key.map(|key| ("idempotency-key", key)));
        let answer = self.send(method, &format!("{}{path}", sandbox::MOUNT), &head, form).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.document()
    }

    pub async fn available(&self, customer: &str) -> String {
        self.balances(customer).await[0].clone()
    }

    /// Available, held, debt.
    pub async fn balances(&self, customer: &str) -> [String; 3] {
        let wallet = self.get(&format!("/v1/customers/{customer}/wallet")).await.document();
        ["available", "held", "debt"].map(|balance| wallet[balance].as_str().unwrap_or_default().to_owned())
    }

    /// All events that were stored, first page.
    pub async fn events(&self) -> Vec<Value> {
        let page = self.get("/v1/gateway-events?limit=100").await.document();
        page["data"].as_array().cloned().unwrap_or_default()
    }

    /// Posts a body to the webhook under a signature header.
    pub async fn webhook(&self, body: &str, signature: &str) -> Answer {
        self.send("POST", "/webhooks/stripe", &[("stripe-signature", signature)], body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[("authorization", &format!("Bearer {}", self.key))], "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, &new_uuid().to_string(), body).await
    }

    pub async fn post_with(&self, path: &str, key: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let head = [
            ("authorization", bearer.as_str()),
            ("idempotency-key", key),
            ("content-type", "application/json"),
        ];
        self.send("POST", path, &head, &body.to_string()).await
    }

    pub async fn send(&self, method: &str, path: &str, head: &[(&str, &str)], body: &str) -> Answer {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for (name, value) in head {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("content-length: {}\r\n\r\n{body}", body.len());
        let mut stream = TcpStream::connect(self.address).await.expect("the shop is open");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        let text = String::from_utf8(answer).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split_whitespace().nth(1).and_then(|s| s.parse().ok()).expect("a status");
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}

impl Answer {
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.map(str::to_owned)
    }
}

/// The path and query of a URL.
pub fn path_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or_else(|| "/".to_owned(), |at| rest[at..].to_owned())
}

async fn process(store: Store, clock: &Clock, address: SocketAddr) -> App {
    with_gateway(store, clock, PaymentGateway::new(stripe_at(address))).await
}

fn stripe_at(address: SocketAddr) -> Stripe {
    let settings = StripeSettings::new(Secret::new(STRIPE_KEY), vec![Secret::new(WEBHOOK_SECRET)])
        .at(format!("http://{address}{}/", sandbox::MOUNT));
    Stripe::new(settings).expect("usable settings")
}

async fn with_gateway(store: Store, clock: &Clock, gateway: PaymentGateway) -> App {
    let engine = Engine::start(store.clone(), clock.clone(), EngineConfig::default()).await;
    let config = AppConfig { gateway: Some(gateway), ..AppConfig::default() };
    App::open(store, clock.clone(), engine.expect("the engine starts"), config)
}
