//! What customers on hold write, and what is answered; also when a person put the hold.

use serde_json::json;
use tests::shop::{Shop, in_each_shop};

use crate::portal::{Browser, between};
use crate::risk::{DISPUTE, ids, operator, say, tick, used};
use crate::risk_pages::{OPERATOR, acts, desk, may_work, path_in, share};

const WORDS: &str = "It was <i>our own</i> script.";
const ANSWER: &str = "Thank you, <b>we see</b> it now.";

/// Subjects of the mails to an address.
fn mails(shop: &Shop, to: &str) -> Vec<(String, String)> {
    let sent = shop.sent.lock().expect("no panic holds it");
    let of = sent.iter().filter(|mail| mail.recipient == to);
    of.map(|mail| (mail.letter.subject.clone(), mail.letter.text.clone())).collect()
}

#[tokio::test]
async fn an_operator_answers_and_the_customer_reads_it_by_mail_and_on_the_page() {
    in_each_shop(async |shop| {
        let (mut desk, mut ada) = (desk(shop).await, Browser::of(shop));
        ada.sign_up("Ada", "ada@example.com").await;
        share(shop, &ada.customer().await).await;
        let case = path_in(&desk.get("/console/review").await.html, "/console/review/");
        assert!(!desk.get(&case).await.html.contains("/answer\""), "nobody has written");
        assert_eq!(ada.submit("/on-hold", "/on-hold/appeal", &[("text", WORDS)]).await.status, 303);

        let to = format!("{case}/answer");
        let empty = desk.send(&case, &to, &[("text", "  ")]).await;
        assert_eq!(empty.status, 400, "{}", shop.name);
        let answered = desk.send(&case, &to, &[("text", ANSWER)]).await;
        assert_eq!((answered.status, &answered.location), (303, &case), "{}", shop.name);
        let page = desk.get(&case).await.html;
        assert!(page.contains("&#60;b&#62;we see") && page.contains(OPERATOR.0), "{page}");
        assert!(!page.contains("/answer\""), "once a case");
        shop.settle().await;
        let found = mails(shop, "ada@example.com");
        let of_it: Vec<_> =
            found.iter().filter(|(subject, _)| subject.starts_with("Our answer to what you wrote")).collect();
        assert_eq!(of_it.len(), 1, "{}: {found:?}", shop.name);
        assert!(of_it[0].1.contains(ANSWER) && of_it[0].1.contains(WORDS), "{of_it:?}");
        let page = ada.get("/on-hold").await.body;
        assert!(page.contains("What we answered") && page.contains("&#60;b&#62;we see"), "{page}");
        let told = acts(shop).await;
        let act = ("case.answer".to_owned(), OPERATOR.0.to_owned());
        assert_eq!(told.iter().filter(|row| **row == act).count(), 1, "{told:?}");
        assert_eq!(may_work(shop, &ada.customer().await).await, 403, "an answer decides nothing");
    })
    .await;
}

#[tokio::test]
async fn who_is_held_by_a_person_can_write_and_the_case_of_it_is_decided_like_others() {
    in_each_shop(async |shop| {
        let (mut desk, mut ada) = (desk(shop).await, Browser::of(shop));
        ada.sign_up("Ada", "ada@example.com").await;
        let customer = ada.customer().await;
        let grant = json!({"customer": customer, "credits": "1000", "kind": "promo"});
        assert_eq!(shop.post("/v1/grants", &grant).await.status, 201);
        let page = format!("/console/customers/{customer}");
        let hold = [("hours", ""), ("reason", "a call from the bank")];
        assert_eq!(desk.send(&page, &format!("{page}/restriction"), &hold).await.status, 303);
        assert_eq!(may_work(shop, &customer).await, 403, "{}", shop.name);

        let shown = ada.get("/on-hold").await.body;
        assert!(shown.contains("We paused new work") && shown.contains("/on-hold/appeal\""), "{shown}");
        assert!(!shown.contains("bank") && !shown.contains("/on-hold/link\""), "{shown}");
        assert!(desk.get("/console/review").await.html.contains("Nothing waits"));
        assert_eq!(ada.submit("/on-hold", "/on-hold/appeal", &[("text", WORDS)]).await.status, 303);
        assert_eq!(ada.submit("/settings", "/on-hold/appeal", &[("text", "again")]).await.status, 400);
        let shown = ada.get("/on-hold").await.body;
        assert!(shown.contains("What you wrote") && !shown.contains("bank"), "{shown}");

        let case = path_in(&desk.get("/console/review").await.html, "/console/review/");
        let seen = desk.get(&case).await.html;
        assert!(seen.contains("Put on hold by olga@example.com: a call from the bank"), "{seen}");
        let decided = [("decision", "dismissed"), ("note", "the bank was wrong")];
        assert_eq!(desk.send(&case, &format!("{case}/decision"), &decided).await.status, 303);
        assert_eq!(may_work(shop, &customer).await, 201, "{}: they go on", shop.name);
        shop.settle().await;
        let found = mails(shop, "ada@example.com");
        assert!(found.iter().any(|(subject, _)| subject.starts_with("You can go on")), "{found:?}");
        let queue = desk.get("/console/review").await.html;
        assert!(
            queue.contains("No case in which a rule spoke was decided"),
            "a person's hold says nothing of rules: {queue}"
        );
    })
    .await;
}

#[tokio::test]
async fn the_merchants_hold_that_a_mail_may_lift_is_lifted_by_it_and_no_other_one() {
    in_each_shop(async |shop| {
        let mut ada = Browser::of(shop);
        ada.sign_up("Ada", "ada@example.com").await;
        let customer = ada.customer().await;
        let grant = json!({"customer": customer, "credits": "1000", "kind": "promo"});
        assert_eq!(shop.post("/v1/grants", &grant).await.status, 201);
        let hold = json!({"step_up": "verify_mail", "reason": "a key was found in public"});
        let path = format!("/v1/customers/{customer}/restrict");
        assert_eq!(shop.post(&path, &hold).await.status, 200, "{}", shop.name);

        assert_eq!(ada.submit("/on-hold", "/on-hold/link", &[]).await.status, 303);
        shop.settle().await;
        let link = |shop: &Shop| {
            let found = mails(shop, "ada@example.com");
            let of_it = found.iter().rev().find(|(_, text)| text.contains("/verify?token="));
            format!("/verify?token={}", between(&of_it.expect("a link").1, "/verify?token=", "\n"))
        };
        let first = link(shop);
        // Meanwhile the merchant holds the customer for another reason: the mail must not end that.
        let other = json!({"step_up": "review", "reason": "a call from the bank"});
        assert_eq!(shop.post(&path, &other).await.status, 200, "{}", shop.name);
        assert_eq!(ada.confirm(&first).await.status, 303);
        assert_eq!(may_work(shop, &customer).await, 403, "{}: still held", shop.name);
        let free = format!("/v1/customers/{customer}/release");
        assert_eq!(shop.post(&free, &json!({"reason": "in order"})).await.status, 200);

        shop.clock.advance_seconds(3_600);
        assert_eq!(shop.post(&path, &hold).await.status, 200, "{}", shop.name);
        assert_eq!(ada.submit("/on-hold", "/on-hold/link", &[]).await.status, 303);
        shop.settle().await;
        assert_eq!(ada.confirm(&link(shop)).await.status, 303);
        assert_eq!(may_work(shop, &customer).await, 201, "{}: they go on", shop.name);
        let told = acts(shop).await;
        assert!(
            told.iter().any(|(action, actor)| action == "customer.release" && *actor == customer),
            "{told:?}"
        );
    })
    .await;
}

/// The watch had opened a case to be looked at; then a person held the wallet for a reason of their own.
#[tokio::test]
async fn what_a_customer_writes_about_a_persons_hold_shows_also_when_a_case_was_open() {
    in_each_shop(async |shop| {
        let (mut desk, mut ada) = (desk(shop).await, Browser::of(shop));
        ada.sign_up("Ada", "ada@example.com").await;
        let customer = ada.customer().await;
        share(shop, &customer).await;
        let free = format!("/v1/customers/{customer}/release");
        assert_eq!(shop.post(&free, &json!({"reason": "looked at"})).await.status, 200);
        let hold = json!({"step_up": "review", "reason": "a call from the bank"});
        let path = format!("/v1/customers/{customer}/restrict");
        assert_eq!(shop.post(&path, &hold).await.status, 200, "{}", shop.name);

        let shown = ada.get("/on-hold").await.body;
        assert!(shown.contains("We paused new work") && !shown.contains("many places"), "{shown}");
        assert_eq!(ada.submit("/on-hold", "/on-hold/appeal", &[("text", WORDS)]).await.status, 303);
        let shown = ada.get("/on-hold").await.body;
        assert!(shown.contains("What you wrote") && !shown.contains("/on-hold/appeal\""), "{shown}");
        assert!(shown.contains("We paused new work") && !shown.contains("many places"), "{shown}");
        let case = path_in(&desk.get("/console/review").await.html, "/console/review/");
        let to = format!("{case}/answer");
        assert_eq!(desk.send(&case, &to, &[("text", ANSWER)]).await.status, 303);
        assert!(ada.get("/on-hold").await.body.contains("What we answered"), "{}", shop.name);
        assert_eq!(may_work(shop, &customer).await, 403, "{}: still held", shop.name);
    })
    .await;
}

/// The customer ended the watch's hold by the mail; the case stayed open, and a person held the wallet.
#[tokio::test]
async fn a_dismissed_case_ends_a_later_hold_that_the_customer_wrote_about() {
    in_each_shop(async |shop| {
        let (mut desk, mut ada) = (desk(shop).await, Browser::of(shop));
        ada.sign_up("Ada", "ada@example.com").await;
        let customer = ada.customer().await;
        share(shop, &customer).await;
        assert_eq!(may_work(shop, &customer).await, 403, "{}", shop.name);
        assert_eq!(ada.submit("/on-hold", "/on-hold/link", &[]).await.status, 303);
        shop.settle().await;
        let found = mails(shop, "ada@example.com");
        let mail = found.iter().rev().find(|(_, text)| text.contains("/verify?token=")).expect("a link");
        let link = format!("/verify?token={}", between(&mail.1, "/verify?token=", "\n"));
        assert_eq!(ada.confirm(&link).await.status, 303);
        assert_eq!(may_work(shop, &customer).await, 201, "{}: lifted", shop.name);

        let hold = json!({"step_up": "review", "reason": "a call from the bank"});
        let path = format!("/v1/customers/{customer}/restrict");
        assert_eq!(shop.post(&path, &hold).await.status, 200, "{}", shop.name);
        assert_eq!(ada.submit("/on-hold", "/on-hold/appeal", &[("text", WORDS)]).await.status, 303);
        let case = path_in(&desk.get("/console/review").await.html, "/console/review/");
        let decided = [("decision", "dismissed"), ("note", "the bank was wrong")];
        assert_eq!(desk.send(&case, &format!("{case}/decision"), &decided).await.status, 303);
        assert_eq!(may_work(shop, &customer).await, 201, "{}: they go on", shop.name);
    })
    .await;
}

/// The first hold is released, the second is confirmed: each can be written about, and somebody reads it.
#[tokio::test]
async fn a_customer_writes_once_about_each_hold_also_when_the_case_is_decided() {
    in_each_shop(async |shop| {
        let (mut desk, mut ada) = (desk(shop).await, Browser::of(shop));
        ada.sign_up("Ada", "ada@example.com").await;
        let customer = ada.customer().await;
        share(shop, &customer).await;
        assert_eq!(ada.submit("/on-hold", "/on-hold/appeal", &[("text", WORDS)]).await.status, 303);
        let first = path_in(&desk.get("/console/review").await.html, "/console/review/");
        let free = format!("/v1/customers/{customer}/release");
        assert_eq!(shop.post(&free, &json!({"reason": "looked at"})).await.status, 200);

        shop.clock.advance_seconds(8 * 86_400);
        share(shop, &customer).await;
        let shown = ada.get("/on-hold").await.body;
        assert!(shown.contains("/on-hold/appeal\"") && !shown.contains("our own"), "{shown}");
        let again = [("text", "A script once more.")];
        assert_eq!(ada.submit("/on-hold", "/on-hold/appeal", &again).await.status, 303, "{}", shop.name);
        assert_eq!(ada.submit("/settings", "/on-hold/appeal", &again).await.status, 400, "once a hold");
        let seen = desk.get(&first).await.html;
        assert!(seen.contains("our own") && seen.contains("A script once more."), "one case: {seen}");
        shop.settle().await;
        let told = mails(shop, OPERATOR.0);
        let writes = told.iter().filter(|(subject, _)| subject.starts_with("Ada is on hold and writes"));
        assert_eq!(writes.count(), 2, "{}: {told:?}", shop.name);

        let decided = [("decision", "confirmed"), ("note", "sold keys")];
        assert_eq!(desk.send(&first, &format!("{first}/decision"), &decided).await.status, 303);
        assert!(desk.get("/console/review").await.html.contains("Nothing waits"));
        let shown = ada.get("/on-hold").await.body;
        assert!(shown.contains("/on-hold/appeal\""), "a new hold: {shown}");
        let last = [("text", "Please look once more.")];
        assert_eq!(ada.submit("/on-hold", "/on-hold/appeal", &last).await.status, 303, "{}", shop.name);
        let second = path_in(&desk.get("/console/review").await.html, "/console/review/");
        assert_ne!(first, second, "{}: it reaches the queue", shop.name);
        assert!(desk.get(&second).await.html.contains("Please look once more."));
        let decided = [("decision", "dismissed"), ("note", "they were right")];
        assert_eq!(desk.send(&second, &format!("{second}/decision"), &decided).await.status, 303);
        assert_eq!(may_work(shop, &customer).await, 201, "{}: they go on", shop.name);
    })
    .await;
}

/// At once above the value that the settings say; below it once a day, with who it was and why.
#[tokio::test]
async fn operators_hear_of_small_holds_once_a_day() {
    in_each_shop(async |shop| {
        let mut ada = Browser::of(shop);
        let _ = desk(shop).await;
        ada.sign_up("Ada", "ada@example.com").await;
        let settings = json!({"settings": {"review": 0.5, "restrict": 0.9, "block": 1.0, "release": 0.6,
            "restrict_minutes": 60, "step_up": "verify_mail", "mail_above": "5000"}, "reason": "a small shop"});
        assert_eq!(shop.post("/v1/risk/settings", &settings).await.status, 201);
        shop.settle().await;
        share(shop, &ada.customer().await).await;
        assert_eq!(ada.submit("/on-hold", "/on-hold/appeal", &[("text", WORDS)]).await.status, 303);
        shop.settle().await;
        let before = mails(shop, OPERATOR.0);
        assert!(before.iter().all(|(subject, _)| !subject.contains("was put on hold")), "{before:?}");
        app::work::schedules_round(&shop.app).await.expect("schedules run");
        shop.wait_and_settle(86_400).await;
        app::work::schedules_round(&shop.app).await.expect("schedules run");
        shop.settle().await;
        let found = mails(shop, OPERATOR.0);
        let digests: Vec<_> =
            found.iter().filter(|(subject, _)| subject.contains("What looked like abuse")).collect();
        assert_eq!(digests.len(), 1, "{}: {found:?}", shop.name);
        let text = &digests[0].1;
        for fact in [
            "Cases that wait for a decision: 1",
            "Put on hold by themselves: 1",
            "Customers who wrote and wait: 1",
            "Ada was put on hold. Used from",
            "credits at stake",
        ] {
            assert!(text.contains(fact), "{}: {fact} in {text}", shop.name);
        }
    })
    .await;
}

/// The case was opened the day before, when nothing was held.
#[tokio::test]
async fn a_hold_is_told_on_its_day_also_of_a_case_that_waited() {
    in_each_shop(async |shop| {
        operator(&shop.app).await;
        let settings = json!({"settings": {"review": 0.5, "restrict": 0.995, "block": 1.0, "release": 0.6,
            "velocity": {"credits_per_hour": "100", "least_credits": "0"}, "restrict_minutes": 60,
            "step_up": "verify_mail", "mail_above": "5000"}, "reason": "a small shop"});
        assert_eq!(shop.post("/v1/risk/settings", &settings).await.status, 201);
        shop.customer("c").await;
        let grant = json!({"customer": "c", "credits": "1000", "kind": "promo"});
        assert_eq!(shop.post("/v1/grants", &grant).await.status, 201);
        let (_, wallet) = ids(&shop.get("/v1/customers/c").await.document());
        tick(&shop.app).await;
        say(&shop.app, wallet, 1, DISPUTE);
        shop.clock.advance_seconds(app::risk::LAG_SECONDS + 1);
        tick(&shop.app).await;
        let digest = async || {
            app::work::schedules_round(&shop.app).await.expect("schedules run");
            shop.settle().await;
        };
        digest().await;
        shop.wait_and_settle(86_000).await;
        digest().await;
        for number in 2..5_u32 {
            say(&shop.app, wallet, number.into(), used(number, 40.0, "a castle by the sea"));
            shop.clock.advance_seconds(60);
            tick(&shop.app).await;
        }
        shop.wait_and_settle(86_000).await;
        digest().await;
        let found = mails(shop, "olga@example.com");
        let told: Vec<&str> = found
            .iter()
            .filter(|(subject, _)| subject.contains("What looked like abuse"))
            .map(|(_, text)| text.as_str())
            .collect();
        assert_eq!(told.len(), 2, "{}: {found:?}", shop.name);
        for (text, opened, held) in [(told[0], 1, 0), (told[1], 0, 1)] {
            assert!(text.contains(&format!("Opened in this time: {opened}")), "{}: {text}", shop.name);
            assert!(text.contains(&format!("Put on hold by themselves: {held}")), "{}: {text}", shop.name);
            assert_eq!(text.contains("C was put on hold. "), held == 1, "{}: {text}", shop.name);
        }
    })
    .await;
}
