//! A hold that the customer lifts, and the case of it that a person decides.

use app::accounts::{self, Session};
use app::audit::Act;
use app::risk::cases::{self, Decision, Ruling};
use app::risk::{appeals, on_hold};
use kernel::{CaseId, WalletId, new_uuid};
use risk::signal::{Address, What};
use serde_json::json;
use tests::shop::{Shop, in_each_shop};

use crate::risk::{ids, operator, say, tick, used};

#[tokio::test]
async fn a_customer_on_hold_is_told_and_lifts_it_by_a_mail() {
    in_each_shop(async |shop| {
        let operator = operator(&shop.app).await;
        let (session, wallet) = held_customer(shop).await;
        let told = on_hold::on_hold(&shop.app, &session).await.unwrap().expect("on hold");
        assert_eq!(told.step_up, ledger::StepUp::VerifyMail);
        assert!(!told.why.contains("abuse") && !told.why.contains("fraud"), "{}", told.why);
        appeals::appeal(&shop.app, &session, "It was my own script.\nSorry!").await.unwrap();
        assert!(appeals::appeal(&shop.app, &session, "And another thing").await.is_err(), "once a case");
        on_hold::send_link(&shop.app, &session).await.unwrap();
        shop.settle().await;
        let mails: Vec<(String, String)> = {
            let sent = shop.sent.lock().unwrap();
            sent.iter().map(|mail| (mail.recipient.clone(), mail.letter.subject.clone())).collect()
        };
        for (to, begin) in [
            ("eve@example.com", "New work on your account"),
            ("olga@example.com", "Eve was put on hold: 1,000 credits at stake"),
            ("olga@example.com", "Eve is on hold and writes"),
        ] {
            let count = mails.iter().filter(|(who, what)| who == to && what.starts_with(begin)).count();
            assert_eq!(count, 1, "{}: {to} {begin} in {mails:?}", shop.name);
        }
        let link = {
            let sent = shop.sent.lock().unwrap();
            let mail = sent.iter().rev().find(|mail| mail.letter.text.contains("token=")).unwrap();
            let after = mail.letter.text.split("token=").nth(1).unwrap();
            after.split_whitespace().next().unwrap().to_owned()
        };
        accounts::confirm_address(&shop.app, &link).await.unwrap();
        assert_eq!(on_hold::on_hold(&shop.app, &session).await.unwrap(), None, "{}", shop.name);
        let hold = json!({"customer": session.user.customer.unwrap().to_string(), "credits": "1"});
        assert_eq!(shop.post("/v1/holds", &hold).await.status, 201, "{}: they go on", shop.name);
        // The case still waits for a person, with what the customer wrote first.
        let queue = cases::queue(&shop.app, &operator.user.principal(), 10).await.unwrap();
        assert_eq!((queue.len(), queue[0].is_restricted), (1, false));
        let evidence = cases::evidence(&shop.app, &operator.user.principal(), queue[0].id).await.unwrap();
        assert_eq!(evidence.case.appeal.as_deref(), Some("It was my own script.\nSorry!"));
        review(shop, &operator, queue[0].id).await;
        assert_eq!(evidence.case.wallet, wallet);
    })
    .await;
}

/// Signed up in the portal, with credits, and held because a rule is certain.
pub async fn held_customer(shop: &Shop) -> (Session, WalletId) {
    let password = "correct horse battery";
    let session = tests::shop::account(&shop.app, "Eve", "eve@example.com", password).await.session;
    let customer = session.user.customer.unwrap();
    let grant = json!({"customer": customer.to_string(), "credits": "1000", "kind": "promo"});
    assert_eq!(shop.post("/v1/grants", &grant).await.status, 201);
    let document = shop.get(&format!("/v1/customers/{customer}")).await.document();
    let (_, wallet) = ids(&document);
    tick(&shop.app).await;
    // One account, many networks and many programs within the day.
    for number in 0..60_u32 {
        let What::Used(mut used) = used(number, 2.0, "a castle by the sea") else { unreachable!() };
        used.agent = number;
        used.address = Address { network: number, host: number };
        say(&shop.app, wallet, number.into(), What::Used(used));
        shop.clock.advance_seconds(30);
    }
    tick(&shop.app).await;
    (session, wallet)
}

async fn review(shop: &Shop, operator: &Session, id: CaseId) {
    let act = Act { id: new_uuid(), reason: "they explained it".to_owned() };
    let ruling = Ruling { decision: Decision::Dismissed, note: None, release: None, seen: None };
    let case = cases::review(&shop.app, operator, id, &act, ruling.clone()).await.unwrap();
    assert_eq!(case.decided_by.as_deref(), Some("olga@example.com"));
    let again = cases::review(&shop.app, operator, id, &act, ruling).await.unwrap();
    assert_eq!(again.decision, case.decision, "the same form is one act");
    let precision = cases::precision(&shop.app, &operator.user.principal()).await.unwrap();
    assert_eq!((precision[0].rule.as_str(), precision[0].dismissed), ("all", 1), "{precision:?}");
}
