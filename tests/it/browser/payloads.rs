//! Texts that would be scripts on a careless page, in every field that takes text.

use serde_json::json;
use tests::browser::Browser;
use tests::routes;

use super::risk::share;
use super::{PASSWORD, SUCCESS, Visit, post};

/// Each sets the flag on a page that prints it as it is; the first test proves it.
const PAYLOADS: [&str; 5] = [
    "<script>window.scriptRan = 1</script>",
    "\"><img src=x onerror=window.scriptRan=1>",
    "</title></textarea></option><svg onload=window.scriptRan=1>",
    "\" autofocus onfocus=window.scriptRan=1 x=\"",
    "'><details open ontoggle=window.scriptRan=1>",
];

/// Forms that are one button, or ask for a password only, which no page shows.
const WITHOUT_TEXT: [&str; 13] = [
    "/reset",
    "/console/reset",
    "/sign-out",
    "/on-hold/link",
    "/on-hold/proof",
    "/settings/sessions/end-others",
    "/settings/sessions/{id}/end",
    "/console/sign-out",
    "/console/verification",
    "/console/customers/{id}/snoozes",
    "/console/webhooks/{id}/replay",
    "/console/outbox/{id}/replay",
    "/console/mails/{id}/retry",
];
/// A model takes nights of use; the console's own tests render its form with hostile text.
const AFTER_NIGHTS: &str = "/console/risk/models/{id}/use";

/// How a form's text fields are filled.
#[derive(Clone, Copy, Debug)]
enum Filling {
    /// The payload everywhere: refused, and shown again.
    Everywhere,
    /// Only where any text is right: accepted, and shown from then on.
    WhereItFits,
}

const ACTIONS: &str = r#"
    const actions = [...document.querySelectorAll("main form")].map(form => form.getAttribute("action"));
    return [...new Set(actions)];"#;

/// Sends the first form with an action, if there is one.
const SEND: &str = r#"
    const [action, payload, fits, email, password] = arguments;
    const form = [...document.querySelectorAll("main form")]
        .find(form => form.getAttribute("action") === action);
    if (!form) return;
    for (const field of form.querySelectorAll("input:not([type=hidden]), textarea")) {
        const is_number = field.inputMode === "decimal" || field.inputMode === "numeric";
        if (field.type === "password") field.value = password;
        else if (fits && field.type === "email") field.value = email;
        else if (fits && is_number) field.value ||= "1";
        else if (field.type !== "date") field.value = payload;
    }
    form.noValidate = true;
    form.dataset.sent = "1";
    form.requestSubmit(form.querySelector("button"));"#;

#[test]
fn scripts_in_text_fields_are_text() {
    let Some(visit) = Visit::start("payloads") else { return };
    let browser = &visit.browser;
    // Nothing but the escaping may stand between a payload and its running.
    browser.ignore_security_policies();
    for (index, payload) in PAYLOADS.iter().enumerate() {
        try_payload(&visit, index, payload);
    }
    let sent = visit.sent.borrow();
    let forms = routes::portal().into_iter().chain(routes::console()).filter(|route| route.takes_post);
    let untouched: Vec<String> = forms
        .filter(|form| !sent.iter().any(|path| form.matches(path)))
        .map(|form| form.path)
        .filter(|path| !WITHOUT_TEXT.contains(&path.as_str()) && path != AFTER_NIGHTS)
        .collect();
    assert!(untouched.is_empty(), "never sent: {untouched:?}");
}

#[test]
fn the_payloads_run_where_nobody_escapes_them() {
    let Some(browser) = Browser::open() else { return };
    for payload in PAYLOADS {
        let page =
            format!("<title>t</title><p>{payload}</p><input value=\"{payload}\"><input value='{payload}'>");
        let page: String = page.bytes().map(|byte| format!("%{byte:02X}")).collect();
        browser.goto(&format!("data:text/html,{page}"));
        browser.until(payload, || has_run(&browser));
    }
}

fn try_payload(visit: &Visit, index: usize, payload: &str) {
    let browser = &visit.browser;
    let email = format!("mallory-{index}@example.com");
    // The customer's own part: signing up with it as the name, then every form with it.
    let public =
        ["/sign-in", "/console/sign-in", "/prices/image.generate/sdxl", "/forgot", "/console/forgot"];
    for page in public {
        send_all(visit, page, payload, &email, Filling::Everywhere);
    }
    send_all(visit, "/sign-up", payload, &email, Filling::Everywhere);
    send_all(visit, "/sign-up", payload, &email, Filling::WhereItFits);
    browser.follow("Open the account");
    browser.until_at("Open your account");
    let opening = browser.path();
    send_all(visit, &opening, payload, &email, Filling::WhereItFits);
    browser.until_at("Balance");
    let customer = visit.customer();
    work_for(visit, &customer, payload);
    buy(visit);
    for page in ["/developers", "/buy", "/activity", "/settings"] {
        for filling in [Filling::Everywhere, Filling::WhereItFits] {
            // The last one fitting changes the password to the same one.
            send_all(visit, page, payload, &email, filling);
        }
    }
    for page in ["/", "/activity", "/developers", "/settings", "/buy"] {
        visit.go(page);
        assert_text(browser, page);
    }
    visit.go("/developers");
    browser.see(payload);
    visit.go("/activity");
    browser.see(payload);
    browser.click_first("main a[href^='/receipts/']");
    browser.see(payload);
    assert_text(browser, "the receipt");
    let receipt = browser.path();
    // A report is any text, and a receipt has one open report.
    send_all(visit, &receipt, payload, &email, Filling::WhereItFits);
    come_back(visit, payload);
    appeal(visit, &customer, payload, &email);

    visit.sign_in_as_operator();
    let page = format!("/console/customers/{customer}");
    for filling in [Filling::Everywhere, Filling::WhereItFits] {
        send_all(visit, "/console/customers", payload, &email, filling);
        send_all(visit, &page, payload, &email, filling);
    }
    visit.go(&page);
    browser.see(payload);
    review(visit, &page, payload, &email);
    // The thresholds stay as they are; the reason of the new version is any text.
    for filling in [Filling::Everywhere, Filling::WhereItFits] {
        send_all(visit, "/console/risk", payload, &email, filling);
    }
    visit.go("/console/risk");
    browser.see(payload);
    assert_text(browser, "the versions");
    for act in ["reversal", "refund", "void"] {
        visit.go(&page);
        browser.click_first(&format!("main a[href$='/{act}']"));
        for filling in [Filling::Everywhere, Filling::WhereItFits] {
            send_all(visit, &browser.path(), payload, &email, filling);
            visit.go(&page);
            assert_text(browser, act);
            if !browser.has(&format!("main a[href$='/{act}']")) {
                break;
            }
            browser.click_first(&format!("main a[href$='/{act}']"));
        }
    }
    visit.go("/console/problems?state=open");
    browser.see(payload);
    browser.click_first("main th a");
    let problem = browser.path();
    browser.see(payload);
    for filling in [Filling::Everywhere, Filling::WhereItFits] {
        if browser.has("form[action$='/answer']") {
            send_all(visit, &problem, payload, &email, filling);
        }
    }
    visit.go(&problem);
    browser.see("What was answered");
    assert_text(browser, "an answered problem");
    visit.go(&receipt);
    assert_eq!(browser.text_of(".said"), payload, "the answer on the receipt's page");
    for page in [page.as_str(), "/console/customers", "/console/mails", "/console/unpaid", "/console/outbox"]
    {
        visit.go(page);
        assert_text(browser, page);
    }
    visit.go("/console/outbox");
    if browser.has("main th a") {
        browser.click_first("main th a");
        assert_text(browser, "a piece of work");
    }
    visit.go("/console/audit");
    for act in [
        "problem.answer",
        "receipt.reverse",
        "purchase.refund",
        "grant.void",
        "grant.create",
        "wallet.add",
        "risk.allow",
        "case.decide",
        "risk.settings",
    ] {
        browser.see(act);
    }
    browser.see(payload);
    assert_text(browser, "the audit log");
    visit.go(&page);
    browser.forget_cookies();
}

/// A purchase, so that there is one to refund.
fn buy(visit: &Visit) {
    let browser = &visit.browser;
    visit.go("/buy");
    browser.push("Buy 100 credits for $10.00");
    browser.until_at("Pay 10.00 USD");
    browser.fill("Card number", SUCCESS);
    browser.fill("Expiry (MM / YY)", "12 / 34");
    browser.fill("Security code", "123");
    browser.click_first("form button");
    browser.until("the credits", || {
        visit.go("/");
        browser.text_of("main .big") != "0 credits" && browser.text().contains("100")
    });
}

/// From the gateway, with an address that somebody has changed.
fn come_back(visit: &Visit, payload: &str) {
    let escaped: String = payload.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for path in [
        format!("/buy/return/{escaped}"),
        format!("/buy/return/0123456789abcdef?checkout={escaped}&{escaped}=1"),
        format!("/buy/cancelled?checkout={escaped}"),
    ] {
        visit.go(&path);
        assert_text(&visit.browser, &path);
    }
}

/// Put on hold by the watch, the customer writes what they think.
fn appeal(visit: &Visit, customer: &str, payload: &str, email: &str) {
    share(&mut visit.merchant(), customer);
    for filling in [Filling::Everywhere, Filling::WhereItFits] {
        visit.go("/on-hold");
        if visit.browser.has("form[action='/on-hold/appeal']") {
            send(visit, ("/on-hold", "/on-hold/appeal"), payload, email, filling);
        }
    }
    visit.go("/on-hold");
    visit.browser.see(payload);
    assert_text(&visit.browser, "the appeal");
}

/// The case, with the appeal; then decided, with a note.
fn review(visit: &Visit, customer: &str, payload: &str, email: &str) {
    visit.go(customer);
    visit.browser.click_first("main a[href^='/console/review/']");
    let case = visit.browser.path();
    visit.browser.see(payload);
    send_all(visit, &case, payload, email, Filling::WhereItFits);
    visit.go(&case);
    assert_eq!(visit.browser.text_of(".said"), payload, "what the customer wrote");
    assert_eq!(visit.browser.text_of("td[data-label=Note]"), payload, "the note of the decision");
    assert_text(&visit.browser, "a case that is decided");
    send(visit, (&case, &format!("{case}/correction")), payload, email, Filling::WhereItFits);
    visit.go(&case);
    visit.browser.see("dismissed");
    assert_eq!(visit.browser.text_of("td[data-label=Note]"), payload, "the reason of the correction");
    assert_text(&visit.browser, "a case whose decision is corrected");
}

/// What the merchant's product may pass on without looking.
fn work_for(visit: &Visit, customer: &str, payload: &str) {
    let mut merchant = visit.merchant();
    let grant = json!({"customer": customer, "credits": "50", "kind": "promo", "reason": payload});
    post(&mut merchant, "/v1/grants", &grant);
    let work = json!({
        "customer": customer, "feature": "image.generate", "model": "sdxl", "quantities": {"images": 1},
        "job": payload, "subject": payload, "vendor_transaction": payload,
    });
    post(&mut merchant, "/v1/usage", &work);
    post(&mut merchant, "/v1/holds", &json!({"customer": customer, "credits": "3", "job": payload}));
}

/// Every form of a page, each once.
fn send_all(visit: &Visit, page: &str, payload: &str, email: &str, filling: Filling) {
    visit.go(page);
    let actions = visit.browser.script(ACTIONS, &[]);
    let actions: Vec<&str> = actions.as_array().into_iter().flatten().filter_map(|a| a.as_str()).collect();
    assert!(!actions.is_empty(), "{page} has no form");
    for action in actions {
        send(visit, (page, action), payload, email, filling);
    }
}

fn send(visit: &Visit, (page, action): (&str, &str), payload: &str, email: &str, filling: Filling) {
    let browser = &visit.browser;
    visit.go(page);
    visit.sent.borrow_mut().insert(action.to_owned());
    let fits = matches!(filling, Filling::WhereItFits);
    let arguments = [json!(action), json!(payload), json!(fits), json!(email), json!(PASSWORD)];
    browser.script(SEND, &arguments);
    browser.until("the next page", || !browser.has("form[data-sent]"));
    assert_text(browser, &format!("the form {action} of {page}, {filling:?}"));
}

fn assert_text(browser: &Browser, what: &str) {
    browser
        .until("the page to be complete", || browser.script("return document.readyState", &[]) == "complete");
    if has_run(browser) {
        browser.fail(&format!("a script ran: {what}"));
    }
    let heading = browser.text_of("h1");
    assert!(!heading.contains("went wrong") && !heading.is_empty(), "{what}: {}", browser.text());
}

fn has_run(browser: &Browser) -> bool {
    browser.script("return window.scriptRan === 1", &[]) == true
}
