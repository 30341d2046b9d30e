//! The hosted pages as a browser without scripts uses them.

mod common;

use common::{send, world};

#[tokio::test]
async fn the_page_shows_what_is_bought_in_test_mode() {
    let world = world().await;
    let (_, page) = world.checkout().await;
    let shown = send("GET", &page, "", &[]).await;
    assert_eq!(shown.status, 200);
    for text in
        ["TEST MODE", "45.00 USD", "500 credits&#60;b&#62;", "ada@example.org", "http://127.0.0.1:9/buy"]
    {
        assert!(shown.body.contains(text), "{text}: {}", shown.body);
    }
    assert!(!shown.body.contains("<script"));
    assert!(shown.header("content-security-policy").is_some_and(|p| p.contains("default-src 'none'")));
    for label in ["number", "expiry", "cvc", "name"] {
        assert!(shown.body.contains(&format!("<label for=\"{label}\">")), "{label}");
    }
    let style = send("GET", &format!("{}/sandbox.css", world.url), "", &[]).await;
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
}

#[tokio::test]
async fn the_success_card_pays_once_and_goes_to_the_success_page() {
    let world = world().await;
    let (id, page) = world.checkout().await;
    let paid = world.pay(&page, "4242 4242 4242 4242").await;
    assert_eq!((paid.status, paid.location()), (303, format!("http://127.0.0.1:9/return?c={id}").as_str()));
    let session = world.session(&id).await;
    assert_eq!((&session["status"], &session["payment_status"]), (&"complete".into(), &"paid".into()));
    assert_eq!(session["payment_intent"]["status"], "succeeded");
    assert_eq!(session["payment_intent"]["metadata"]["a"], "b");
    assert_eq!(session["payment_intent"]["latest_charge"]["payment_method_details"]["card"]["last4"], "4242");
    let again = world.pay(&page, "4242424242424242").await;
    assert!(again.location().ends_with(&format!("/sandbox/pay/{id}")));
    let closed = send("GET", &page, "", &[]).await;
    assert!(closed.body.contains("Already paid") && closed.body.contains("TEST MODE"));
    let charges = world.get("/v1/charges").await.json();
    assert_eq!(charges["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        world.events().await,
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed"
        ]
    );
}

#[tokio::test]
async fn a_card_without_money_pays_at_the_next_attempt_of_the_same_payment() {
    let world = world().await;
    for _ in 0..2 {
        let (id, page) = world.checkout().await;
        let declined = world.pay(&page, "4000 0000 0000 0606").await;
        assert_eq!(declined.location(), format!("/sandbox/pay/{id}"));
        let error = world.session(&id).await["payment_intent"]["last_payment_error"].clone();
        assert_eq!(error["decline_code"], "insufficient_funds");
        let paid = world.pay(&page, "4000000000000606").await;
        assert_eq!(paid.location(), format!("http://127.0.0.1:9/return?c={id}"));
        let session = world.session(&id).await;
        assert_eq!((&session["status"], &session["payment_status"]), (&"complete".into(), &"paid".into()));
        assert_eq!(session["payment_intent"]["last_payment_error"], serde_json::Value::Null);
    }
    // The first attempt with another card says nothing of this one.
    let (id, page) = world.checkout().await;
    world.pay(&page, "4000000000000002").await;
    assert_eq!(world.pay(&page, "4000000000000606").await.location(), format!("/sandbox/pay/{id}"));
}

#[tokio::test]
async fn declines_stay_on_the_page_with_the_reason_and_pay_nothing() {
    let world = world().await;
    let (id, page) = world.checkout().await;
    for (card, code, decline_code, reason) in [
        ("4000000000000002", "card_declined", "generic_decline", "Your card was declined."),
        ("4000000000009995", "card_declined", "insufficient_funds", "insufficient funds"),
        ("4000000000009987", "card_declined", "lost_card", "Your card was declined."),
        ("4000000000009979", "card_declined", "stolen_card", "Your card was declined."),
        ("4000000000000069", "expired_card", "", "has expired"),
        ("4000000000000127", "incorrect_cvc", "", "security code is incorrect"),
        ("4000000000000119", "processing_error", "", "processing your card"),
        ("4000000000000341", "card_declined", "generic_decline", "Your card was declined."),
        ("4111111111111111", "card_declined", "test_mode_live_card", "non test card"),
    ] {
        let declined = world.pay(&page, card).await;
        assert_eq!(declined.location(), format!("/sandbox/pay/{id}"), "{card}");
        let shown = send("GET", &format!("{}{}", world.origin, declined.location()), "", &[]).await;
        assert!(shown.body.contains("Not paid") && shown.body.contains("role=\"alert\""), "{card}");
        assert!(shown.body.replace("&#39;", "'").contains(reason), "{card}: {}", shown.body);
        let session = world.session(&id).await;
        assert_eq!((&session["status"], &session["payment_status"]), (&"open".into(), &"unpaid".into()));
        let intent = &session["payment_intent"];
        assert_eq!(intent["status"], "requires_payment_method");
        assert_eq!(intent["last_payment_error"]["code"], code);
        assert_eq!(intent["last_payment_error"]["decline_code"].as_str().unwrap_or_default(), decline_code);
        assert_eq!(intent["latest_charge"]["status"], "failed");
    }
    assert!(!world.events().await.iter().any(|kind| kind.ends_with("succeeded")));
    // A declined customer takes another card.
    assert_eq!(world.pay(&page, "4242424242424242").await.status, 303);
    assert_eq!(world.session(&id).await["payment_status"], "paid");
}

#[tokio::test]
async fn wrong_fields_are_named_and_never_reach_the_bank() {
    let world = world().await;
    let (_, page) = world.checkout().await;
    let form = "number=4242424242424241&expiry=01/20&cvc=1&name=%3Cscript%3E";
    let shown = send("POST", &page, form, &[]).await;
    assert_eq!(shown.status, 422);
    for id in ["number-error", "expiry-error", "cvc-error"] {
        assert!(shown.body.contains(&format!("aria-describedby=\"{id}\"")), "{id}");
        assert!(shown.body.contains(&format!("id=\"{id}\"")), "{id}");
    }
    assert!(!shown.body.contains("4242424242424241"), "the number is not sent back");
    assert!(!shown.body.contains("<script>"));
    assert_eq!(world.events().await, Vec::<String>::new());
}

#[tokio::test]
async fn three_d_secure_pays_only_when_the_holder_completes_it() {
    let world = world().await;
    for card in ["4000002500003155", "4000002760003184"] {
        let (id, page) = world.checkout().await;
        for answer in ["fail", "complete"] {
            let asked = world.pay(&page, card).await;
            assert_eq!(asked.location(), format!("/sandbox/pay/{id}/authenticate"));
            let challenge = format!("{}{}", world.origin, asked.location());
            let shown = send("GET", &challenge, "", &[]).await;
            assert!(shown.body.contains("Complete authentication") && shown.body.contains("TEST MODE"));
            assert_eq!(world.session(&id).await["payment_intent"]["status"], "requires_action");
            let answered = send("POST", &challenge, &format!("answer={answer}"), &[]).await;
            let session = world.session(&id).await;
            if answer == "complete" {
                assert_eq!(answered.location(), format!("http://127.0.0.1:9/return?c={id}"));
                assert_eq!(session["payment_status"], "paid");
            } else {
                assert_eq!(answered.location(), format!("/sandbox/pay/{id}"));
                assert_eq!(session["payment_status"], "unpaid");
                let shown = send("GET", &page, "", &[]).await;
                assert!(shown.body.contains("unable to authenticate"));
                // The same answer once more finds nothing to answer.
                send("POST", &challenge, "answer=complete", &[]).await;
                assert_eq!(world.session(&id).await["payment_status"], "unpaid");
            }
        }
    }
}

#[tokio::test]
async fn an_expired_checkout_takes_no_money() {
    let world = world().await;
    let (id, page) = world.checkout().await;
    world.clock.advance_seconds(24 * 3_600);
    assert!(world.pay(&page, "4242424242424242").await.location().ends_with(&id));
    let shown = send("GET", &page, "", &[]).await;
    assert!(shown.body.contains("has expired") && shown.body.contains("http://127.0.0.1:9/buy"));
    world.sandbox.deliver_due().await.expect("a round");
    assert_eq!(world.session(&id).await["status"], "expired");
    assert_eq!(world.events().await, ["checkout.session.expired"]);
    world.sandbox.deliver_due().await.expect("a round");
    assert_eq!(world.events().await.len(), 1, "expired once");
}

#[tokio::test]
async fn an_unknown_checkout_has_a_page_of_its_own() {
    let world = world().await;
    let shown = send("GET", &format!("{}/pay/cs_test_nothing", world.url), "", &[]).await;
    assert_eq!(shown.status, 404);
    assert!(shown.body.contains("No such checkout") && shown.body.contains("TEST MODE"));
}
