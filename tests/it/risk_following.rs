//! What was seen is the same for all processes, whoever is late, stopped or killed; and who watches the watch.

use app::risk::pulse;
use kernel::WalletId;
use risk::book::Book;
use serde_json::json;
use store::ConnectionTrait;
use store::cold::risk::{pages, snapshots};
use tests::shop::{Shop, in_each_shop};
use tests::test_app::{on_each_database, text, usage};

use crate::risk::{DISPUTE, ids, may_work, open_case, operator, record, say, tick, used};

/// A page that is late is in its place by then.
const HEALED_SECONDS: i64 = 31;

/// Both processes say half of it, and one of them says some of it late.
#[tokio::test]
async fn two_processes_agree_bit_by_bit_also_when_one_is_late() {
    on_each_database(async |app| {
        let other = app.another_process().await;
        let wallets: Vec<WalletId> = (0..5_u128).map(|n| WalletId::from_uuid(uuid(n))).collect();
        tick(&app.app).await;
        tick(&other.app).await;
        let mut late = Vec::new();
        for number in 0..120_u32 {
            let wallet = wallets[number as usize % wallets.len()];
            let prompt = if number % 4 == 0 { "a castle by the sea" } else { "another one entirely" };
            let what = used(number, 3.0, prompt);
            match number % 3 {
                0 => say(&app.app, wallet, number.into(), what),
                1 => say(&other.app, wallet, number.into(), what),
                // Its page is written only after everybody has gone on.
                _ => late.push(record(wallet, app.app.now().micros(), number.into(), what)),
            }
            if number % 10 == 9 {
                late.drain(..).for_each(|record| app::risk::say(&other.app, record));
                tick(&app.app).await;
            }
            app.clock.advance_seconds(1);
            if number % 10 == 4 {
                tick(&other.app).await;
            }
        }
        for _ in 0..2 {
            app.clock.advance_seconds(HEALED_SECONDS);
            tick(&other.app).await;
            tick(&app.app).await;
        }
        let (reached, state) = app::risk::state_of(&app.app).await;
        let (also, theirs) = app::risk::state_of(&other.app).await;
        assert_eq!(reached, also, "{}", app.name);
        assert!(state == theirs, "{}: the processes differ", app.name);
        let alone = in_order(&wallets);
        for wallet in &wallets {
            let id = wallet.uuid().as_u128();
            let (found, expected) = (state.wallet(id), alone.wallet(id));
            assert!(expected.is_some() && found == expected, "{}: {found:?} {expected:?}", app.name);
        }
        other.app.engine().stop().await;
    })
    .await;
}

/// What somebody knows who saw everything at once and in order.
fn in_order(wallets: &[WalletId]) -> Book {
    let mut book = Book::default();
    for number in 0..120_u32 {
        let wallet = wallets[number as usize % wallets.len()];
        let prompt = if number % 4 == 0 { "a castle by the sea" } else { "another one entirely" };
        let at = tests::databases::noon().plus_seconds(number.into()).micros();
        book.take(&record(wallet, at, number.into(), used(number, 3.0, prompt)).signal());
    }
    book
}

/// Of a wallet without a customer.
pub fn uuid(n: u128) -> store::Uuid {
    store::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n)
}

#[tokio::test]
async fn a_restart_in_the_middle_is_no_restart() {
    on_each_database(async |app| {
        let wallet = WalletId::from_uuid(uuid(1));
        let mut process = app.another_process().await;
        let never = app.another_process().await;
        tick(&never.app).await;
        for number in 0..60_u32 {
            say(&process.app, wallet, number.into(), used(number, 2.0, "one and the same"));
            app.clock.advance_seconds(20);
            tick(&process.app).await;
            tick(&never.app).await;
            if number % 20 == 10 {
                // With an end in order, and as if it was killed.
                if number == 10 {
                    app::risk::stop(&process.app).await.unwrap();
                }
                process.app.engine().stop().await;
                process = app.another_process().await;
            }
        }
        let (reached, state) = app::risk::state_of(&process.app).await;
        let (_, theirs) = app::risk::state_of(&never.app).await;
        assert!(state == theirs && state.wallet(wallet.uuid().as_u128()).is_some(), "{}", app.name);
        let again = app::risk::rebuild(&process.app, reached).await.unwrap();
        assert!(state == again, "{}: made anew it is another", app.name);
        for other in [process, never] {
            other.app.engine().stop().await;
        }
    })
    .await;
}

/// Writing one costs by the wallets, so it is done when as much has happened; and old ones go.
#[tokio::test]
async fn snapshots_follow_what_happens_and_only_the_last_ones_are_kept() {
    on_each_database(async |app| {
        let kept = async || snapshots::watermarks(app.app.store(), i64::MAX, 100).await.unwrap();
        let wallet = WalletId::from_uuid(uuid(1));
        tick(&app.app).await;
        for number in 0..9_u32 {
            say(&app.app, wallet, number.into(), used(number, 2.0, "one and the same"));
            app.clock.advance_seconds(301);
            tick(&app.app).await;
        }
        app.clock.advance_seconds(301);
        tick(&app.app).await;
        let found = kept().await;
        assert_eq!(found.len(), 6, "{}", app.name);
        for _ in 0..3 {
            app.clock.advance_seconds(301);
            tick(&app.app).await;
        }
        assert_eq!(kept().await, found, "{}: nothing happened", app.name);
        // The log is kept for some days only, so that a quiet installation needs one now and then as well.
        for seconds in [6 * 3_600, 61] {
            app.clock.advance_seconds(seconds);
            tick(&app.app).await;
        }
        let later = kept().await;
        assert_eq!((later.len(), later[0] > found[0]), (6, true), "{}", app.name);
    })
    .await;
}

/// Through the API, so that journal and tables alone know of it.
#[tokio::test]
async fn the_state_made_anew_from_the_journal_is_the_running_one_bit_by_bit() {
    on_each_database(async |app| {
        tick(&app.app).await;
        for (name, prompt) in [("a", "a castle by the sea"), ("b", "another one")] {
            app.funded(name, "100").await;
            app.grant(name, "50", &json!({"kind": "trial"})).await;
            for number in 0..6 {
                let context =
                    json!({"ip": format!("198.51.100.{number}"), "user_agent": "curl", "prompt": prompt});
                let mut work = usage(name, 1);
                work["context"] = context;
                let receipt = text(&app.post("/v1/usage", &work).await.success(201), "/id");
                work["quantities"]["input_tokens"] = json!(400);
                let hold = text(&app.post("/v1/holds", &work).await.success(201), "/id");
                app.post(&format!("/v1/holds/{hold}/capture"), &json!({"credits": "1"})).await.success(200);
                app.post(&format!("/v1/receipts/{receipt}/deliveries"), &json!({})).await.success(201);
                app.clock.advance_seconds(61);
                tick(&app.app).await;
            }
        }
        let (reached, state) = app::risk::state_of(&app.app).await;
        assert!(state.wallets() >= 2, "{}", app.name);
        let score = app.post("/v1/risk/score", &json!({"customer": "a"})).await.success(200);
        assert!(score["features"]["uses_day"].as_f64() > Some(11.0), "holds and usage count: {score}");
        // The log of signals is a means of transport: without it the state is the same.
        let pages = store::cold::retention::Passing::RiskPages;
        store::cold::retention::forget(app.app.store(), pages, i64::MAX, 1_000_000).await.unwrap();
        let again = app::risk::rebuild(&app.app, reached).await.unwrap();
        assert!(state == again, "{}: made anew it is another", app.name);
    })
    .await;
}

/// Its page comes when everybody has gone on: it is judged all the same.
#[tokio::test]
async fn what_comes_late_is_acted_on() {
    on_each_database(async |app| {
        let other = app.another_process().await;
        let (_, wallet) = ids(&app.funded("c", "100").await);
        tick(&app.app).await;
        tick(&other.app).await;
        let late = record(wallet, app.app.now().micros(), 7, DISPUTE);
        for _ in 0..10 {
            app.clock.advance_seconds(1);
            tick(&app.app).await;
        }
        app::risk::say(&other.app, late);
        tick(&other.app).await;
        tick(&app.app).await;
        app.clock.advance_seconds(HEALED_SECONDS);
        tick(&app.app).await;
        assert_eq!(may_work(app, "c").await, 403, "{}: held", app.name);
        open_case(app).await;
        other.app.engine().stop().await;
    })
    .await;
}

/// What it committed after its last page is in the journal, and nobody was told.
#[tokio::test]
async fn what_a_killed_process_had_not_said_is_found_in_the_journal() {
    on_each_database(async |app| {
        let (killed, other) = (app.another_process().await, app.another_process().await);
        for name in ["a", "b"] {
            app.funded(name, "100").await;
            app.grant(name, "20", &json!({"kind": "trial"})).await;
        }
        for process in [app, &killed, &other] {
            tick(&process.app).await;
        }
        app::work::schedules_round(&app.app).await.unwrap();
        for number in 0..4 {
            let mut work = usage("a", 1);
            work["context"] = json!({"ip": format!("198.51.100.{number}"), "prompt": "a castle by the sea"});
            app.clock.advance_seconds(1);
            let receipt = text(&killed.post("/v1/usage", &work).await.success(201), "/id");
            let delivered = format!("/v1/receipts/{receipt}/deliveries");
            killed.post(&delivered, &json!({})).await.success(201);
        }
        killed.customer("new").await;
        killed.app.engine().stop().await;
        for _ in 0..20 {
            app.clock.advance_seconds(10);
            tick(&app.app).await;
            tick(&other.app).await;
        }
        let seen = app.post("/v1/risk/score", &json!({"customer": "a"})).await.success(200);
        assert_eq!(seen["features"]["uses_day"], 0.0, "{}: nobody has said it: {seen}", app.name);
        app::work::schedules_round(&app.app).await.unwrap();
        for _ in 0..2 {
            app.clock.advance_seconds(HEALED_SECONDS);
            tick(&app.app).await;
            tick(&other.app).await;
        }
        let (reached, state) = app::risk::state_of(&app.app).await;
        let (_, theirs) = app::risk::state_of(&other.app).await;
        let seen = app.post("/v1/risk/score", &json!({"customer": "a"})).await.success(200);
        assert!(seen["features"]["uses_day"].as_f64() > Some(3.9), "{}: {seen}", app.name);
        let again = app::risk::rebuild(&app.app, reached).await.unwrap();
        assert!(state == again && theirs == again, "{}: made anew it is another", app.name);
        // The dead one is not looked for again.
        let before = pages::ids_reaching(app.app.store(), 0).await.unwrap();
        app.clock.advance_seconds(61);
        tick(&app.app).await;
        app::work::schedules_round(&app.app).await.unwrap();
        assert_eq!(pages::ids_reaching(app.app.store(), 0).await.unwrap(), before, "{}", app.name);
        other.app.engine().stop().await;
    })
    .await;
}

/// Calls it another name, so that whoever needs the table meets an error.
async fn rename(shop: &Shop, from: &str, to: &str) {
    let sql = format!("ALTER TABLE {from} RENAME TO {to}");
    shop.app.store().writer().execute_unprepared(&sql).await.unwrap();
}

/// More than wait for the log at once.
const TOO_MANY: i64 = 200_003;

/// Beside a process that sees everything but could not act once: one that cannot read the log, and forgets what does not
/// fit into memory meanwhile.
#[tokio::test]
async fn operators_hear_of_one_blind_process_and_of_what_was_missed() {
    in_each_shop(async |shop| {
        operator(&shop.app).await;
        tick(&shop.app).await;
        let blind = shop.another_process().await;
        tick(&blind).await;
        shop.customer("c").await;
        let (_, wallet) = ids(&shop.get("/v1/customers/c").await.document());
        rename(shop, "risk_cases", "cases_away").await;
        say(&shop.app, wallet, 1, DISPUTE);
        shop.clock.advance_seconds(app::risk::LAG_SECONDS + 1);
        tick(&shop.app).await;
        rename(shop, "cases_away", "risk_cases").await;
        (0..TOO_MANY).for_each(|number| say(&blind, wallet, number, DISPUTE));
        for _ in 0..5 {
            shop.clock.advance_seconds(30);
            rename(shop, "risk_pages", "pages_away").await;
            assert!(app::risk::tick(&blind).await.is_err(), "{}", shop.name);
            rename(shop, "pages_away", "risk_pages").await;
            tick(&shop.app).await;
            app::work::schedules_round(&shop.app).await.unwrap();
        }
        blind.engine().stop().await;
        shop.settle().await;
        let sent = shop.sent.lock().unwrap();
        for (subject, fact) in [
            ("One process does not watch for abuse", "risk_pages"),
            ("The watch over abuse missed something", "Verdicts that could not be acted on: 1"),
            ("The watch over abuse missed something", "Signals that did not fit into memory: 3"),
        ] {
            let told: Vec<_> = sent.iter().filter(|mail| mail.letter.subject.starts_with(subject)).collect();
            assert_eq!(told.len(), 1, "{}: {subject}", shop.name);
            assert!(told[0].letter.text.contains(fact), "{}: {}", shop.name, told[0].letter.text);
        }
        assert!(!sent.iter().any(|mail| mail.letter.subject.starts_with("Nobody watches")), "{}", shop.name);
    })
    .await;
}

#[tokio::test]
async fn when_nobody_watches_requests_go_through_and_operators_hear_of_it_once() {
    in_each_shop(async |shop| {
        operator(&shop.app).await;
        shop.settle().await;
        tick(&shop.app).await;
        let pulse_now = pulse::pulse(shop.app.store(), shop.clock.now()).await.unwrap();
        assert!(matches!(pulse_now, pulse::Pulse::Watching { .. }), "{pulse_now:?}");
        for _ in 0..5 {
            shop.wait_and_settle(120).await;
        }
        let usage = usage("demo", 1);
        assert_eq!(shop.post("/v1/usage", &usage).await.status, 201, "{}: unjudged", shop.name);
        let sent = shop.sent.lock().unwrap();
        let told = sent.iter().filter(|mail| mail.letter.subject.starts_with("Nobody watches for abuse"));
        assert_eq!(told.count(), 1, "{}", shop.name);
    })
    .await;
}
