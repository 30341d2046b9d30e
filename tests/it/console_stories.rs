//! What operators do, followed to its end: at the gateway, in the journal, in mailboxes, on the customer's
//! pages.

use app::accounts::{Role, ensure_user};
use sandbox::sign;
use serde_json::{Value, json};
use store::ConnectionTrait;
use tests::shop::{SUCCESS, Shop, WEBHOOK_SECRET, in_each_shop};

use crate::console::Browser as Desk;
use crate::portal::{Browser, between};

const OPERATOR: (&str, &str) = ("olga@example.com", "correct horse battery");
const FORGOT: &str = "/console/forgot";
const NEW_PASSWORD: &str = "another horse entirely";

/// An operator at the console.
async fn desk(shop: &Shop) -> Desk {
    ensure_user(&shop.app, OPERATOR.0, "Olga", OPERATOR.1, None).await.expect("an operator");
    Desk::of_operator(console(shop), OPERATOR).await
}

fn console(shop: &Shop) -> axum::Router {
    console::router(shop.app.clone(), &format!("http://{}", shop.address))
}

fn images(customer: &str, count: u32, job: &str) -> Value {
    let quantities = json!({"images": count});
    json!({"customer": customer, "feature": "image.generate", "model": "sdxl", "quantities": quantities, "job": job})
}

async fn postings(shop: &Shop, customer: &str) -> Vec<Value> {
    let page = shop.get(&format!("/v1/customers/{customer}/postings?limit=100")).await.document();
    page["data"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_refund_of_the_console_reaches_gateway_journal_and_the_customers_page() {
    in_each_shop(async |shop| {
        let mut desk = desk(shop).await;
        let mut ada = Browser::of(shop);
        ada.sign_up("Ada", "ada@example.com").await;
        let customer = ada.customer().await;
        let checkout = shop.checkout(&customer).await;
        shop.pay(&checkout, SUCCESS).await;
        shop.settle().await;
        let used = shop.post("/v1/usage", &images(&customer, 24, "poster")).await;
        assert_eq!((used.status, &used.document()["credits"]), (201, &json!("120")), "{used:?}");

        let page = format!("/console/customers/{customer}");
        let id = checkout["id"].as_str().expect("an id");
        let form = format!("/console/purchases/{id}/refund");
        assert!(desk.get(&page).await.html.contains(&format!("href=\"{form}\"")), "{}", shop.name);
        let asked = desk.get(&form).await.html;
        assert!(
            asked.contains("$45.00") && asked.contains("500"),
            "what is given back stands there: {asked}"
        );
        let refused = desk.send(&form, &form, &[("reason", " ")]).await;
        assert_eq!(refused.status, 400, "a reason is needed");
        let done = desk.send(&form, &form, &[("reason", "double <charge>")]).await;
        assert_eq!((done.status, &done.location), (303, &page));
        let balances = shop.balances(&customer).await;
        assert_eq!(balances, ["380", "0", "0"], "{}: credits follow the money, not the form", shop.name);

        shop.settle().await;
        let at_gateway = shop.at_gateway("GET", "/v1/refunds", "").await;
        let refunds = at_gateway["data"].as_array().expect("a list");
        assert_eq!(refunds.len(), 1, "{at_gateway}");
        assert_eq!((&refunds[0]["amount"], &refunds[0]["status"]), (&json!(4500), &json!("succeeded")));
        assert_eq!(shop.balances(&customer).await, ["0", "0", "120"], "{}", shop.name);
        let rows = postings(shop, &customer).await;
        let clawed: Vec<&Value> = rows.iter().filter(|row| row["kind"] == "clawback").collect();
        let amounts: Vec<&str> = clawed.iter().filter_map(|row| row["amount"].as_str()).collect();
        assert!(amounts.contains(&"380") && amounts.contains(&"120"), "{}: {clawed:?}", shop.name);

        let mails = mailed(shop, "ada@example.com", "$45.00 given back");
        assert_eq!(mails.len(), 1, "{}: one for each refund", shop.name);
        for part in ["took 500 of its credits back", "have 0 credits, and you owe 120", id] {
            let text = mails[0].text.replace('\n', " ");
            assert!(text.contains(part), "{part} in {text}");
        }

        let audit = desk.get("/console/audit").await.html;
        assert_eq!(
            audit.matches("purchase.refund").count(),
            1,
            "the refused form asked for nothing: {audit}"
        );
        assert!(audit.contains("double &#60;charge&#62;") && audit.contains("olga@example.com"));
        let shown = desk.get(&page).await.html;
        assert!(shown.contains("$45.00 given back") && !shown.contains(&form), "nothing is left to refund");
        let again = desk.send(&form, &form, &[("reason", "once more")]).await;
        assert_eq!(again.status, 400, "{}", shop.name);
        shop.settle().await;
        let at_gateway = shop.at_gateway("GET", "/v1/refunds", "").await;
        assert_eq!(at_gateway["data"].as_array().map(Vec::len), Some(1));

        let balance = ada.get("/").await.body;
        assert!(balance.contains("120"), "the debt is on the first page: {balance}");
        let activity = ada.get("/activity?month=all").await.body;
        for part in ["\u{2212}500", "\u{2212}120", "+500"] {
            assert!(activity.contains(part), "{}: {part} in {activity}", shop.name);
        }
    })
    .await;
}

/// The secret of the last reset link that was mailed to `email`.
async fn mailed_reset(shop: &Shop, email: &str) -> String {
    shop.settle().await;
    let sent = shop.sent.lock().expect("no panic holds it").clone();
    let mail =
        sent.iter().rev().find(|mail| mail.recipient == email && mail.letter.text.contains("reset?token="));
    between(&mail.expect("a mail with a link").letter.text, "reset?token=", "\n").trim().to_owned()
}

#[tokio::test]
async fn a_reset_link_opens_the_door_that_it_was_made_for_and_no_other() {
    in_each_shop(async |shop| {
        let mut signed_in = desk(shop).await;
        let mut ada = Browser::of(shop);
        ada.sign_up("Ada", "ada@example.com").await;
        let mut stranger = Desk::of(console(shop));
        for email in ["nobody@example.com", "ada@example.com", OPERATOR.0] {
            let asked = stranger.send(FORGOT, FORGOT, &[("email", email)]).await;
            assert_eq!((asked.status, asked.location.as_str()), (303, "/console/sign-in"), "{email}");
        }
        for email in ["ada@example.com", OPERATOR.0] {
            ada.ask_for_a_password(email).await;
        }
        let (olgas, adas) =
            (mailed_reset(shop, OPERATOR.0).await, mailed_reset(shop, "ada@example.com").await);
        let sent = shop.sent.lock().expect("no panic holds it").clone();
        let resets = sent.iter().filter(|mail| mail.letter.text.contains("reset?token="));
        assert_eq!(resets.count(), 2, "{}: each at their own door", shop.name);

        let form = |token: &str| format!("/console/reset?token={token}");
        let fields = |token: &str| [("token", token.to_owned()), ("password", NEW_PASSWORD.to_owned())];
        assert_eq!(stranger.get(&form(&adas)).await.location, FORGOT, "{}: a customer's link", shop.name);
        let told = stranger.get(FORGOT).await.html;
        assert!(told.contains("This link is not valid any more. Ask for another."), "{told}");
        // Whoever sends the form all the same.
        let crossed = stranger.send(&form(&olgas), "/console/reset", &borrowed(&fields(&adas))).await;
        assert_eq!(crossed.location, FORGOT, "{}: a customer's token", shop.name);
        assert_eq!(
            ada.choose_password(&olgas, NEW_PASSWORD).await,
            "/forgot",
            "{}: an operator's",
            shop.name
        );
        assert_eq!(signed_in.get("/console").await.status, 200, "nothing of it took effect");
        Desk::of_operator(console(shop), OPERATOR).await;

        let short = [("token", olgas.clone()), ("password", "short".to_owned())];
        assert_eq!(stranger.send(&form(&olgas), "/console/reset", &borrowed(&short)).await.status, 400);
        let done = stranger.send(&form(&olgas), "/console/reset", &borrowed(&fields(&olgas))).await;
        assert_eq!(done.location, "/console/sign-in", "{}", shop.name);
        assert_eq!(signed_in.get("/console").await.status, 303, "every session has ended");
        Desk::of_operator(console(shop), (OPERATOR.0, NEW_PASSWORD)).await;
        assert_eq!(stranger.get(&form(&olgas)).await.location, FORGOT, "a link works once");
        assert_eq!(
            ada.choose_password(&adas, NEW_PASSWORD).await,
            "/sign-in",
            "hers still works at her door"
        );
        let by = app::accounts::Credentials {
            email: "ada@example.com".to_owned(),
            password: NEW_PASSWORD.to_owned(),
            role: Role::Operator,
            user_agent: String::new(),
            network: None,
            earlier: None,
        };
        assert!(app::accounts::sign_in(&shop.app, by).await.is_err(), "{}: and opens no console", shop.name);
    })
    .await;
}

fn borrowed<'a>(fields: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    fields.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// What was mailed to somebody with this beginning of a subject.
fn mailed(shop: &Shop, to: &str, subject: &str) -> Vec<mail::Letter> {
    let sent = shop.sent.lock().expect("no panic holds it").clone();
    let found =
        sent.into_iter().filter(|mail| mail.recipient == to && mail.letter.subject.starts_with(subject));
    found.map(|mail| mail.letter).collect()
}

#[tokio::test]
async fn a_reported_problem_is_answered_once_by_mail_and_on_the_receipts_page() {
    in_each_shop(async |shop| {
        let mut desk = desk(shop).await;
        let mut ada = Browser::of(shop);
        ada.sign_up("Ada", "ada@example.com").await;
        let customer = ada.customer().await;
        let gift = json!({"customer": customer, "credits": "90", "kind": "promo"});
        assert_eq!(shop.post("/v1/grants", &gift).await.status, 201);
        let charge = shop.post("/v1/usage", &images(&customer, 1, "poster")).await.document();
        let receipt = format!("/receipts/{}", charge["id"].as_str().expect("an id"));
        let report = format!("{receipt}/problem");
        let told = [("text", "It is <b>black</b>.")];
        assert_eq!(ada.submit(&receipt, &report, &told).await.status, 303);
        shop.settle().await;
        let alarm = mailed(shop, OPERATOR.0, "Ada reports a problem").pop().expect("a mail to operators");
        let page = format!("/console{}", between(&alarm.text, "/console", "\n").trim());
        let form = format!("{page}/answer");

        let shown = desk.get(&page).await.html;
        assert!(shown.contains("It is &#60;b&#62;black&#60;/b&#62;.") && shown.contains(&form), "{shown}");
        let refused = desk.send(&page, &form, &[("answer", " ")]).await;
        assert!(refused.status == 400 && refused.html.contains("must say in 1 to 2,000"), "{}", refused.html);
        let said = [("answer", "You are right.\r\nThe charge is <undone>.")];
        let mut twin = Desk::of_operator(console(shop), OPERATOR).await;
        let open = twin.get(&page).await.html;
        let token = between(&open, "name=\"form_token\" value=\"", "\"").to_owned();
        let late = [("form_token", token), ("answer", "It looks fine to me.".to_owned())];
        let late = late.map(|(name, value)| (name.to_owned(), value));
        let done = desk.send(&page, &form, &said).await;
        assert_eq!((done.status, &done.location), (303, &page), "{}", shop.name);
        // Another operator who had the page open is too late.
        let second = twin.post(&form, &late).await;
        assert!(
            second.status == 400 && second.html.contains("Somebody else answered before you."),
            "{}",
            second.html
        );
        assert!(second.html.contains("It looks fine to me."), "what was written is not lost");
        shop.settle().await;

        let answers = mailed(shop, "ada@example.com", "Our answer about a charge of 5 credits");
        assert_eq!(answers.len(), 1, "{}: once", shop.name);
        for part in ["Hello Ada,", "The charge is <undone>.", "> It is <b>black</b>.", &receipt] {
            assert!(answers[0].text.contains(part), "{part} in {}", answers[0].text);
        }
        let read = ada.get(&receipt).await.body;
        assert!(read.contains("The charge is &#60;undone&#62;.") && read.contains("we answered"), "{read}");
        assert!(!read.contains("fine to me") && read.contains(&report), "it can be reported again: {read}");
        let audit = desk.get("/console/audit").await.html;
        assert_eq!(audit.matches("problem.answer").count(), 1, "{}: {audit}", shop.name);
        let nobody = format!("/console/problems/{}", kernel::new_uuid());
        assert_eq!(desk.get(&nobody).await.status, 404);
        assert_eq!(twin.post(&format!("{nobody}/answer"), &late).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn an_event_is_handled_again_once_for_each_wish_and_written_down() {
    in_each_shop(async |shop| {
        let mut desk = desk(shop).await;
        shop.customer("ada").await;
        shop.pay(&shop.checkout("ada").await, SUCCESS).await;
        shop.settle().await;
        let events = shop.events().await;
        let event = events.iter().find(|e| e["kind"] == "checkout.session.completed").expect("it arrived");
        let page = format!("/console/webhooks/{}", event["id"].as_str().expect("an id"));
        let replay = format!("{page}/replay");
        for round in 1..=2 {
            let asked = desk.send(&page, &replay, &[]).await;
            assert_eq!((asked.status, &asked.location), (303, &page), "{}", shop.name);
            let waiting = desk.get(&page).await.html;
            assert!(!waiting.contains(&replay), "what waits is not asked for again: {waiting}");
            shop.settle().await;
            let audit = desk.get("/console/audit").await.html;
            assert_eq!(audit.matches("event.replay").count(), round, "{}: {audit}", shop.name);
            assert!(audit.contains("olga@example.com"));
        }
        assert_eq!(shop.available("ada").await, "500", "{}: credited once", shop.name);
    })
    .await;
}

/// As an older version left it: ignored, for it saw no subject in it.
#[tokio::test]
async fn an_event_without_a_subject_is_understood_when_it_is_handled_again() {
    in_each_shop(async |shop| {
        let mut desk = desk(shop).await;
        shop.customer("ada").await;
        shop.pay(&shop.checkout("ada").await, SUCCESS).await;
        while shop.sandbox.deliver_due().await.expect("it delivers") > 0 {}
        let old = "UPDATE inbox SET subject = NULL, state = 'ignored', done_at = 1";
        shop.app.store().writer().execute_unprepared(old).await.expect("an older version's rows");
        let body =
            r#"{"id":"evt_plan","type":"plan.created","data":{"object":{"id":"plan_1","object":"plan"}}}"#;
        let signature = sign(body.as_bytes(), WEBHOOK_SECRET, shop.app.now());
        assert_eq!(shop.webhook(body, &signature).await.status, 200);
        shop.settle().await;
        assert_eq!(shop.available("ada").await, "0", "{}: nothing was understood", shop.name);

        let events = shop.events().await;
        let paid = events.iter().find(|e| e["kind"] == "checkout.session.completed").expect("it arrived");
        let id = paid["id"].as_str().expect("an id");
        let page = format!("/console/webhooks/{id}");
        assert_eq!(desk.send(&page, &format!("{page}/replay"), &[]).await.status, 303);
        let twice = shop.post(&format!("/v1/gateway-events/{id}/replay"), &json!({})).await;
        assert_eq!((twice.status, &twice.document()["code"]), (400, &json!("wrong_state")), "{twice:?}");
        shop.settle().await;
        assert_eq!(shop.available("ada").await, "500", "{}", shop.name);
        let again = shop.post(&format!("/v1/gateway-events/{id}/replay"), &json!({})).await;
        assert_eq!((again.status, &again.document()["state"]), (200, &json!("waiting")), "{again:?}");
        shop.settle().await;
        assert_eq!(shop.available("ada").await, "500", "{}: once", shop.name);

        let nothing = "/console/webhooks/evt_plan";
        let refused = desk.send(nothing, &format!("{nothing}/replay"), &[]).await;
        assert_eq!((refused.status, refused.location.as_str()), (303, nothing));
        assert!(desk.get(nothing).await.html.contains("there is nothing to handle"), "{}", shop.name);
        let refused = shop.post("/v1/gateway-events/evt_plan/replay", &json!({})).await;
        assert_eq!(
            (refused.status, &refused.document()["code"]),
            (400, &json!("wrong_state")),
            "{refused:?}"
        );
        let audit = desk.get("/console/audit").await.html;
        assert_eq!(audit.matches("event.replay").count(), 2, "{}: operator and key: {audit}", shop.name);
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_is_found_on_its_customers_page() {
    in_each_shop(async |shop| {
        let mut desk = desk(shop).await;
        for (name, key) in [("ada", "order-7"), ("bob", "order-8")] {
            shop.customer(name).await;
            let grant = json!({"customer": name, "credits": "90", "kind": "promo"});
            assert_eq!(shop.post("/v1/grants", &grant).await.status, 201);
            for (key, job) in [(key, "poster"), ("another", "film")] {
                assert_eq!(shop.post_with("/v1/usage", key, &images(name, 1, job)).await.status, 201);
            }
        }
        let customer = shop.get("/v1/customers/ada").await.document();
        let page = format!("/console/customers/{}", customer["id"].as_str().expect("an id"));
        for (query, charges) in
            [("order-7", 1), ("order-8", 0), ("poster", 1), ("another", 1), ("nothing", 0)]
        {
            let html = desk.get(&format!("{page}?q={query}")).await.html;
            assert_eq!(html.matches("/reversal\"").count(), charges, "{}: {query}", shop.name);
            assert_eq!(html.contains("Nothing has this name."), charges == 0, "{query}");
            assert!(html.contains("<dt>Granted</dt><dd>+90</dd>"), "the sums are those of the whole: {html}");
        }
        assert_eq!(desk.get(&page).await.html.matches("/reversal\"").count(), 2);
    })
    .await;
}
