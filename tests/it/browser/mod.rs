//! The pages in a real Chromium.

mod journeys;
mod pages;
mod payloads;
mod pictures;
mod refunds;
mod risk;
mod walk;

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::browser::Browser;
use tests::process::{Server, ServerOptions};
use tests::scratch::ScratchDir;
use tests::wire::{Reply, Wire};

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
const PASSWORD: &str = "three sunny words";
/// They sign in with the password of the demo.
const DEMO_CUSTOMER: &str = "demo@example.com";
const STUDIO: &str = "studio@example.com";
const DEMO_OPERATOR: &str = "operator@example.com";
const SUCCESS: &str = "4242 4242 4242 4242";

/// A server of the test's own, and somebody who looks at it.
struct Visit {
    browser: Browser,
    /// Where forms were sent to, by [`payloads`].
    sent: RefCell<BTreeSet<String>>,
    server: Server,
    folder: ScratchDir,
}

impl Visit {
    /// `None` on a machine without Chromium.
    fn start(name: &str) -> Option<Visit> {
        let browser = Browser::open()?;
        let folder = ScratchDir::new(&format!("pages-{name}"));
        let options = ServerOptions::serve(EXECUTABLE, folder.path()).env("SCRIP_LOG", "warn");
        Some(Visit { browser, sent: RefCell::default(), server: Server::start(&options), folder })
    }

    /// With the month of use that a first start writes.
    fn start_as_shipped(name: &str) -> Option<Visit> {
        let browser = Browser::open()?;
        let folder = ScratchDir::new(&format!("pages-{name}"));
        let options = ServerOptions::serve(EXECUTABLE, folder.path()).as_shipped();
        Some(Visit { browser, sent: RefCell::default(), server: Server::start(&options), folder })
    }

    fn go(&self, path: &str) {
        self.browser.goto(&format!("{}{path}", self.server.url()));
    }

    fn sign_up(&self, name: &str, email: &str) {
        self.go("/sign-up");
        self.browser.fill("E-mail address", email);
        self.browser.push("Create account");
        self.browser.until_at("Look into your mail");
        self.browser.follow("Open the account");
        self.browser.until_at("Open your account");
        self.browser.fill("Your name", name);
        self.browser.fill("Password", PASSWORD);
        self.browser.push("Open account");
        self.browser.until_at("Balance");
    }

    /// The link in the newest mail of the folder that has `part` in it.
    fn mailed_link(&self, part: &str) -> String {
        self.mailed_link_in("", part)
    }

    /// The same of mails that also say `text`.
    fn mailed_link_in(&self, text: &str, part: &str) -> String {
        let folder = self.folder.path().join("scrip-data/mail");
        let find = || newest_link(&folder, text, part);
        self.browser.until(&format!("a mail with {text:?} and {part}"), || find().is_some());
        find().unwrap_or_default()
    }

    fn sign_in_as_demo(&self) {
        self.sign_in("/sign-in", DEMO_CUSTOMER);
        self.browser.until_at("Balance");
    }

    fn sign_in_as_operator(&self) {
        self.sign_in("/console/sign-in", DEMO_OPERATOR);
        self.browser.until_at("Overview");
    }

    fn sign_in(&self, page: &str, email: &str) {
        let kept = std::fs::read_to_string(self.folder.path().join("scrip-data/demo-password"));
        self.go(page);
        self.browser.fill("E-mail address", email);
        self.browser.fill("Password", kept.expect("the demo's password is kept").trim());
        self.browser.push("Sign in");
    }

    /// The id of the customer who is signed in.
    fn customer(&self) -> String {
        self.go("/settings");
        let text = self.browser.text();
        let id = text.split_whitespace().find(|word| word.starts_with("cus_"));
        id.unwrap_or_else(|| self.browser.fail("the settings name the customer")).to_owned()
    }

    /// The API, with a key.
    fn api(&self, key: &str) -> Wire {
        Wire::new(self.server.port(), key)
    }

    /// The API as the merchant's own product calls it.
    fn merchant(&self) -> Wire {
        self.api(&self.server.api_key().expect("the banner shows the test key"))
    }
}

/// Mails are quoted-printable; their names begin with their time.
fn newest_link(folder: &std::path::Path, said: &str, part: &str) -> Option<String> {
    let mut files: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.iter().rev().find_map(|file| {
        let text = std::fs::read_to_string(file).ok()?.replace("=\r\n", "").replace("=3D", "=");
        let at = text.find(part).filter(|_| text.contains(said))?;
        let from = text[..at].rfind("http")?;
        text[from..].split_whitespace().next().map(str::to_owned)
    })
}

/// A call that must succeed.
fn post(wire: &mut Wire, path: &str, body: &Value) -> Reply {
    let reply = wire.post(path, &kernel::new_uuid().to_string(), &body.to_string()).expect("an answer");
    assert!(reply.is_success(), "{path}: {reply:?}");
    reply
}

fn available(wire: &mut Wire, customer: &str) -> String {
    let reply = wire.get(&format!("/v1/customers/{customer}/wallet")).expect("an answer");
    assert!(reply.is_success(), "{reply:?}");
    reply.text("available")
}

/// Two images for ten credits: a quote, a hold, a capture.
fn make_images(customer_key: &mut Wire, merchant: &mut Wire, customer: &str) {
    let work = json!({"customer": customer, "feature": "image.generate", "model": "sdxl", "quantities": {"images": 2}});
    let quote = post(customer_key, "/v1/quotes", &work);
    assert_eq!(quote.text("credits"), "10");
    let hold = post(
        merchant,
        "/v1/holds",
        &json!({"customer": customer, "quote": quote.text("id"), "job": "poster"}),
    );
    post(merchant, &format!("/v1/holds/{}/capture", hold.text("id")), &json!({"quantities": {"images": 2}}));
}
