//! Every page there is: by following all links, and by sending the forms that lead to the others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};
use tests::browser::Browser;
use tests::routes::{self, Route};
use tests::wire::Wire;

use super::risk::share;
use super::{DEMO_CUSTOMER, DEMO_OPERATOR, SUCCESS, Visit, post};

/// Pages of one shape, such as receipts, that are looked at.
const MAX_OF_A_SHAPE: usize = 2;
const MAX_PAGES: usize = 200;

/// Of every page's own links those that lead to a page.
const LINKS: &str = r#"
    return [...document.querySelectorAll("a[href]:not([download])")]
        .map(link => link.href.replace(/#.*/, ''))
        .filter(href => href.startsWith(location.origin + "/"));"#;

/// A file.
const NO_PAGES: [&str; 1] = ["/activity.csv"];
/// A page of the API's service.
const REFERENCE: &str = "/docs";
/// What the built-in gateway is called with while nobody has set a key.
const SANDBOX_KEY: &str = "sk_test_sandbox";

/// Shows every page to `look`, with a name of it.
pub fn walk(visit: &Visit, look: &mut dyn FnMut(&str)) {
    let mut seen = BTreeSet::new();
    go_everywhere(visit, &mut |name| {
        let path = visit.browser.path();
        seen.insert(path.split('?').next().unwrap_or_default().to_owned());
        look(name);
    });
    assert_complete(&seen);
}

/// Each route of both sites that has a page was looked at.
fn assert_complete(seen: &BTreeSet<String>) {
    let all = routes::portal().into_iter().chain(routes::console());
    let pages: Vec<Route> =
        all.filter(|route| route.takes_get && !NO_PAGES.contains(&route.path.as_str())).collect();
    let is_seen = |route: &Route| seen.iter().any(|path| route.matches(path));
    let missed: Vec<&str> =
        pages.iter().filter(|page| !is_seen(page)).map(|page| page.path.as_str()).collect();
    assert!(
        missed.is_empty() && seen.contains(REFERENCE),
        "nobody looked at {missed:?}: link to it from a page that the walk comes to, or go there in \
         `go_everywhere` of tests/it/browser/walk.rs; a file belongs into `NO_PAGES`. Looked at: {seen:?}"
    );
}

fn go_everywhere(visit: &Visit, look: &mut dyn FnMut(&str)) {
    let browser = &visit.browser;
    follow_links(
        visit,
        "a stranger",
        &["/", "/sign-in", "/sign-up", "/reset?token=none", "/console/sign-in", "/console/reset?token=none"],
        look,
    );
    for (path, name) in [("/nowhere", "not found"), ("/sandbox/pay/cs_test_nothing", "no such checkout")] {
        visit.go(path);
        look(name);
    }
    for (forgotten, email) in [("/forgot", DEMO_CUSTOMER), ("/console/forgot", DEMO_OPERATOR)] {
        visit.go(forgotten);
        browser.fill("E-mail address", email);
        browser.push("Send the link");
        browser.see("a link to a new password is on its way");
        let link = forgotten.replace("forgot", "reset?token=");
        browser.goto(&visit.mailed_link(&link));
        browser.until_at("New password");
        look(&format!("the link {link}"));
    }
    refused_sign_up(visit, look);
    visit.go("/sign-up");
    browser.fill("E-mail address", "bea@example.com");
    browser.push("Create account");
    browser.until_at("Look into your mail");
    look("a sign-up");
    browser.follow("Open the account");
    browser.until_at("Open your account");
    look("the link of a sign-up");
    send_nonsense(browser, "Open account");
    look("an account without a password");
    refused_sign_in(visit, look);

    visit.sign_in_as_demo();
    live(&mut visit.merchant());
    purchase(visit, look);
    follow_links(visit, "a customer", &["/", "/activity?month=2026-01"], look);
    for (path, button) in
        [("/buy", "Buy this amount"), ("/developers", "Create key"), ("/settings", "Save name")]
    {
        visit.go(path);
        send_nonsense(browser, button);
        look(&format!("{button} with nonsense"));
    }
    visit.go("/developers");
    browser.fill("Name of a new key", "Laptop");
    browser.push("Create key");
    browser.see("Your new key");
    look("a new key");

    visit.go("/activity");
    browser.click_first("main a[href^='/receipts/']");
    browser.fill("What is wrong with this charge?", "The picture is black.");
    browser.push("Report a problem");
    browser.see("Your report reached us");
    look("a reported problem");

    visit.go("/on-hold");
    look("nothing on hold");
    let hold = |step_up: &str| json!({"reason": "the walk", "step_up": step_up});
    post(&mut visit.merchant(), "/v1/customers/demo/restrict", &hold("verify_mail"));
    visit.go("/on-hold");
    browser.push("Send me the link");
    browser.see("A link is on its way");
    look("a link is on its way");
    browser.goto(&visit.mailed_link_in("You asked for the link", "/verify?token="));
    browser.until_at("Confirm your address");
    look("the link that lifts a hold");
    post(&mut visit.merchant(), "/v1/customers/demo/restrict", &hold("review"));
    for path in ["/", "/on-hold"] {
        visit.go(path);
        look(&format!("{path} of a customer on hold"));
    }

    let shared =
        json!({"external_id": "shared", "kind": "individual", "name": "Cleo", "email": "cleo@example.com"});
    post(&mut visit.merchant(), "/v1/customers", &shared);
    share(&mut visit.merchant(), "shared");
    visit.sign_in_as_operator();
    // The customer who has everything comes first: of a shape, two pages are looked at.
    let demo = visit.merchant().get("/v1/customers/demo").expect("an answer").text("id");
    let demo = format!("/console/customers/{demo}");
    follow_links(visit, "an operator", &[demo.as_str(), "/console"], look);
    visit.go("/console/problems");
    browser.click_first("main th a");
    send_nonsense(browser, "Send the answer");
    look("an answer that says nothing");
    browser.fill("What the customer should know", "The charge is undone.");
    browser.push("Send the answer");
    browser.see("What was answered");
    look("an answered problem");
    visit.go("/console");
    browser.push("Verify now");
    browser.see("A worker is recomputing");
    look("a check under way");
    visit.go("/console/customers?q=nobody-at-all");
    look("nothing found");
    visit.go("/console/customers?q=demo%40example.com");
    browser.click_first("main td a, main th a");
    for form in ["Grant", "Adjust"] {
        send_nonsense(browser, form);
        look(&format!("{form} with nonsense"));
    }
}

fn follow_links(visit: &Visit, whose: &str, from: &[&str], look: &mut dyn FnMut(&str)) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut next: VecDeque<String> = from.iter().map(|path| (*path).to_owned()).collect();
    while let Some(path) = next.pop_front() {
        let of_this_shape = seen.entry(shape(&path)).or_default();
        if *of_this_shape == MAX_OF_A_SHAPE || !known.insert(path.clone()) {
            continue;
        }
        *of_this_shape += 1;
        assert!(known.len() <= MAX_PAGES, "{whose} finds no end: {known:?}");
        visit.go(&path);
        look(&format!("{path} of {whose}"));
        let links = visit.browser.script(LINKS, &[]);
        let links = links.as_array().into_iter().flatten().filter_map(|link| link.as_str());
        let links = links.filter_map(|link| link.strip_prefix(&visit.server.url()));
        // Another visitor's part of the house, and what is no page.
        let is_for_programs = |path: &&str| path.ends_with(".json") || path.ends_with(".csv");
        next.extend(links.filter(|link| !is_for_programs(link)).map(str::to_owned));
    }
}

/// The path without ids, and the names of the parameters.
fn shape(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_id =
        |segment: &&str| segment.len() > 20 || segment.chars().filter(char::is_ascii_digit).count() > 8;
    let mut segments: Vec<&str> =
        path.split('/').map(|segment| if is_id(&segment) { "*" } else { segment }).collect();
    if let ["", "prices", _, model] = segments.as_mut_slice() {
        *model = "*";
    }
    let names: Vec<&str> =
        query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty()).collect();
    let query = if names.is_empty() { String::new() } else { format!("?{}", names.join("&")) };
    segments.join("/") + &query
}

fn refused_sign_up(visit: &Visit, look: &mut dyn FnMut(&str)) {
    visit.go("/sign-up");
    send_nonsense(&visit.browser, "Create account");
    look("a refused sign-up");
}

fn refused_sign_in(visit: &Visit, look: &mut dyn FnMut(&str)) {
    for page in ["/sign-in", "/console/sign-in"] {
        visit.go(page);
        visit.browser.fill("E-mail address", DEMO_OPERATOR);
        visit.browser.fill("Password", "not this one");
        visit.browser.push("Sign in");
        visit.browser.see("Sign in");
        look(&format!("a refused sign-in at {page}"));
    }
}

/// Everything on the way from the pack to the thanks, and what may happen instead.
fn purchase(visit: &Visit, look: &mut dyn FnMut(&str)) {
    let browser = &visit.browser;
    let pay = |card: &str| {
        browser.fill("Card number", card);
        browser.fill("Expiry (MM / YY)", "12 / 34");
        browser.fill("Security code", "123");
        browser.click_first("form button");
    };
    visit.go("/buy");
    // The first form is the first pack's.
    let once = browser.script("return document.querySelector('main input[name=once]').value", &[]);
    let back = format!("/buy/return/{}", once.as_str().unwrap_or_default());
    browser.push("Buy 100 credits for $10.00");
    browser.until_at("Pay 10.00 USD");
    look("the hosted checkout");
    let checkout = browser.url();
    visit.go(&back);
    browser.until_at("Waiting for the payment");
    look("a payment that is awaited");
    browser.goto(&checkout);
    browser.click_first("form button");
    browser.see("Not sent yet");
    look("the hosted checkout, not filled in");
    pay("4000 0000 0000 0002");
    browser.see("Not paid.");
    look("a declined card");
    pay("4000 0027 6000 3184");
    browser.until_at("Confirm your payment");
    look("3-D Secure");
    browser.push("Fail authentication");
    browser.until_at("Pay 10.00 USD");
    browser.follow("Cancel and go back");
    browser.until_at("Purchase cancelled");
    look("a cancelled purchase");
    close_checkout(visit);
    look("a checkout that was open for too long");
    browser.goto(&checkout);
    pay(SUCCESS);
    browser.until("the way back", || browser.path() == back);
    browser.until("the thanks", || {
        if browser.text_of("h1") == "Waiting for the payment" {
            browser.follow("Check again");
        }
        browser.text_of("h1") == "Thank you"
    });
    look("the thanks");
    browser.goto(&checkout);
    browser.until_at("Already paid");
    look("a checkout that is paid");
}

/// Another purchase, whose checkout the gateway closes before anybody pays; ends on the way back from it.
fn close_checkout(visit: &Visit) {
    let browser = &visit.browser;
    visit.go("/buy");
    let once = browser.script("return document.querySelector('main input[name=once]').value", &[]);
    let back = format!("/buy/return/{}", once.as_str().unwrap_or_default());
    browser.push("Buy 100 credits for $10.00");
    browser.until_at("Pay 10.00 USD");
    let session = browser.path().rsplit('/').next().unwrap_or_default().to_owned();
    let mut gateway = visit.api(SANDBOX_KEY);
    let path = format!("/sandbox/v1/checkout/sessions/{session}/expire");
    let closed = gateway.form(&path, "").expect("an answer");
    assert!(closed.is_success(), "{closed:?}");
    visit.go(&back);
    browser.until("the page to be closed", || {
        if browser.text_of("h1") == "Waiting for the payment" {
            browser.follow("Check again");
        }
        browser.text_of("h1") == "The payment page was closed"
    });
}

/// A morning in a studio, so that no page is empty; the last thing is the cover.
pub fn live(merchant: &mut Wire) {
    let unpriced = json!({
        "specversion": "1.0", "id": "nobody-knows", "source": "tests", "subject": "demo",
        "type": "scrip.usage", "data": {"feature": "none.such", "model": "m", "quantities": {"seconds": 1}},
    });
    post(merchant, "/api/v1/events", &unpriced);
    let undone = work("image.generate", "midjourney", json!({"images": 1}), "cover");
    let undone = post(merchant, "/v1/usage", &undone).text("id");
    post(merchant, &format!("/v1/receipts/{undone}/reverse"), &json!({}));

    let failed = json!({"customer": "demo", "credits": "12", "job": "failed-render"});
    let failed = post(merchant, "/v1/holds", &failed).text("id");
    post(merchant, &format!("/v1/holds/{failed}/void"), &json!({}));
    let teaser = work("video.render", "standard", json!({"seconds": 60}), "teaser");
    let teaser = post(merchant, "/v1/holds", &teaser).text("id");
    post(merchant, &format!("/v1/holds/{teaser}/capture"), &json!({"quantities": {"seconds": 40}}));
    let batch = json!({"customer": "demo", "credits": "30", "job": "night-batch", "ttl_seconds": 3_600});
    post(merchant, "/v1/holds", &batch);

    for (feature, model, quantities, job) in [
        ("video.render", "standard", json!({"seconds": 12}), "trailer"),
        ("text.generate", "gpt-4", json!({"input_tokens": 1_800, "output_tokens": 420}), "chapter-1"),
        ("image.generate", "dall-e-3", json!({"images": 1}), "cover"),
    ] {
        post(merchant, "/v1/usage", &work(feature, model, quantities, job));
    }
    let cover = json!({"images": 2, "width": 1_024, "height": 1_024, "steps": 36});
    let made = json!({"quantities": &cover});
    let cover = post(merchant, "/v1/holds", &work("image.generate", "sdxl", cover, "cover")).text("id");
    post(merchant, &format!("/v1/holds/{cover}/capture"), &made);
}

fn work(feature: &str, model: &str, quantities: Value, job: &str) -> Value {
    json!({
        "customer": "demo", "feature": feature, "model": model, "quantities": quantities,
        "job": job, "subject": "mira",
    })
}

/// Sends a form past the browser's own checks.
pub fn send_nonsense(browser: &Browser, button: &str) {
    let send = r#"
        const buttons = [...document.querySelectorAll("form button")];
        const form = buttons.find(button => button.textContent.trim() === arguments[0]).form;
        for (const field of form.querySelectorAll("input:not([type=hidden]):not([type=date])")) {
            field.value = field.name === "name" ? "" : "?";
        }
        form.noValidate = true;
        form.dataset.sent = "1";
        form.requestSubmit();"#;
    browser.script(send, &[json!(button)]);
    browser.until("the next page", || !browser.has("form[data-sent]"));
}
