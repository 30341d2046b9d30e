//! A real Chromium, driven over WebDriver. Every call waits for what it needs, within a limit; what
//! fails says on which page.

mod axe;
mod driver;
mod keyboard;
mod session;

use std::cell::Cell;
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use self::driver::{Driver, Programs};
use self::session::{Element, Refusal, Session};
use crate::missing;
use crate::patience::Patience;

pub use self::axe::axe;
pub use self::keyboard::{Focused, Key};

/// A page that waits for a webhook looks again every few seconds, and the machine is shared.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// What a failure shows of the page.
const MAX_CHARS_SHOWN: usize = 2_000;

#[derive(Debug)]
pub struct Browser {
    session: Session,
    clicks: Cell<usize>,
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
    pub fn open() -> Option<Browser> {
        let Some(programs) = Programs::find() else {
            missing("chromium or chromedriver not found: the browser tests did not run");
            return None;
        };
        let driver = Driver::start(&programs);
        let session = Session::open(driver.port(), &driver.chrome_options());
        let session = session.unwrap_or_else(|refusal| panic!("no browser: {refusal}"));
        let browser = Browser { session, clicks: Cell::new(0), _driver: driver };
        browser.resize(1280, 900);
        browser.prefer(Scheme::Light);
        Some(browser)
    }

    pub fn goto(&self, url: &str) {
        self.done(url, self.session.goto(url));
    }

    pub fn url(&self) -> String {
        self.session.url().unwrap_or_default()
    }

    /// Path and query.
    pub fn path(&self) -> String {
        let url = self.url();
        format!("/{}", url.splitn(4, '/').nth(3).unwrap_or_default())
    }

    /// What a reader sees of the page.
    pub fn text(&self) -> String {
        self.text_of("body")
    }

    /// Of the first element that `css` finds; waits for one.
    pub fn text_of(&self, css: &str) -> String {
        self.wait_for(css, || self.session.find_css(css).and_then(|found| self.session.text(&found)))
    }

    pub fn has(&self, css: &str) -> bool {
        self.session.find_css(css).is_ok()
    }

    /// Waits until the page shows `text`.
    pub fn see(&self, text: &str) {
        self.until(&format!("{text:?} to be seen"), || {
            self.session
                .find_css("body")
                .and_then(|body| self.session.text(&body))
                .is_ok_and(|t| t.contains(text))
        });
    }

    /// Waits until the page with this heading is open.
    pub fn until_at(&self, heading: &str) {
        self.until(&format!("the page {heading:?}"), || {
            self.session
                .find_css("h1")
                .and_then(|h1| self.session.text(&h1))
                .is_ok_and(|text| text == heading)
        });
    }

    /// Clicks the link of this name.
    pub fn follow(&self, name: &str) {
        self.click_named("a", name);
    }

    /// Clicks the button of this name.
    pub fn push(&self, name: &str) {
        self.click_named("button", name);
    }

    /// Clicks the first element that `css` finds.
    pub fn click_first(&self, css: &str) {
        self.click(css, || self.session.find_css(css));
    }

    /// How often something was clicked so far, or Enter pressed on it.
    pub fn clicks(&self) -> usize {
        self.clicks.get()
    }

    /// Types into the field with this label, instead of what is there.
    pub fn fill(&self, label: &str, value: &str) {
        let path = format!(
            "//*[self::input or self::textarea][@id=//label[normalize-space()={}]/@for]",
            xpath_text(label)
        );
        let field = self.wait_for(label, || self.session.find_xpath(&path));
        let typed = self.session.clear(&field).and_then(|()| self.session.type_into(&field, value));
        self.done(&format!("typing into {label:?}"), typed);
    }

    /// What `body`, the body of a function, returns. Pages cannot forbid it.
    pub fn script(&self, body: &str, arguments: &[Value]) -> Value {
        self.done("a script", self.session.script(body, arguments))
    }

    /// From now on no page runs any script; ours above still do.
    pub fn disable_scripts(&self) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    }

    /// Pages may run whatever stands in them, as if they had no content security policy.
    pub fn ignore_security_policies(&self) {
        self.devtools("Page.setBypassCSP", &json!({"enabled": true}));
    }

    /// Signed out everywhere, without telling anybody.
    pub fn forget_cookies(&self) {
        self.devtools("Network.clearBrowserCookies", &json!({}));
    }

    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    pub fn prefer(&self, scheme: Scheme) {
        let value = if scheme == Scheme::Dark { "dark" } else { "light" };
        let features = json!([
            {"name": "prefers-color-scheme", "value": value},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Writes what is seen as a PNG.
    pub fn photograph(&self, file: &Path) {
        let png = self.done("a screenshot", self.session.screenshot());
        let png = decode_base64(&png);
        std::fs::write(file, png).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// Waits until `is_so`.
    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        self.wait_for(what, || is_so().then_some(()).ok_or("it is not so"));
    }

    /// Ends the test, with what the page shows.
    pub fn fail(&self, why: &str) -> ! {
        let body = self.session.find_css("body").and_then(|body| self.session.text(&body));
        let text: String = body.unwrap_or_default().chars().take(MAX_CHARS_SHOWN).collect();
        panic!("{why}\non {}:\n{text}", self.url());
    }

    fn click_named(&self, tag: &str, name: &str) {
        let text = xpath_text(name);
        let path = format!("//{tag}[normalize-space()={text} or @aria-label={text}]");
        self.click(name, || self.session.find_xpath(&path));
    }

    fn click(&self, what: &str, find: impl Fn() -> Result<Element, Refusal>) {
        self.clicks.set(self.clicks.get() + 1);
        self.wait_for(what, || find().and_then(|element| self.session.click(&element)));
    }

    /// What `look` brings once it brings something. A page that goes on while it is looked at
    /// (an element that was found stands on the page before) is looked at again.
    fn wait_for<T, E: Display>(&self, what: &str, look: impl Fn() -> Result<T, E>) -> T {
        let mut patience = Patience::of(SEEN_WITHIN);
        loop {
            match look() {
                Ok(found) => return found,
                Err(_) if patience.wait(LOOK_AGAIN_AFTER) => {}
                Err(why) => self.fail(&format!("waited in vain for {what}: {why}")),
            }
        }
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.done(command, self.session.devtools(command, parameters));
    }

    fn done<T>(&self, what: &str, result: Result<T, Refusal>) -> T {
        result.unwrap_or_else(|refusal| self.fail(&format!("{what}: {refusal}")))
    }
}

/// XPath knows no escapes: a text has one sort of quotes.
fn xpath_text(text: &str) -> String {
    assert!(!text.contains('"'), "a name without double quotes: {text}");
    format!("\"{text}\"")
}

/// Of RFC 4648, as the driver writes it.
fn decode_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0);
    for digit in text.bytes().filter_map(|letter| DIGITS.iter().position(|d| *d == letter)) {
        held = (held << 6 | u32::try_from(digit).expect("one of 64")) & 0xFFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xFF).try_into().expect("eight bits"));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::decode_base64;

    #[test]
    fn base64_is_read() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmE=", "fooba")]
        {
            assert_eq!(decode_base64(text), bytes.as_bytes());
        }
    }
}
