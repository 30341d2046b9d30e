//! Abuse on the pages: what a customer on hold is told and can do, and what operators do about it; each act
//! audited and taken back again.

use app::risk::LAG_SECONDS;
use serde_json::{Value, json};
use tests::shop::{Shop, in_each_shop};

use crate::console::Browser as Desk;
use crate::portal::{Browser, between};

pub const OPERATOR: (&str, &str) = ("olga@example.com", "three sunny words");

pub async fn desk(shop: &Shop) -> Desk {
    app::accounts::ensure_user(&shop.app, OPERATOR.0, "Olga", OPERATOR.1, None).await.expect("an operator");
    let console = console::router(shop.app.clone(), &format!("http://{}", shop.address));
    Desk::of_operator(console, OPERATOR).await
}

pub async fn tick(shop: &Shop) {
    app::risk::tick(&shop.app).await.expect("the watch ticks");
}

/// One account, used from many networks by many programs within half an hour, until it is held.
pub async fn share(shop: &Shop, customer: &str) {
    let grant = json!({"customer": customer, "credits": "1000", "kind": "promo"});
    assert_eq!(shop.post("/v1/grants", &grant).await.status, 201);
    tick(shop).await;
    for n in 0..60 {
        let work = json!({
            "customer": customer, "feature": "text.generate", "model": "gpt-4", "quantities": {"input_tokens": 100},
            "context": {"ip": format!("10.{n}.7.{n}"), "user_agent": format!("program {n}"), "prompt": format!("a castle {n} by the sea")},
        });
        assert_eq!(shop.post("/v1/usage", &work).await.status, 201, "{}: {n}", shop.name);
        shop.clock.advance_seconds(30);
    }
    shop.clock.advance_seconds(LAG_SECONDS + 1);
    tick(shop).await;
    assert_eq!(may_work(shop, customer).await, 403, "{}: it is held", shop.name);
}

pub async fn may_work(shop: &Shop, customer: &str) -> u16 {
    let work = json!({"customer": customer, "feature": "text.generate", "model": "gpt-4", "quantities": {"input_tokens": 100}});
    shop.post("/v1/usage", &work).await.status
}

/// The first path in a page that begins so.
pub fn path_in(html: &str, begin: &str) -> String {
    let rest = between(html, &format!("href=\"{begin}"), "\"");
    assert!(!rest.is_empty(), "no link to {begin} in {html}");
    format!("{begin}{rest}")
}

/// Actions of the audit log, newest first.
pub async fn acts(shop: &Shop) -> Vec<(String, String)> {
    let system = app::Principal::system();
    let page = app::PageRequest { limit: Some(100), cursor: None };
    let rows = app::audit::list(&shop.app, &system, None, &page).await.expect("a list").data;
    rows.into_iter().map(|row| (row.action, row.actor)).collect()
}

#[tokio::test]
async fn a_customer_on_hold_reads_why_writes_and_goes_on_with_a_mail() {
    in_each_shop(async |shop| {
        let mut desk = desk(shop).await;
        let (mut ada, mut bob) = (Browser::of(shop), Browser::of(shop));
        ada.sign_up("Ada", "ada@example.com").await;
        bob.sign_up("Bob", "bob@example.com").await;
        assert!(ada.get("/on-hold").await.body.contains("Nothing is on hold"));
        let customer = ada.customer().await;
        share(shop, &customer).await;

        for page in ["/", "/activity", "/buy", "/developers", "/settings"] {
            let shown = ada.get(page).await;
            assert!(shown.status == 200 && shown.body.contains("href=\"/on-hold\""), "{}: {page}", shop.name);
        }
        let page = ada.get("/on-hold").await.body;
        assert!(
            page.contains("New work is on hold") && page.contains("Your account was used from many places")
        );
        assert!(!page.contains("account_sharing"), "no rule is named: {page}");
        assert!(bob.get("/on-hold").await.body.contains("Nothing is on hold"));
        assert!(!bob.get("/").await.body.contains("href=\"/on-hold\""));

        let refused = ada.submit("/on-hold", "/on-hold/appeal", &[("text", " ")]).await;
        assert_eq!(refused.status, 400, "{}", shop.name);
        let words = "It was <b>our own</b> script.";
        assert_eq!(ada.submit("/on-hold", "/on-hold/appeal", &[("text", words)]).await.status, 303);
        let page = ada.get("/on-hold").await.body;
        assert!(page.contains("&#60;b&#62;our own") && !page.contains("/on-hold/appeal\""), "{page}");
        // Without anything on hold both forms change nothing.
        assert_eq!(bob.submit("/settings", "/on-hold/link", &[]).await.status, 303);
        assert_eq!(bob.submit("/settings", "/on-hold/appeal", &[("text", "me too")]).await.status, 400);

        let queue = desk.get("/console/review").await.html;
        assert!(queue.contains("the customer wrote"), "{}: {queue}", shop.name);
        let named = format!("href=\"/console/customers/{customer}\">Ada</a>");
        assert!(queue.contains(&named), "{}: whose case it is: {queue}", shop.name);
        let case = path_in(&queue, "/console/review/");
        assert!(desk.get(&case).await.html.contains("&#60;b&#62;our own"));

        assert_eq!(ada.submit("/on-hold", "/on-hold/link", &[]).await.status, 303);
        shop.settle().await;
        let sent = shop.sent.lock().expect("no panic holds it").clone();
        let mut links = sent
            .iter()
            .filter(|m| m.recipient == "ada@example.com" && m.letter.text.contains("/verify?token="));
        let text = &links.next_back().expect("a link").letter.text;
        let link = format!("/verify?token={}", between(text, "/verify?token=", "\n"));
        assert_eq!(ada.confirm(&link).await.status, 303);
        assert_eq!(may_work(shop, &customer).await, 201, "{}: they go on", shop.name);
        assert!(ada.get("/on-hold").await.body.contains("Nothing is on hold"));
        assert!(!ada.get("/").await.body.contains("href=\"/on-hold\""));
    })
    .await;
}

#[tokio::test]
async fn a_reviewer_decides_and_what_follows_is_audited_and_can_be_taken_back() {
    in_each_shop(async |shop| {
        let mut desk = desk(shop).await;
        for name in ["ada", "bob"] {
            shop.customer(name).await;
            share(shop, name).await;
        }
        let queue = desk.get("/console/review").await.html;
        assert!(queue.contains("2 open."), "{}: {queue}", shop.name);
        let first = path_in(&queue, "/console/review/");
        let page = desk.get(&first).await.html;
        assert!(page.contains("account_sharing") && page.contains("Next case"), "{page}");
        let decision = format!("{first}/decision");
        let confirmed =
            desk.send(&first, &decision, &[("decision", "confirmed"), ("note", "sold <keys>")]).await;
        assert!(
            confirmed.status == 303 && confirmed.location.starts_with("/console/review/cas_"),
            "the next opens"
        );
        assert_ne!(confirmed.location, first, "{}", shop.name);
        let second = confirmed.location;
        let snooze = format!("{second}/snooze");
        let snoozed = desk.send(&second, &snooze, &[("rule", "account_sharing")]).await;
        assert_eq!((snoozed.status, &snoozed.location), (303, &second));
        assert!(desk.get(&second).await.html.contains("account_sharing until"));
        let dismissed = desk
            .send(&second, &format!("{second}/decision"), &[("decision", "dismissed"), ("note", "")])
            .await;
        assert_eq!(
            (dismissed.status, dismissed.location.as_str()),
            (303, "/console/review"),
            "{}",
            shop.name
        );
        let queue = desk.get("/console/review").await.html;
        assert!(queue.contains("Nothing waits") && queue.contains("1 of 2, 50 %"), "{queue}");

        let standing = [may_work(shop, "ada").await, may_work(shop, "bob").await];
        let mut sorted = standing;
        sorted.sort_unstable();
        assert_eq!(sorted, [201, 403], "{}: one is held for good, the other is free", shop.name);
        let held = if standing[0] == 403 { "ada" } else { "bob" };
        let id = shop.get(&format!("/v1/customers/{held}")).await.document()["id"].clone();
        let page = format!("/console/customers/{}", id.as_str().expect("an id"));
        let html = desk.get(&page).await.html;
        assert!(html.contains("New work waits.") && html.contains("until it is released"), "{html}");
        let done = desk.send(&page, &format!("{page}/release"), &[("reason", "they paid")]).await;
        assert_eq!((done.status, &done.location), (303, &page));
        assert_eq!(may_work(shop, held).await, 201, "{}: taken back", shop.name);
        let told = acts(shop).await;
        for act in ["case.decide", "risk.snooze", "customer.release"] {
            assert!(
                told.iter().any(|(action, actor)| action == act && actor == OPERATOR.0),
                "{act} in {told:?}"
            );
        }
        assert!(desk.get("/console/audit").await.html.contains("sold &#60;keys&#62;"));
    })
    .await;
}

#[tokio::test]
async fn an_operator_holds_releases_and_spares_a_customer_with_a_reason() {
    in_each_shop(async |shop| {
        let mut desk = desk(shop).await;
        shop.customer("ada").await;
        let grant = json!({"customer": "ada", "credits": "1000", "kind": "promo"});
        assert_eq!(shop.post("/v1/grants", &grant).await.status, 201);
        let id = shop.get("/v1/customers/ada").await.document()["id"].clone();
        let page = format!("/console/customers/{}", id.as_str().expect("an id"));
        let (hold, free) = (format!("{page}/restriction"), format!("{page}/release"));
        for wrong in [[("hours", "0"), ("reason", "r")], [("hours", ""), ("reason", " ")]] {
            assert_eq!(desk.send(&page, &hold, &wrong).await.status, 400, "{wrong:?}");
        }
        assert_eq!(may_work(shop, "ada").await, 201, "{}: nothing of it took effect", shop.name);
        assert_eq!(desk.send(&page, &hold, &[("hours", "2"), ("reason", "asked us to")]).await.status, 303);
        assert_eq!(may_work(shop, "ada").await, 403, "{}", shop.name);
        assert!(desk.get(&page).await.html.contains("asked us to"));
        shop.clock.advance_seconds(7_200);
        assert_eq!(may_work(shop, "ada").await, 201, "{}: two hours are over", shop.name);
        assert_eq!(desk.send(&page, &hold, &[("hours", ""), ("reason", "once more")]).await.status, 303);
        assert_eq!(desk.send(&page, &free, &[("reason", "in order")]).await.status, 303);
        assert_eq!(may_work(shop, "ada").await, 201, "{}", shop.name);

        let allow = format!("{page}/allowance");
        assert_eq!(
            desk.send(&page, &allow, &[("is_allowed", "true"), ("reason", "our own")]).await.status,
            303
        );
        tick(shop).await;
        assert!(desk.get(&page).await.html.contains("Take off the list"), "{}", shop.name);
        assert_eq!(
            desk.send(&page, &allow, &[("is_allowed", "false"), ("reason", "no longer")]).await.status,
            303
        );
        tick(shop).await;
        assert!(desk.get(&page).await.html.contains("Put on the list"), "{}", shop.name);
        let told: Vec<String> = acts(shop).await.into_iter().map(|(action, _)| action).collect();
        let of = |name: &str| told.iter().filter(|action| *action == name).count();
        assert_eq!(
            (of("customer.restrict"), of("customer.release"), of("risk.allow")),
            (2, 1, 2),
            "{told:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn thresholds_and_rules_are_versions_with_a_reason() {
    in_each_shop(async |shop| {
        let mut desk = desk(shop).await;
        let page = desk.get("/console/risk").await.html;
        assert!(page.contains("Version 0 is in force") && page.contains("Nobody made one yet"), "{page}");
        let mut fields: Vec<(&str, &str)> = vec![
            ("review", "0.4"),
            ("restrict", "0.8"),
            ("block", "1"),
            ("release", "0.6"),
            ("restrict_minutes", "60"),
            ("credits_per_hour", "100"),
            ("times_usual_hour", ""),
            ("least_credits", "0"),
            ("mail_above", "5"),
            ("step_up", "wait"),
            ("rule_scraper", "shadow"),
            ("reason", "a small shop"),
        ];
        let done = desk.send("/console/risk", "/console/risk", &fields).await;
        assert_eq!(
            (done.status, done.location.as_str()),
            (303, "/console/risk"),
            "{}: {}",
            shop.name,
            done.html
        );
        let page = desk.get("/console/risk").await.html;
        for shown in
            ["Version 1 is in force", "by olga@example.com: a small shop", "rules scraper on \u{2192} shadow"]
        {
            assert!(page.contains(shown), "{}: {shown} in {page}", shop.name);
        }
        fields[0] = ("review", "0.9");
        let refused = desk.send("/console/risk", "/console/risk", &fields).await;
        assert!(refused.status == 400 && refused.html.contains("value=\"0.9\""), "{}", refused.html);
        let by_api: Value = shop.get("/v1/risk/settings").await.document();
        assert_eq!((&by_api["version"], &by_api["review"]), (&json!(1), &json!(0.4)), "{by_api}");
        let told = acts(shop).await;
        assert_eq!(
            told.iter().filter(|(action, _)| action == "risk.settings").count(),
            2,
            "the refused one, too"
        );
        // The form has no field for what reviewers taught; who saves it changes nothing about that.
        let quiet = json!({"settings": {"review": 0.5, "restrict": 0.9, "block": 1.0, "release": 0.6,
            "rules": {"reviewers": "off"}, "restrict_minutes": 60, "step_up": "wait", "mail_above": "0"},
            "reason": "rules only"});
        assert_eq!(shop.post("/v1/risk/settings", &quiet).await.status, 201);
        fields[0] = ("review", "0.3");
        assert_eq!(desk.send("/console/risk", "/console/risk", &fields).await.status, 303);
        let by_api: Value = shop.get("/v1/risk/settings").await.document();
        assert_eq!((&by_api["version"], &by_api["review"]), (&json!(3), &json!(0.3)), "{by_api}");
        let states = (&by_api["rules"]["reviewers"], &by_api["rules"]["scraper"]);
        assert_eq!(states, (&json!("off"), &json!("shadow")), "{}", shop.name);
    })
    .await;
}
