//! The README's pictures: SCRIP_TEST_SCREENSHOTS=web/docs/img cargo test -p tests pictures

use std::path::PathBuf;

use super::walk::live;
use super::{SUCCESS, Visit};

const FOLDER_VARIABLE: &str = "SCRIP_TEST_SCREENSHOTS";

#[test]
fn the_readmes_pictures_are_taken_when_asked_for() {
    let Some(folder) = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from) else { return };
    let folder = if folder.is_relative() {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)
    } else {
        folder
    };
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let Some(visit) = Visit::start("pictures") else { return };
    let browser = &visit.browser;
    let take = |name: &str| browser.photograph(&folder.join(format!("{name}.png")));

    visit.sign_in_as_demo();
    live(&mut visit.merchant());
    visit.go("/buy");
    take("portal-buy");
    browser.push("Buy 500 credits for $45.00");
    browser.until_at("Pay 45.00 USD");
    browser.fill("Card number", SUCCESS);
    browser.fill("Expiry (MM / YY)", "12 / 34");
    browser.fill("Security code", "123");
    browser.push("Pay 45.00 USD");
    browser.until_at("Thank you");
    visit.go("/");
    take("portal-balance");
    browser.follow("SDXL, Image generation");
    browser.text_of(".formula");
    take("portal-receipt");

    visit.sign_in_as_operator();
    browser.push("Verify now");
    browser.see("green");
    take("console-overview");
    visit.go("/console/customers?q=demo%40example.com");
    browser.click_first("main td a, main th a");
    browser.see("Lots in burn order");
    take("console-customer");
    visit.go("/console/webhooks");
    take("console-webhooks");
}
