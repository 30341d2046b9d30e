//! What must hold for every page, however one came to it.

use tests::browser::{Browser, Scheme, axe};
use tests::say;

use super::Visit;
use super::walk::walk;

const WIDTHS: [u32; 3] = [320, 768, 1280];
const HEIGHT: u32 = 900;
const SCHEMES: [Scheme; 2] = [Scheme::Light, Scheme::Dark];
/// As the network carries it.
const PAGE_MAX_BYTES: i64 = 60 * 1024;

/// What the page and everything it needed weighed, packed as they came, be it earlier; and everything it
/// fetched.
const FETCHED: &str = r#"
    const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const weight = one => Math.max(one.transferSize, one.encodedBodySize);
    return {bytes: all.reduce((sum, one) => sum + weight(one), 0), urls: all.map(one => one.name)};"#;

/// One walk for all of it: the way takes longer than the looking.
#[test]
fn no_page_has_a_flaw_for_axe_scrolls_sideways_weighs_much_or_fetches_from_elsewhere() {
    let Some(visit) = Visit::start("pages") else { return };
    let (mut flaws, mut pages, mut heaviest) = (Vec::new(), 0, (0, String::new()));
    walk(&visit, &mut |name| {
        pages += 1;
        let fetched = fetched(&visit);
        let found = fetched.flaws(&visit.server.url()).into_iter().chain(unreadable(&visit.browser));
        flaws.extend(found.map(|flaw| format!("{name}: {flaw}")));
        heaviest = heaviest.clone().max((fetched.bytes, name.to_owned()));
    });
    let shapes = WIDTHS.len() * SCHEMES.len();
    say(&format!(
        "{pages} pages in {shapes} shapes; the heaviest weighs {} bytes: {}",
        heaviest.0, heaviest.1
    ));
    assert!(flaws.is_empty(), "{} flaws:\n{}", flaws.len(), flaws.join("\n"));
}

struct Fetched {
    bytes: i64,
    urls: Vec<String>,
}

impl Fetched {
    fn flaws(&self, home: &str) -> Vec<String> {
        let elsewhere = self.urls.iter().filter(|url| !url.starts_with(home));
        let mut flaws: Vec<String> = elsewhere.map(|url| format!("it fetches {url}")).collect();
        if self.bytes > PAGE_MAX_BYTES {
            flaws.push(format!("it weighs {} bytes", self.bytes));
        }
        // A page without its style was not measured, whatever the sum says.
        if self.bytes == 0 || !self.urls.iter().any(|url| url.ends_with(".css")) {
            flaws.push(format!("only {:?} was measured", self.urls));
        }
        flaws
    }
}

fn fetched(visit: &Visit) -> Fetched {
    let found = visit.browser.script(FETCHED, &[]);
    let urls = found["urls"].as_array().into_iter().flatten().filter_map(|url| url.as_str());
    Fetched { bytes: found["bytes"].as_i64().unwrap_or_default(), urls: urls.map(str::to_owned).collect() }
}

/// At every width and in both schemes; for axe-core only where it is installed.
fn unreadable(browser: &Browser) -> Vec<String> {
    let mut flaws = Vec::new();
    browser.script("document.querySelectorAll('details').forEach(box => box.open = true)", &[]);
    if let Some(axe) = axe() {
        browser.add_axe(axe);
    }
    for width in WIDTHS {
        browser.resize(width, HEIGHT);
        let sideways = browser.sideways_pixels();
        if sideways > 0 {
            flaws.push(format!("{width} px: {sideways} px lie to the right of the window"));
        }
        for scheme in SCHEMES.into_iter().filter(|_| axe().is_some()) {
            browser.prefer(scheme);
            let found = browser.violations();
            flaws.extend(found.iter().map(|flaw| format!("{width} px, {scheme:?}: {flaw}")));
        }
    }
    browser.prefer(Scheme::Light);
    flaws
}

/// A judge that finds nothing may be asleep.
#[test]
fn axe_and_the_ruler_notice_what_is_wrong() {
    let Some(axe) = axe() else { return };
    let Some(browser) = Browser::open() else { return };
    browser.goto(
        "data:text/html,<html lang=en><title>t</title><meta name=viewport content='width=device-width'>\
         <style>p{color:%23aaa;background:%23fff;width:400px} @media (prefers-color-scheme: dark) {p{color:%23000}}\
         </style><main><h1>t</h1><p>pale</p></main>",
    );
    browser.add_axe(axe);
    browser.resize(320, HEIGHT);
    assert!(browser.sideways_pixels() > 0);
    assert!(browser.violations().iter().any(|flaw| flaw.starts_with("color-contrast")));
    browser.prefer(Scheme::Dark);
    assert_eq!(browser.violations(), [""; 0]);
    browser.resize(1280, HEIGHT);
    assert_eq!(browser.sideways_pixels(), 0);
}
