//! What was seen is the same for all processes, whoever is late, stopped or killed; and who watches the watch.

use app::risk::pulse;
use kernel::WalletId;
use risk::book::Book;
use serde_json::json;
use tests::shop::in_each_shop;
use tests::test_app::{on_each_database, text, usage};

use crate::risk::{operator, record, say, tick, used};

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
