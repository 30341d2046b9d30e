//! A real Chromium, driven over WebDriver. Every call waits for what it needs, within a limit; what
//! fails says on which page.

mod axe;
mod driver;
mod keyboard;

use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::Method;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use self::driver::{Driver, Programs};
use crate::missing;

pub use self::keyboard::Focused;
pub use fantoccini::key::Key;

/// A page that waits for a webhook looks again every few seconds, and the machine is shared.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);
const WIDE: (u32, u32) = (1280, 900);
/// What a failure shows of the page.
const MAX_CHARS_SHOWN: usize = 2_000;

#[derive(Debug)]
pub struct Browser {
    client: Client,
    /// Dropped last.
    _driver: Driver,
}

/// Which colours the visitor prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Light,
    Dark,
}

impl Browser {
    /// A browser of the caller's own, without a past. `None`, and one line that says so, on a machine
    /// without Chromium; with `CI=true` that is a failure.
    pub async fn open() -> Option<Browser> {
        let Some(programs) = Programs::find() else {
            missing("chromium or chromedriver not found: the browser tests did not run");
            return None;
        };
        let driver = Driver::start(&programs);
        let connected = ClientBuilder::new(HttpConnector::new())
            .capabilities(driver.capabilities())
            .connect(&driver.url())
            .await;
        let client = connected.unwrap_or_else(|error| panic!("no browser: {error}"));
        let browser = Browser { client, _driver: driver };
        browser.resize(WIDE.0, WIDE.1).await;
        browser.prefer(Scheme::Light).await;
        Some(browser)
    }

    pub async fn goto(&self, url: &str) {
        let done = self.client.goto(url).await;
        self.checked(&format!("going to {url}"), done).await;
    }

    pub async fn reload(&self) {
        let done = self.client.refresh().await;
        self.checked("a reload", done).await;
    }

    pub async fn url(&self) -> String {
        self.client.current_url().await.map(String::from).unwrap_or_default()
    }

    /// Path and query.
    pub async fn path(&self) -> String {
        let url = self.url().await;
        let rest = url.splitn(4, '/').nth(3).unwrap_or_default();
        format!("/{rest}")
    }

    /// What a reader sees of the page.
    pub async fn text(&self) -> String {
        self.text_of("body").await
    }

    /// Of the first element that `css` finds; waits for one.
    pub async fn text_of(&self, css: &str) -> String {
        let element = self.element(Locator::Css(css)).await;
        let text = element.text().await;
        self.checked(css, text).await
    }

    pub async fn has(&self, css: &str) -> bool {
        self.client.find(Locator::Css(css)).await.is_ok()
    }

    /// Waits until the page shows `text`.
    pub async fn see(&self, text: &str) {
        self.until(&format!("{text:?} to be seen"), async || {
            Ok(self.client.find(Locator::Css("body")).await?.text().await?.contains(text))
        })
        .await;
    }

    /// Clicks the link or button of this name.
    pub async fn click(&self, name: &str) {
        let path = format!(
            "//*[self::a or self::button or self::summary][normalize-space()={0} or @aria-label={0}]",
            xpath_text(name)
        );
        let done = self.element(Locator::XPath(&path)).await.click().await;
        self.checked(&format!("a click on {name:?}"), done).await;
    }

    /// Clicks the first link or button that `css` finds.
    pub async fn click_first(&self, css: &str) {
        let done = self.element(Locator::Css(css)).await.click().await;
        self.checked(&format!("a click on {css}"), done).await;
    }

    /// Types into the field with this label, instead of what is there.
    pub async fn fill(&self, label: &str, value: &str) {
        let path = format!("//input[@id=//label[normalize-space()={}]/@for]", xpath_text(label));
        let field = self.element(Locator::XPath(&path)).await;
        let done = match field.clear().await {
            Ok(()) => field.send_keys(value).await,
            error => error,
        };
        self.checked(&format!("typing into {label:?}"), done).await;
    }

    /// What `script`, the body of a function, returns. Pages cannot forbid it.
    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        let value = self.client.execute(script, arguments).await;
        self.checked("a script", value).await
    }

    /// From now on no page runs any script; ours above still do.
    pub async fn disable_scripts(&self) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true})).await;
    }

    /// Pages may run whatever stands in them, as if they had no content security policy.
    pub async fn ignore_security_policies(&self) {
        self.devtools("Page.setBypassCSP", json!({"enabled": true})).await;
    }

    /// Every page is fetched anew, with everything it needs.
    pub async fn forget_caches(&self) {
        self.devtools("Network.setCacheDisabled", json!({"cacheDisabled": true})).await;
    }

    pub async fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    pub async fn prefer(&self, scheme: Scheme) {
        let value = if scheme == Scheme::Dark { "dark" } else { "light" };
        let features = json!([
            {"name": "prefers-color-scheme", "value": value},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    /// Writes what is seen as a PNG.
    pub async fn photograph(&self, file: &Path) {
        let png = self.client.screenshot().await;
        let png = self.checked("a screenshot", png).await;
        std::fs::write(file, png).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// Waits until `is_so`; an error, such as an element that a new page took away, is a no.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn() -> Result<bool, CmdError>) {
        let begin = Instant::now();
        while !is_so().await.unwrap_or(false) {
            if begin.elapsed() > SEEN_WITHIN {
                self.fail(&format!("waited in vain for {what}")).await;
            }
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    async fn element(&self, locator: Locator<'_>) -> Element {
        self.until(&format!("{locator:?}"), async || self.client.find(locator).await.map(|_| true)).await;
        let found = self.client.find(locator).await;
        self.checked(&format!("{locator:?}"), found).await
    }

    /// A command of the DevTools protocol.
    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        let done = self.client.issue_cmd(Extra::post("goog/cdp/execute", body)).await;
        self.checked(command, done).await
    }

    async fn checked<T>(&self, what: &str, result: Result<T, CmdError>) -> T {
        match result {
            Ok(value) => value,
            Err(error) => self.fail(&format!("{what}: {error}")).await,
        }
    }

    /// Ends the test, with what the page shows.
    pub async fn fail(&self, why: &str) -> ! {
        let text = match self.client.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        let text: String = text.chars().take(MAX_CHARS_SHOWN).collect();
        panic!("{why}\non {}:\n{text}", self.url().await);
    }
}

/// A command that the library does not know.
#[derive(Debug)]
struct Extra {
    path: String,
    body: Option<Value>,
}

impl Extra {
    fn get(path: String) -> Extra {
        Extra { path, body: None }
    }

    fn post(path: &str, body: Value) -> Extra {
        Extra { path: path.to_owned(), body: Some(body) }
    }
}

impl WebDriverCompatibleCommand for Extra {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        match &self.body {
            Some(body) => (Method::POST, Some(body.to_string())),
            None => (Method::GET, None),
        }
    }
}

/// XPath knows no escapes: a text has one sort of quotes.
fn xpath_text(text: &str) -> String {
    assert!(!text.contains('"'), "a name without double quotes: {text}");
    format!("\"{text}\"")
}
