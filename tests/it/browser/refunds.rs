//! Money that is given back, from the operator's search to the customer's mail.

use super::journeys::{Hand, credits_shown, pay_with, until_thanked};
use super::{SUCCESS, Visit, available, make_images, post};
use serde_json::json;

const EMAIL: &str = "ada@example.com";

#[test]
fn an_operator_refunds_a_purchase_and_the_customer_sees_and_reads_it() {
    let Some(visit) = Visit::start("refund") else { return };
    let (browser, mut merchant) = (&visit.browser, visit.merchant());
    visit.sign_up("Ada", EMAIL);
    let customer = visit.customer();
    visit.go("/buy");
    browser.push("Buy 100 credits for $10.00");
    browser.until_at("Pay 10.00 USD");
    pay_with(browser, Hand::Pointer, SUCCESS, "Pay 10.00 USD");
    until_thanked(browser, Hand::Pointer);
    let key =
        post(&mut merchant, "/v1/api-keys", &json!({"name": "own", "customer": customer})).text("secret");
    make_images(&mut visit.api(&key), &mut merchant, &customer);
    assert_eq!(available(&mut merchant, &customer), "90");

    visit.sign_in_as_operator();
    browser.follow("Customers");
    browser.until_at("Customers");
    browser.fill("Search", EMAIL);
    browser.push("Search");
    browser.follow("Ada");
    browser.until_at("Ada");
    browser.click_first("main a[href$='/refund']");
    browser.until_at("Refund a purchase");
    browser.see("what was used of them becomes debt");
    browser.see("$10.00");
    browser.push("Refund the purchase");
    // Without a reason the browser's own check holds the form back.
    browser.until_at("Refund a purchase");
    browser.fill("Reason", "bought by mistake");
    browser.push("Refund the purchase");
    browser.see("The gateway is asked for the refund");
    browser.until("the credits to follow the money", || available(&mut visit.merchant(), &customer) == "0");
    visit.go(&format!("/console/customers/{customer}"));
    browser.see("$10.00 given back");
    assert!(!browser.has("main a[href$='/refund']"), "nothing is left to give back");
    visit.go("/console/audit");
    browser.see("purchase.refund");
    browser.see("bought by mistake");

    visit.go("/");
    browser.until_at("Balance");
    assert_eq!(credits_shown(browser), "0");
    browser.see("Owed: 10 credits.");
    browser.follow("Activity");
    browser.see("Credits taken back");
    let link = visit.mailed_link_in("$10.00 given back", "/activity");
    browser.goto(&link);
    browser.until_at("Activity");
}
