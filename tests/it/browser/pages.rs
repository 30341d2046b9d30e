//! What must hold for every page, however one came to it.

use tests::browser::{Browser, Scheme, axe};
use tests::say;

use super::Visit;
use super::walk::walk;

const WIDTHS: [u32; 3] = [320, 768, 1280];
const HEIGHT: u32 = 900;
/// As the network carries it.
const PAGE_MAX_BYTES: i64 = 60 * 1024;

/// What the page and everything it needed weighed, and everything that it fetched.
const FETCHED: &str = r#"
    const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    return {bytes: all.reduce((sum, one) => sum + one.transferSize, 0), urls: all.map(one => one.name)};"#;

#[test]
fn axe_finds_nothing_and_no_page_scrolls_sideways() {
    let Some(axe) = axe() else { return };
    let Some(visit) = Visit::start("axe") else { return };
    let browser = &visit.browser;
    let mut flaws = Vec::new();
    let mut pages = 0;
    walk(&visit, &mut |name| {
        pages += 1;
        browser.add_axe(axe);
        browser.script("document.querySelectorAll('details').forEach(box => box.open = true)", &[]);
        for width in WIDTHS {
            browser.resize(width, HEIGHT);
            let sideways = browser.sideways_pixels();
            if sideways > 0 {
                flaws.push(format!("{name}, {width} px: {sideways} px lie to the right of the window"));
            }
            for scheme in [Scheme::Light, Scheme::Dark] {
                browser.prefer(scheme);
                let found = browser.violations();
                flaws.extend(found.iter().map(|flaw| format!("{name}, {width} px, {scheme:?}: {flaw}")));
            }
        }
        browser.prefer(Scheme::Light);
    });
    say(&format!("axe-core looked at {pages} pages, each in {} shapes", WIDTHS.len() * 2));
    assert!(flaws.is_empty(), "{} flaws:\n{}", flaws.len(), flaws.join("\n"));
}

#[test]
fn every_page_is_light_and_fetches_nothing_from_elsewhere() {
    let Some(visit) = Visit::start("weight") else { return };
    let browser = &visit.browser;
    browser.forget_caches();
    let mut heaviest = (0, String::new());
    walk(&visit, &mut |name| {
        let fetched = browser.script(FETCHED, &[]);
        let bytes = fetched["bytes"].as_i64().unwrap_or_default();
        let urls: Vec<&str> =
            fetched["urls"].as_array().into_iter().flatten().filter_map(|u| u.as_str()).collect();
        assert!(
            urls.iter().any(|url| url.ends_with(".css")),
            "{name} was measured without its style: {urls:?}"
        );
        let elsewhere = urls.iter().find(|url| !url.starts_with(&visit.server.url()));
        assert_eq!(elsewhere, None, "{name} fetches from elsewhere");
        assert!((1..=PAGE_MAX_BYTES).contains(&bytes), "{name} weighs {bytes} bytes: {urls:?}");
        heaviest = heaviest.clone().max((bytes, name.to_owned()));
    });
    say(&format!("the heaviest page weighs {} bytes: {}", heaviest.0, heaviest.1));
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
