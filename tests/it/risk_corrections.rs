//! A decision that was wrong: it is corrected, what follows from it follows anew, and only the new one is learnt from.

use app::Principal;
use app::audit::Act;
use app::risk::cases::{self, CORRECTIONS_MAX, Case, Decision, Ruling};
use kernel::{CaseId, Timestamp, new_uuid};
use risk::features::{COUNT, NAMES};
use risk::stored::taught_to_bytes;
use risk::training::{Judged, Row, teach};
use serde_json::{Value, json};
use store::ConnectionTrait;
use store::cold::risk::{cases as rows, models};
use tests::shop::in_each_shop;
use tests::test_app::{TestApp, on_each_database, text};

use crate::portal::Browser;
use crate::risk::{DAY_SECONDS, case_of_a_dispute, disputed, ids, may_work, open_case, operator, tick};
use crate::risk_models::{night, ordinary, vectors};
use crate::risk_pages::{OPERATOR, desk, path_in, share};

/// The path of the verdict of a customer's open case, and the path of the case.
async fn paths(app: &TestApp, customer: &str) -> (String, String) {
    let (_, wallet) = ids(&app.funded(customer, "100").await);
    disputed(app, wallet, 1).await;
    let case = format!("/v1/risk/cases/{}", text(&open_case(app).await, "/id"));
    (format!("{case}/verdict"), case)
}

/// Rules that are silent about a customer.
async fn silent(app: &TestApp, customer: &str) -> Vec<String> {
    let found = app.get(&format!("/v1/risk/exceptions?customer={customer}")).await.success(200);
    found["snoozes"].as_array().expect("a list").iter().map(|snooze| text(snooze, "/rule")).collect()
}

/// What the audit log says of decisions, the oldest first: action, reason, state before and after.
async fn acts(app: &TestApp) -> Vec<(String, String, String, String)> {
    let page = app::audit::list(&app.app, &Principal::system(), None, &Default::default()).await;
    let rows = page.expect("a list").data.into_iter().rev().filter(|row| row.action.starts_with("case."));
    let state = |json: Option<String>| {
        let state: Value = serde_json::from_str(&json.expect("a state")).expect("JSON");
        text(&state, "/state")
    };
    rows.map(|row| (row.action, row.reason, state(row.before), state(row.after))).collect()
}

async fn precision(app: &app::App) -> (u64, u64) {
    let found = cases::precision(app, &Principal::system()).await.expect("a list");
    found.first().map_or((0, 0), |all| (all.confirmed, all.dismissed))
}

fn decisions(case: &Value) -> Vec<(String, Value)> {
    let all = case["decisions"].as_array().expect("a list");
    all.iter().map(|decided| (text(decided, "/decision"), decided["note"].clone())).collect()
}

#[tokio::test]
async fn a_wrong_confirmation_is_corrected_and_its_hold_ends() {
    on_each_database(async |app| {
        let (verdict, case) = paths(app, "c").await;
        let wrong = json!({"verdict": "confirmed", "note": "sold keys"});
        let first = app.post_with(&verdict, "first", &wrong).await;
        assert_eq!(decisions(&first.success(200)), [("confirmed".to_owned(), json!("sold keys"))]);
        app.clock.advance_seconds(3 * DAY_SECONDS);
        assert_eq!(may_work(app, "c").await, 403, "{}: held for good", app.name);
        assert_eq!(precision(&app.app).await, (1, 0), "{}", app.name);

        let right = json!({"verdict": "dismissed", "note": "the keys were their own"});
        let second = app.post_with(&verdict, "second", &right).await;
        let corrected = second.success(200);
        assert_eq!(
            decisions(&corrected),
            [
                ("confirmed".to_owned(), json!("sold keys")),
                ("dismissed".to_owned(), json!("the keys were their own"))
            ],
            "{}",
            app.name
        );
        let facts = (&corrected["decision"], &corrected["state"], &corrected["is_restricted"]);
        assert_eq!(facts, (&json!("dismissed"), &json!("closed"), &json!(false)), "{corrected}");
        assert_eq!(corrected["closed_at"], corrected["decisions"][1]["decided_at"], "{corrected}");
        assert!(corrected["decisions"][0]["decided_by"].is_string(), "{corrected}");
        assert_eq!(app.get(&case).await.success(200), corrected, "{}", app.name);
        assert_eq!(app.get("/v1/risk/cases").await.success(200)["data"], json!([corrected]));
        assert_eq!(may_work(app, "c").await, 201, "{}: they go on", app.name);
        assert_eq!(silent(app, "c").await, ["disputed"], "{}", app.name);
        assert_eq!(precision(&app.app).await, (0, 1), "{}: the newest counts", app.name);

        // Whoever sends a form again finds its own answer, and what came after it stays.
        for (key, body, answer) in [("first", &wrong, &first), ("second", &right, &second)] {
            let again = app.post_with(&verdict, key, body).await;
            assert!(again.is_replayed() && again.body == answer.body, "{}: {again}", app.name);
        }
        let other_note = json!({"verdict": "dismissed", "note": "once more", "release": false});
        assert_eq!(app.post(&verdict, &other_note).await.success(200), corrected, "{}", app.name);
        assert_eq!(app.get(&case).await.success(200), corrected, "{}: nothing changed", app.name);
        let expected = [
            ("case.decide", "sold keys", "open", "confirmed"),
            ("case.correct", "the keys were their own", "confirmed", "dismissed"),
        ];
        let told = acts(app).await;
        let told: Vec<_> =
            told.iter().map(|(a, r, b, c)| (a.as_str(), r.as_str(), b.as_str(), c.as_str())).collect();
        assert_eq!(told, expected, "{}: each decision once", app.name);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_dismissal_is_corrected_and_each_correction_is_carried_out() {
    on_each_database(async |app| {
        let (verdict, case) = paths(app, "c").await;
        app.post(&verdict, &json!({"verdict": "dismissed"})).await.success(200);
        assert_eq!((may_work(app, "c").await, silent(app, "c").await.len()), (201, 1), "{}", app.name);
        for round in 0..2 {
            let held = app.post(&verdict, &json!({"verdict": "confirmed"})).await.success(200);
            let hold = (&held["is_restricted"], &held["restricted_until"]);
            assert_eq!(hold, (&json!(true), &Value::Null), "{}: {round}: {held}", app.name);
            assert!(silent(app, "c").await.is_empty(), "{}: {round}: the rule counts again", app.name);
            app.clock.advance_seconds(40 * DAY_SECONDS);
            assert_eq!(may_work(app, "c").await, 403, "{}: {round}: no time ends it", app.name);
            app.post(&verdict, &json!({"verdict": "dismissed"})).await.success(200);
            assert_eq!(may_work(app, "c").await, 201, "{}: {round}", app.name);
            assert_eq!(silent(app, "c").await, ["disputed"], "{}: {round}", app.name);
        }
        let free = json!({"verdict": "confirmed", "release": true});
        let last = app.post(&verdict, &free).await.success(200);
        assert_eq!((may_work(app, "c").await, &last["is_restricted"]), (201, &json!(false)), "{}", app.name);
        let all: Vec<String> = decisions(&last).into_iter().map(|(decision, _)| decision).collect();
        let turns = ["dismissed", "confirmed", "dismissed", "confirmed", "dismissed", "confirmed"];
        assert_eq!(all, turns, "{}", app.name);
        assert_eq!(app.get(&case).await.success(200), last);
    })
    .await;
}

#[tokio::test]
async fn a_correction_ends_no_hold_that_somebody_else_put() {
    on_each_database(async |app| {
        let (verdict, _) = paths(app, "c").await;
        app.post(&verdict, &json!({"verdict": "confirmed"})).await.success(200);
        app.post("/v1/customers/c/release", &json!({"reason": "paid back"})).await.success(200);
        let hold = json!({"step_up": "review", "reason": "a call from the bank"});
        app.post("/v1/customers/c/restrict", &hold).await.success(200);
        app.post(&verdict, &json!({"verdict": "dismissed"})).await.success(200);
        assert_eq!(may_work(app, "c").await, 403, "{}: the merchant's hold stands", app.name);
        app.post("/v1/customers/c/release", &json!({"reason": "in order"})).await.success(200);
        assert_eq!(may_work(app, "c").await, 201, "{}", app.name);
    })
    .await;
}

/// The process that decided could carry nothing out; whoever does it later begins with the last order.
#[tokio::test]
async fn an_order_of_a_decision_that_was_corrected_ends_no_hold_when_it_comes_late() {
    on_each_database(async |app| {
        let (verdict, _) = paths(app, "c").await;
        let other = app.restarted().await;
        app.post(&verdict, &json!({"verdict": "dismissed"})).await.success(200);
        app.post(&verdict, &json!({"verdict": "confirmed"})).await.success(200);
        let later = app.app.now().plus_seconds(3_600).micros();
        let (release, hold) = ("key LIKE 'risk:%:release'", "key LIKE 'risk:%:hold_for_good:decision:2'");
        for (order, at) in [(release, later), (hold, 0)] {
            let sql = format!("UPDATE outbox SET next_attempt_at = {at} WHERE done_at IS NULL AND {order}");
            let done = other.app.store().writer().execute_unprepared(&sql).await.expect("SQL");
            assert_eq!(done.rows_affected(), 1, "{}: {order} waits", app.name);
        }
        assert_eq!(app::work::outbox_round(&other.app).await.expect("a round"), 1, "{}", app.name);
        app.clock.advance_seconds(3_601);
        assert_eq!(app::work::outbox_round(&other.app).await.expect("a round"), 1, "{}", app.name);
        app.clock.advance_seconds(40 * DAY_SECONDS);
        assert_eq!(may_work(&other, "c").await, 403, "{}: held for good", app.name);
        other.post(&verdict, &json!({"verdict": "dismissed"})).await.success(200);
        assert_eq!(may_work(&other, "c").await, 201, "{}: and released", app.name);
        other.app.engine().stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_case_is_corrected_so_often_and_then_says_what_to_do() {
    on_each_database(async |app| {
        let verdict = format!("/v1/risk/cases/{}/verdict", case_of_a_dispute(app).await);
        let turn = |n: usize| {
            json!({"verdict": if n.is_multiple_of(2) { "dismissed" } else { "confirmed" }, "release": true})
        };
        for n in 0..=CORRECTIONS_MAX {
            app.post(&verdict, &turn(n)).await.success(200);
        }
        let refused = app.post(&verdict, &turn(CORRECTIONS_MAX + 1)).await.problem(400, "wrong_state");
        assert!(text(&refused, "/detail").contains("hold or release the customer instead"), "{refused}");
        let same = app.post(&verdict, &turn(CORRECTIONS_MAX)).await.success(200);
        assert_eq!(decisions(&same).len(), CORRECTIONS_MAX + 1, "{}", app.name);
    })
    .await;
}

/// One decides by the API and one in the console, in two processes, each having seen an open case; then both correct.
#[tokio::test]
async fn of_two_reviewers_at_once_none_overrules_the_other_unseen_and_no_decision_is_lost() {
    on_each_database(async |app| {
        let other = app.another_process().await;
        let (by, session) = (Principal::system(), operator(&app.app).await);
        for round in 0..6 {
            let id: CaseId = case_of_a_dispute(app).await.parse().expect("an id");
            let ruling = |decision, seen| Ruling { decision, note: None, release: None, seen };
            let review = async |app: &app::App, decision, seen| {
                let act = Act { id: new_uuid(), reason: "looked at".to_owned() };
                cases::review(app, &session, id, &act, ruling(decision, Some(seen))).await
            };
            let (a, b) = tokio::join!(
                review(&app.app, Decision::Confirmed, 0),
                review(&other.app, Decision::Dismissed, 0)
            );
            let won = match (a, b) {
                (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => {
                    assert!(lost.to_string().contains("by olga@example.com meanwhile"), "{lost}");
                    won
                }
                both => panic!("{}: {round}: one of them hears of the other: {both:?}", app.name),
            };
            let shown = cases::get(&app.app, &by, id).await.expect("a case");
            assert_eq!((shown.decisions.len(), shown.decision), (1, won.decision), "{}: {round}", app.name);

            let corrected = won.decision.expect("decided").other();
            let correct = async |app: &app::App| -> Case {
                cases::decide(app, &by, id, ruling(corrected, None), None).await.expect("a correction").value
            };
            let (a, b) = tokio::join!(correct(&app.app), correct(&other.app));
            for case in [a, b, cases::get(&app.app, &by, id).await.expect("a case")] {
                let all: Vec<Decision> = case.decisions.iter().map(|decided| decided.decision).collect();
                assert_eq!(all, [won.decision.unwrap(), corrected], "{}: {round}", app.name);
                assert_eq!(case.decision, Some(corrected), "{}: {round}", app.name);
            }
        }
    })
    .await;
}

/// What a case says, in its own JSON, and the lesson that it is.
fn lesson(n: usize, row: Row) -> (String, Judged) {
    let named: serde_json::Map<String, Value> =
        NAMES.iter().zip(row).map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let features = Value::Object(named).to_string();
    let read: Value = serde_json::from_str(&features).expect("JSON");
    let mut row = [0.0; COUNT];
    for (value, name) in row.iter_mut().zip(NAMES) {
        *value = read[name].as_f64().expect("a number");
    }
    (features, Judged { row, score: 0.3, is_confirmed: n.is_multiple_of(3) })
}

async fn put_decided(app: &TestApp, lessons: &[(String, Judged)]) -> Vec<CaseId> {
    let txn = app.app.store().write().await.expect("a transaction");
    let now = app.app.now().micros();
    let mut made = Vec::new();
    for (features, judged) in lessons {
        let (id, wallet, customer) = (new_uuid(), new_uuid(), new_uuid());
        let decision = if judged.is_confirmed { rows::CONFIRMED } else { rows::DISMISSED };
        let case = rows::Model {
            state: rows::CLOSED.to_owned(),
            score: judged.score,
            features: features.clone(),
            decision: Some(decision.to_owned()),
            decided_by: Some("olga".to_owned()),
            closed_at: Some(now),
            ..rows::Model::opened(id, (wallet, customer), now)
        };
        assert!(rows::open(&txn, case).await.expect("a row"));
        made.push(CaseId::from_uuid(id));
    }
    txn.commit().await.expect("a commit");
    made
}

/// What the last night learnt.
async fn taught(app: &TestApp) -> Vec<u8> {
    let db = app.app.store().reader();
    let id = models::id_in(db, "feedback", models::SHADOW).await.expect("a read").expect("one was fitted");
    models::by_id(db, &id).await.expect("a read").expect("it is kept").bytes
}

/// The oracle fits the lessons as this test knows them.
fn expected(lessons: &[(String, Judged)]) -> Vec<u8> {
    let judged: Vec<Judged> = lessons.iter().map(|(_, judged)| *judged).collect();
    taught_to_bytes(&teach(&judged).expect("a fit").expect("enough")).expect("bytes")
}

#[tokio::test]
async fn the_next_night_learns_from_the_newest_decisions_only() {
    on_each_database(async |app| {
        tick(&app.app).await;
        app::work::schedules_round(&app.app).await.expect("schedules run");
        let mut lessons: Vec<_> =
            vectors(240, ordinary).into_iter().enumerate().map(|(n, row)| lesson(n, row)).collect();
        let ids = put_decided(app, &lessons).await;
        night(&app.app, &app.clock).await;
        let before = expected(&lessons);
        assert!(taught(app).await == before, "{}: as it was decided", app.name);

        for n in [0, 1, 3, 30, 33, 120, 239] {
            let was = lessons[n].1.is_confirmed;
            let verdict = if was { "dismissed" } else { "confirmed" };
            let path = format!("/v1/risk/cases/{}/verdict", ids[n]);
            app.post(&path, &json!({"verdict": verdict, "release": true})).await.success(200);
            lessons[n].1.is_confirmed = !was;
        }
        assert!(expected(&lessons) != before, "the oracle tells them apart");
        night(&app.app, &app.clock).await;
        assert!(taught(app).await == expected(&lessons), "{}: as it was corrected", app.name);
        let confirmed = lessons.iter().filter(|(_, judged)| judged.is_confirmed).count() as u64;
        assert_eq!(precision(&app.app).await, (confirmed, 240 - confirmed), "{}", app.name);
    })
    .await;
}

#[tokio::test]
async fn the_daily_mail_counts_the_newest_decision() {
    in_each_shop(async |shop| {
        let mut desk = desk(shop).await;
        shop.customer("ada").await;
        share(shop, "ada").await;
        let page = path_in(&desk.get("/console/review").await.html, "/console/review/");
        let id = page.trim_start_matches("/console/review/");
        for verdict in ["confirmed", "dismissed"] {
            let path = format!("/v1/risk/cases/{id}/verdict");
            assert_eq!(shop.post(&path, &json!({"verdict": verdict})).await.status, 200, "{}", shop.name);
        }
        app::work::schedules_round(&shop.app).await.expect("schedules run");
        shop.wait_and_settle(86_000).await;
        app::work::schedules_round(&shop.app).await.expect("schedules run");
        shop.settle().await;
        let sent = shop.sent.lock().expect("no panic holds it").clone();
        let told: Vec<_> = sent
            .iter()
            .filter(|mail| mail.letter.subject.contains("What looked like abuse"))
            .map(|mail| mail.letter.text.as_str())
            .collect();
        assert_eq!(told.len(), 1, "{}", shop.name);
        assert!(told[0].contains("Confirmed: 0") && told[0].contains("Dismissed: 1"), "{}", told[0]);
    })
    .await;
}

#[tokio::test]
async fn a_reviewer_corrects_a_decision_on_the_page_of_the_case() {
    in_each_shop(async |shop| {
        let mut desk = desk(shop).await;
        shop.customer("ada").await;
        share(shop, "ada").await;
        let case = path_in(&desk.get("/console/review").await.html, "/console/review/");
        let open = desk.get(&case).await.html;
        assert!(!open.contains("/correction\"") && !open.contains("id=\"decisions\""), "{open}");
        let wrong = [("decision", "confirmed"), ("note", "sold keys")];
        assert_eq!(desk.send(&case, &format!("{case}/decision"), &wrong).await.status, 303);
        assert_eq!(crate::risk_pages::may_work(shop, "ada").await, 403, "{}", shop.name);

        let page = desk.get(&case).await.html;
        for told in ["Correct this decision", "It was confirmed.", "The hold of this case ends", "for 7 days"]
        {
            assert!(page.contains(told), "{}: {told} in {page}", shop.name);
        }
        let queue = desk.get("/console/review").await.html;
        let lately = queue.split("Decided lately").nth(1).unwrap_or_default();
        assert!(lately.contains(&format!("href=\"{case}\"")), "{}: one finds it again: {queue}", shop.name);
        let to = format!("{case}/correction");
        let refused = desk.send(&case, &to, &[("decision", "dismissed"), ("reason", " ")]).await;
        assert!(refused.status == 400 && refused.html.contains("<details open>"), "{}", refused.html);
        assert_eq!(crate::risk_pages::may_work(shop, "ada").await, 403, "{}: nothing changed", shop.name);
        let right = [("decision", "dismissed"), ("reason", "their <own> keys"), ("wallet", "")];
        let done = desk.send(&case, &to, &right).await;
        assert_eq!((done.status, &done.location), (303, &case), "{}: {}", shop.name, done.html);
        assert_eq!(crate::risk_pages::may_work(shop, "ada").await, 201, "{}: they go on", shop.name);
        let page = desk.get(&case).await.html;
        for told in ["The decision is corrected", "their &#60;own&#62; keys", "sold keys", "corrected</span>"]
        {
            assert!(page.contains(told), "{}: {told} in {page}", shop.name);
        }
        let queue = desk.get("/console/review").await.html;
        assert!(queue.contains("0 of 1, 0 %"), "{}: {queue}", shop.name);

        // A form of before somebody else's decision overrules nobody.
        let id = case.trim_start_matches("/console/review/");
        let path = format!("/v1/risk/cases/{id}/verdict");
        let confirmed = json!({"verdict": "confirmed", "release": true});
        assert_eq!(shop.post(&path, &confirmed).await.status, 200);
        let form = desk.get(&case).await.html;
        let field = |name: &str| crate::portal::between(&form, &format!("name=\"{name}\" value=\""), "\"");
        for decision in ["dismissed", "confirmed"] {
            let stale = [("seen", "2"), ("decision", decision), ("reason", "as before")];
            let mut sent: Vec<(String, String)> = vec![
                ("form_token".to_owned(), field("form_token").to_owned()),
                ("act".to_owned(), new_uuid().to_string()),
            ];
            sent.extend(stale.map(|(name, value)| (name.to_owned(), value.to_owned())));
            let refused = desk.post(&to, &sent).await;
            assert!(refused.status == 400 && refused.html.contains("meanwhile"), "{}", refused.html);
        }
        assert_eq!(shop.get(&format!("/v1/risk/cases/{id}")).await.document()["decision"], "confirmed");

        let audit = desk.get("/console/audit").await.html;
        assert!(audit.contains("case.correct") && audit.contains("their &#60;own&#62; keys"), "{audit}");
    })
    .await;
}

/// What a customer writes about the hold of a confirmed case makes a case of its own.
#[tokio::test]
async fn an_appeal_that_is_upheld_corrects_the_decision_that_it_is_about() {
    in_each_shop(async |shop| {
        let (mut desk, mut ada) = (desk(shop).await, Browser::of(shop));
        ada.sign_up("Ada", "ada@example.com").await;
        let customer = ada.customer().await;
        share(shop, &customer).await;
        let first = path_in(&desk.get("/console/review").await.html, "/console/review/");
        let wrong = [("decision", "confirmed"), ("note", "sold keys")];
        assert_eq!(desk.send(&first, &format!("{first}/decision"), &wrong).await.status, 303);
        let words = [("text", "Please look once more.")];
        assert_eq!(ada.submit("/on-hold", "/on-hold/appeal", &words).await.status, 303, "{}", shop.name);
        let second = path_in(&desk.get("/console/review").await.html, "/console/review/");
        assert_ne!(first, second, "{}", shop.name);
        let page = desk.get(&second).await.html;
        assert!(page.contains(&format!("href=\"{first}\"")) && page.contains("also corrects"), "{page}");
        let (app, by) = (&shop.app, Principal::system());
        let id: CaseId = first.trim_start_matches("/console/review/").parse().expect("an id");
        assert_eq!(precision(app).await, (1, 0), "{}", shop.name);

        // An appeal that is turned down changes nothing about it; one that is upheld after all does.
        let no = [("decision", "confirmed"), ("note", "we are sure")];
        assert_eq!(desk.send(&second, &format!("{second}/decision"), &no).await.status, 303);
        assert_eq!(cases::get(app, &by, id).await.unwrap().decision, Some(Decision::Confirmed));
        let yes = [("decision", "dismissed"), ("reason", "they were right")];
        assert_eq!(desk.send(&second, &format!("{second}/correction"), &yes).await.status, 303);
        let corrected = cases::get(app, &by, id).await.unwrap();
        let all: Vec<_> = corrected.decisions.iter().map(|d| (d.decision, d.by.as_str())).collect();
        let expected = [(Decision::Confirmed, OPERATOR.0), (Decision::Dismissed, OPERATOR.0)];
        assert_eq!(all, expected, "{}: {corrected:?}", shop.name);
        assert!(!corrected.is_restricted && corrected.closed_at > Some(Timestamp::EPOCH), "{corrected:?}");
        assert_eq!(crate::risk_pages::may_work(shop, &customer).await, 201, "{}: they go on", shop.name);
        assert_eq!(precision(app).await, (0, 1), "{}: the rule was wrong", shop.name);
        let told = crate::risk_pages::acts(shop).await;
        let of = |name: &str| told.iter().filter(|(action, _)| action == name).count();
        assert_eq!((of("case.decide"), of("case.correct")), (2, 2), "{}: {told:?}", shop.name);

        // A slip is taken back with all that came of it.
        let slip = [("decision", "confirmed"), ("reason", "no, we were sure")];
        assert_eq!(desk.send(&second, &format!("{second}/correction"), &slip).await.status, 303);
        let back = cases::get(app, &by, id).await.unwrap();
        assert_eq!(
            (back.decision, back.decisions.len()),
            (Some(Decision::Confirmed), 3),
            "{}: {back:?}",
            shop.name
        );
        assert!(!back.is_restricted, "{}: the hold is the second case's: {back:?}", shop.name);
        assert_eq!(crate::risk_pages::may_work(shop, &customer).await, 403, "{}", shop.name);
        assert_eq!(precision(app).await, (1, 0), "{}", shop.name);
    })
    .await;
}

/// An appeal that was turned down left a hold of its own, about which the customer writes as well.
#[tokio::test]
async fn a_second_appeal_that_is_upheld_corrects_all_that_kept_the_customer_on_hold() {
    in_each_shop(async |shop| {
        let (mut desk, mut ada) = (desk(shop).await, Browser::of(shop));
        ada.sign_up("Ada", "ada@example.com").await;
        let customer = ada.customer().await;
        share(shop, &customer).await;
        let mut decided = Vec::new();
        for _ in 0..2 {
            let case = path_in(&desk.get("/console/review").await.html, "/console/review/");
            let wrong = [("decision", "confirmed"), ("note", "we are sure")];
            assert_eq!(desk.send(&case, &format!("{case}/decision"), &wrong).await.status, 303);
            let words = [("text", "Please look once more.")];
            assert_eq!(ada.submit("/on-hold", "/on-hold/appeal", &words).await.status, 303, "{}", shop.name);
            decided.push(case);
        }
        let (app, by) = (&shop.app, Principal::system());
        let read = async |path: &str| {
            let id: CaseId = path.trim_start_matches("/console/review/").parse().expect("an id");
            cases::get(app, &by, id).await.unwrap()
        };
        let (first, second) = (read(&decided[0]).await, read(&decided[1]).await);
        assert!(
            !first.is_restricted && second.is_restricted,
            "{}: the second hold took its place",
            shop.name
        );
        let page = desk.get(&decided[0]).await.html;
        assert!(page.contains("Nothing is on hold because of this case"), "{}: {page}", shop.name);

        let third = path_in(&desk.get("/console/review").await.html, "/console/review/");
        assert!(!decided.contains(&third), "{}: {third}", shop.name);
        let right = [("decision", "dismissed"), ("note", "they were right twice")];
        assert_eq!(desk.send(&third, &format!("{third}/decision"), &right).await.status, 303);
        for path in &decided {
            let case = read(path).await;
            assert_eq!(case.decision, Some(Decision::Dismissed), "{}: {case:?}", shop.name);
            assert!(!case.is_restricted, "{}: {case:?}", shop.name);
        }
        assert_eq!(crate::risk_pages::may_work(shop, &customer).await, 201, "{}: they go on", shop.name);
        assert_eq!(precision(app).await, (0, 1), "{}: the rule was wrong", shop.name);
    })
    .await;
}
