//! Abuse, seen from both sides of the counter.

use serde_json::json;
use tests::browser::Key;
use tests::wire::Wire;

use super::{Visit, post};

const EMAIL: &str = "ada@example.com";
/// Calls after which the watch must have spoken; it looks every second.
const CALLS_MAX: usize = 400;

/// One account, used from many networks by many programs, until the API refuses new work.
pub fn share(merchant: &mut Wire, customer: &str) {
    post(merchant, "/v1/grants", &json!({"customer": customer, "credits": "1000", "kind": "promo"}));
    for n in 0..CALLS_MAX {
        let work = json!({
            "customer": customer, "feature": "text.generate", "model": "gpt-4", "quantities": {"input_tokens": 100},
            "context": {"ip": format!("10.{}.7.9", n % 250), "user_agent": format!("program {n}"), "prompt": format!("a castle {n}")},
        });
        let key = kernel::new_uuid().to_string();
        let reply = merchant.post("/v1/usage", &key, &work.to_string()).expect("an answer");
        if !reply.is_success() {
            assert_eq!(reply.text("code"), "restricted", "{reply:?}");
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{CALLS_MAX} calls, and nobody noticed");
}

#[test]
fn a_flagged_customer_proves_the_address_and_goes_on_and_a_reviewer_decides_by_keyboard() {
    let Some(visit) = Visit::start("risk") else { return };
    let (browser, mut merchant) = (&visit.browser, visit.merchant());
    visit.sign_up("Ada", EMAIL);
    let customer = visit.customer();
    let welcome = visit.mailed_link("/verify?token=");
    share(&mut merchant, &customer);

    visit.go("/");
    browser.follow("Why, and what to do");
    browser.until_at("New work is on hold");
    browser.see("used from many places");
    browser.fill("Tell us in your words", "It was our own script.");
    browser.push("Send");
    browser.see("What you wrote");
    browser.push("Send me the link");
    browser.see("A link is on its way");
    browser.until("another mail", || visit.mailed_link("/verify?token=") != welcome);
    // What opened the account opens nothing more.
    browser.goto(&welcome);
    visit.go("/on-hold");
    browser.until_at("New work is on hold");
    browser.goto(&visit.mailed_link("/verify?token="));
    browser.until_at("Confirm your address");
    browser.push("Confirm address");
    browser.until_at("Nothing is on hold");
    browser.see("Your address is confirmed");
    post(&mut merchant, "/v1/holds", &json!({"customer": customer, "credits": "1"}));

    visit.sign_in_as_operator();
    browser.tab_to("link", "Review");
    browser.press(Key::Enter);
    browser.until_at("Review queue");
    browser.access('n');
    browser.until_at("Case of Ada");
    browser.see("It was our own script.");
    let case = browser.path();
    browser.access('a');
    browser.until("the answer has the focus", || has_focus(&visit, "Answer"));
    browser.strike("Thank you, we see it now.");
    browser.tab_to("button", "Send the answer");
    browser.press(Key::Enter);
    browser.see("What was answered");
    browser.access('e');
    browser.until("the note has the focus", || has_focus(&visit, "Note"));
    browser.strike("they explained it");
    browser.access('d');
    browser.see("The case is decided.");
    browser.see("Nothing waits for a decision.");

    visit.go(&case);
    browser.until_at("Case of Ada");
    browser.click_first("section[aria-labelledby=decisions] summary");
    browser.see("It was dismissed. When it is confirmed instead:");
    browser.fill("Reason", "they did it again");
    browser.push("Confirm: it is abuse");
    browser.see("The decision is corrected");
    browser.see("they explained it");
    let hold = json!({"customer": customer, "credits": "1"}).to_string();
    // The connection of before has been idle for as long as all that took; the server may have ended it.
    let refused = visit.merchant().post("/v1/holds", &kernel::new_uuid().to_string(), &hold);
    let refused = refused.expect("an answer");
    assert_eq!(refused.text("code"), "restricted", "{refused:?}");
    visit.go("/console/audit");
    for told in ["case.answer", "case.decide", "case.correct", "they did it again"] {
        browser.see(told);
    }
}

#[test]
fn a_customer_on_hold_confirms_a_card_at_the_bank_and_goes_on() {
    let Some(visit) = Visit::start("risk-card") else { return };
    let (browser, mut merchant) = (&visit.browser, visit.merchant());
    visit.sign_up("Ada", EMAIL);
    let customer = visit.customer();
    let hold = json!({"step_up": "confirm_card", "reason": "a card was reported"});
    post(&mut merchant, &format!("/v1/customers/{customer}/restrict"), &hold);

    visit.go("/on-hold");
    browser.until_at("New work is on hold");
    browser.see("Show that your card is yours");
    browser.follow("Buy with a card of yours");
    browser.until_at("Buy credits");
    browser.push("Buy 100 credits for $10.00");
    browser.until_at("Pay 10.00 USD");
    // Its bank asks only when the shop wants it.
    browser.fill("Card number", "4000 0000 0000 3055");
    browser.fill("Expiry (MM / YY)", "12 / 34");
    browser.fill("Security code", "123");
    browser.push("Pay 10.00 USD");
    browser.until_at("Confirm your payment");
    browser.push("Complete authentication");
    browser.until("the hold to end", || {
        visit.go("/on-hold");
        browser.text_of("h1") == "Nothing is on hold"
    });
    visit.sign_in_as_operator();
    visit.go("/console/audit");
    browser.see("the bank confirmed the card of payment ch_");
}

fn has_focus(visit: &Visit, name: &str) -> bool {
    visit.browser.focused().is_some_and(|focused| focused.name == name)
}
