//! The README's pictures: SCRIP_TEST_SCREENSHOTS=web/docs/img cargo test -p tests pictures

use std::path::PathBuf;

use super::{STUDIO, Visit};

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
    let Some(visit) = Visit::start_as_shipped("pictures") else { return };
    let browser = &visit.browser;
    let take = |name: &str| browser.photograph(&folder.join(format!("{name}.png")));

    visit.sign_in("/sign-in", STUDIO);
    browser.until_at("Balance");
    take("portal-balance");
    visit.go("/activity");
    browser.follow("SDXL, Image generation");
    browser.text_of(".formula");
    take("portal-receipt");

    visit.sign_in_as_operator();
    take("console-overview");
    visit.go("/console/customers?q=northlight");
    browser.click_first("main td a, main th a");
    browser.see("Lots in burn order");
    take("console-customer");
}
