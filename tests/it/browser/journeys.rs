//! From nothing to the price formula of a job: with a pointer, without scripts, by keyboard; and the
//! ways on which nothing is bought.

use serde_json::Value;
use tests::browser::{Browser, Key};

use super::{SUCCESS, Visit, available, make_images};

const PRICE: &str = "Pay 45.00 USD";
const BUY: &str = "Buy 500 credits for $45.00";
const EMAIL: &str = "ada@example.com";
const LOOKS_MAX: usize = 20;
const MAX_CLICKS_TO_THE_FORMULA: usize = 2;

/// What somebody uses a page with.
#[derive(Clone, Copy)]
pub enum Hand {
    Pointer,
    Keyboard,
}

#[test]
fn somebody_buys_credits_uses_some_and_sees_where_they_went() {
    let Some(visit) = Visit::start("journey") else { return };
    travel(&visit, Hand::Pointer);
}

#[test]
fn the_same_without_scripts() {
    let Some(visit) = Visit::start("scriptless") else { return };
    let page = "data:text/html,<title>still</title><script>document.title = 'ran'</script>";
    visit.browser.goto(page);
    assert_eq!(visit.browser.script("return document.title", &[]), "ran");
    visit.browser.disable_scripts();
    visit.browser.goto(page);
    assert_eq!(visit.browser.script("return document.title", &[]), "still");
    travel(&visit, Hand::Pointer);
}

#[test]
fn the_same_by_keyboard() {
    let Some(visit) = Visit::start("keyboard") else { return };
    travel(&visit, Hand::Keyboard);
}

#[test]
fn what_is_declined_cancelled_or_not_confirmed_grants_nothing() {
    let Some(visit) = Visit::start("declined") else { return };
    let browser = &visit.browser;
    visit.sign_up("Ada", EMAIL);
    let customer = visit.customer();

    for card in ["4000 0000 0000 0002", "4000 0000 0000 9995"] {
        start_to_pay(&visit, card);
        browser.see("Nothing was charged.");
        browser.follow("Cancel and go back");
        browser.until_at("Purchase cancelled");
        browser.see("Nothing was charged.");
    }

    visit.go("/buy");
    browser.push(BUY);
    browser.until_at(PRICE);
    browser.follow("Cancel and go back");
    browser.until_at("Purchase cancelled");

    start_to_pay(&visit, "4000 0027 6000 3184");
    browser.until_at("Confirm your payment");
    browser.push("Fail authentication");
    browser.see("Nothing was charged.");

    // What the gateway says about the three cards arrived, and none of it is a payment.
    browser.until("the three failures to arrive", || {
        let events = visit.merchant().get("/v1/gateway-events?limit=100").expect("an answer").json();
        handled(&events, "payment_intent.payment_failed") == 3
    });
    assert_eq!(available(&mut visit.merchant(), &customer), "0");
    visit.go("/");
    assert_eq!(credits_shown(browser), "0");
    browser.see("Nothing yet");

    // The same checkout with a card that works: the failures before are forgotten.
    start_to_pay(&visit, "4000 0000 0000 0002");
    browser.see("Nothing was charged.");
    pay_with(browser, Hand::Pointer, "4000 0027 6000 3184", PRICE);
    browser.until_at("Confirm your payment");
    browser.push("Complete authentication");
    until_thanked(browser, Hand::Pointer);
    assert_eq!(available(&mut visit.merchant(), &customer), "500");
}

#[test]
fn a_forgotten_password_is_replaced_with_the_link_of_the_mail() {
    let Some(visit) = Visit::start("forgotten") else { return };
    let browser = &visit.browser;
    visit.sign_up("Ada", EMAIL);
    browser.push("Sign out");
    browser.see("You are signed out.");
    visit.go("/sign-in");
    browser.follow("Forgotten your password?");
    browser.until_at("Forgotten password");
    browser.fill("E-mail address", EMAIL);
    browser.push("Send the link");
    browser.see("a link to a new password is on its way");
    browser.goto(&visit.mailed_link("/reset?token="));
    browser.until_at("New password");
    browser.fill("New password", "short");
    browser.push("Save password");
    // The browser's own check holds the form back.
    browser.until_at("New password");
    browser.fill("New password", "four other sunny words");
    browser.push("Save password");
    browser.see("Your password is changed. Sign in with it.");
    // What is waited for is on the next page only: the page before has the same heading.
    for (password, told) in
        [(super::PASSWORD, "do not go together"), ("four other sunny words", "credits available")]
    {
        browser.fill("E-mail address", EMAIL);
        browser.fill("Password", password);
        browser.push("Sign in");
        browser.see(told);
    }
}

fn travel(visit: &Visit, hand: Hand) {
    let browser = &visit.browser;
    visit.go("/");
    hand.follow(browser, "Create an account");
    browser.until_at("Create an account");
    hand.write(browser, "E-mail address", EMAIL);
    hand.push(browser, "Create account");
    browser.until_at("Look into your mail");
    hand.follow(browser, "Open the account");
    browser.until_at("Open your account");
    hand.write(browser, "Your name", "Ada Lovelace");
    hand.write(browser, "Password", super::PASSWORD);
    hand.push(browser, "Open account");
    browser.until_at("Balance");
    browser.see("Your account is open.");
    assert_eq!(credits_shown(browser), "0");

    hand.follow(browser, "Buy credits");
    browser.until_at("Buy credits");
    hand.push(browser, BUY);
    browser.until_at(PRICE);
    pay_with(browser, hand, SUCCESS, PRICE);
    until_thanked(browser, hand);
    browser.see("+500");
    hand.follow(browser, "To your balance");
    browser.until_at("Balance");
    assert_eq!(credits_shown(browser), "500");

    hand.follow(browser, "Developers");
    browser.until_at("Developers");
    hand.write(browser, "Name of a new key", "Laptop");
    hand.push(browser, "Create key");
    let mut key = visit.api(&browser.text_of("code.secret"));
    let customer = customer_in(&browser.text());
    assert_eq!(available(&mut key, &customer), "500");
    make_images(&mut key, &mut visit.merchant(), &customer);

    hand.follow(browser, "Balance");
    browser.until_at("Balance");
    assert_eq!(credits_shown(browser), "490");
    let before = browser.clicks();
    hand.follow(browser, "SDXL, Image generation");
    let formula = browser.text_of(".formula");
    let clicks = browser.clicks() - before;
    assert!((1..=MAX_CLICKS_TO_THE_FORMULA).contains(&clicks), "{clicks} clicks");
    assert!(formula.contains("2 images") && formula.ends_with("= 10"), "{formula}");
    browser.see("10 credits charged");
}

/// The page after a payment waits some seconds for the event; on a slow day one looks again.
pub fn until_thanked(browser: &Browser, hand: Hand) {
    for _ in 0..LOOKS_MAX {
        let heading = browser.text_of("h1");
        match heading.as_str() {
            "Thank you" => return,
            "Waiting for the payment" => hand.follow(browser, "Check again"),
            _ => browser.until("the way back from the gateway", || {
                ["Thank you", "Waiting for the payment"].contains(&browser.text_of("h1").as_str())
            }),
        }
    }
    browser.fail("the payment never arrived");
}

/// Up to the answer of the card's bank.
fn start_to_pay(visit: &Visit, card: &str) {
    visit.go("/buy");
    visit.browser.push(BUY);
    visit.browser.until_at(PRICE);
    pay_with(&visit.browser, Hand::Pointer, card, PRICE);
}

pub fn pay_with(browser: &Browser, hand: Hand, card: &str, price: &str) {
    hand.write(browser, "Card number", card);
    hand.write(browser, "Expiry (MM / YY)", "12 / 34");
    hand.write(browser, "Security code", "123");
    hand.push(browser, price);
}

pub fn credits_shown(browser: &Browser) -> String {
    browser.text_of("main .big").split_whitespace().next().unwrap_or_default().to_owned()
}

fn customer_in(text: &str) -> String {
    let from = text.find("cus_").expect("the quick start names the customer");
    text[from..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn handled(events: &Value, kind: &str) -> usize {
    let events = events["data"].as_array().into_iter().flatten();
    events.filter(|event| event["kind"] == kind && event["state"] == "done").count()
}

impl Hand {
    fn follow(self, browser: &Browser, link: &str) {
        match self {
            Hand::Pointer => browser.follow(link),
            Hand::Keyboard => {
                browser.tab_to("link", link);
                browser.press(Key::Enter);
            }
        }
    }

    fn push(self, browser: &Browser, button: &str) {
        match self {
            Hand::Pointer => browser.push(button),
            Hand::Keyboard => {
                browser.tab_to("button", button);
                browser.press(Key::Enter);
            }
        }
    }

    fn write(self, browser: &Browser, label: &str, text: &str) {
        match self {
            Hand::Pointer => browser.fill(label, text),
            Hand::Keyboard => {
                browser.tab_to("textbox", label);
                browser.strike(text);
            }
        }
    }
}
