//! The nights: what is fitted, what speaks, what is thrown away, and that nothing which fails changes anything.

use app::audit::Act;
use app::risk::models::{self, Model};
use app::{App, Principal, work};
use kernel::{Clock, WalletId, new_uuid};
use risk::features::{COUNT, Features};
use risk::signal::{Address, Mail, SignUp, What};
use risk::training::Row;
use store::cold::risk::{days, models as rows};
use tests::shop::{Shop, in_each_shop};
use tests::test_app::on_each_database;

use crate::risk::{operator, say, tick, used};
use crate::risk_following::uuid;

/// The followers take in what is older than this.
const LAG_SECONDS: i64 = app::risk::LAG_SECONDS;
const DAY_SECONDS: i64 = 86_400;

#[tokio::test]
async fn a_night_without_enough_rows_keeps_the_model_and_one_with_them_fits_one() {
    on_each_database(async |app| {
        tick(&app.app).await;
        work::schedules_round(&app.app).await.unwrap();
        night(&app.app, &app.clock).await;
        let by = Principal::system();
        assert_eq!(models::list(&app.app, &by).await.unwrap(), [], "{}: no rows", app.name);
        for number in 0..200_u32 {
            let wallet = WalletId::from_uuid(uuid(number.into()));
            let trial = SignUp {
                signed_up_at: app.app.now().micros() / 1_000,
                address: Address { network: number, host: number },
                mail: Mail::Free,
                is_trial: false,
                allotment: 0,
            };
            say(&app.app, wallet, 0, What::SignedUp(trial));
            for use_number in 0..(1 + number % 7) {
                let prompt = format!("{} castles by the sea", ["one", "two", "red"][use_number as usize % 3]);
                let credits = 1.0 + (number % 11) as f32;
                say(&app.app, wallet, (1 + use_number).into(), used(number, credits, &prompt));
                app.clock.advance_seconds(1);
            }
        }
        app.clock.advance_seconds(LAG_SECONDS + 1);
        tick(&app.app).await;
        night(&app.app, &app.clock).await;
        let first = models::list(&app.app, &by).await.unwrap();
        assert_eq!(first.len(), 1, "{}: {}", app.name, said(&app.app).await);
        assert_eq!((first[0].state.as_str(), first[0].metrics.rows), ("active", 200), "{first:?}");
        // The next night has a candidate, which speaks only after a night in shadow.
        tick(&app.app).await;
        night(&app.app, &app.clock).await;
        let second = models::list(&app.app, &by).await.unwrap();
        let states: Vec<&str> = second.iter().map(|model| model.state.as_str()).collect();
        assert_eq!(states, ["shadow", "active"], "{second:?}");
        night(&app.app, &app.clock).await;
        let third = models::list(&app.app, &by).await.unwrap();
        let states: Vec<&str> = third.iter().map(|model| model.state.as_str()).collect();
        assert_eq!(states, ["shadow", "active", "retired"], "{third:?} {}", said(&app.app).await);
        let session = operator(&app.app).await;
        let act = Act { id: new_uuid(), reason: "the old one was better".to_owned() };
        models::put_in_use(&app.app, &session, &third[2].id, &act).await.unwrap();
        let back = models::list(&app.app, &by).await.unwrap();
        assert_eq!(back[2].state, "active", "{back:?}");
        // And a candidate before its time, with the other kind of act.
        night(&app.app, &app.clock).await;
        let candidate = models::list(&app.app, &by).await.unwrap()[0].clone();
        assert_eq!((candidate.state.as_str(), candidate.promoted_at), ("shadow", None), "{candidate:?}");
        let act = Act { id: new_uuid(), reason: "we cannot wait".to_owned() };
        models::put_in_use(&app.app, &session, &candidate.id, &act).await.unwrap();
        assert_eq!(active(&app.app).await.id, candidate.id);
        let acts = app::audit::list(&app.app, &by, None, &Default::default()).await.unwrap().data;
        let acts: Vec<&str> = acts.iter().map(|act| act.action.as_str()).collect();
        assert_eq!(acts, ["model.promote", "model.roll_back"], "{}", app.name);
    })
    .await;
}

/// An ordinary wallet-day; each is a little different.
pub fn ordinary(n: usize) -> Features {
    let part = |of: usize| (n * 7 + n / of) as f64 % of as f64;
    Features {
        credits_hour: part(5) / 5.0,
        credits_day: 1.0 + part(11) / 5.0,
        credits_week: 2.0 + part(13) / 5.0,
        uses_day: 1.0 + part(20),
        active_hours: 1.0 + part(5),
        staleness: 0.2 + part(7) / 20.0,
        same_parameters: part(10) / 10.0,
        youth: -part(17) / 4.0,
        mail: part(3),
        ..Features::default()
    }
}

/// Hundreds of requests day and night from few words: a named pattern flags it.
fn scraper(n: usize) -> Features {
    let day = ordinary(n);
    Features { uses_day: 600.0 + day.uses_day, active_hours: 23.0, staleness: 0.98, ..day }
}

/// Wallet-days that ended before this moment, in place of all others.
pub async fn replace_days(app: &App, rows: impl IntoIterator<Item = Row>) {
    days::forget(app.store(), i64::MAX).await.unwrap();
    let today = app.now().unix_seconds() / DAY_SECONDS;
    let day = |row: Row| days::Model {
        day: today,
        wallet: new_uuid(),
        score: 0.0,
        features: row.iter().flat_map(|value| value.to_le_bytes()).collect(),
        used_at: app.now().micros(),
        draw: 0,
    };
    days::put(app.store(), rows.into_iter().map(day).collect()).await.unwrap();
}

pub fn vectors(count: usize, of: impl Fn(usize) -> Features) -> Vec<Row> {
    (0..count).map(|n| of(n).vector()).collect()
}

async fn active(app: &App) -> Model {
    let list = models::list(app, &Principal::system()).await.unwrap();
    list.into_iter()
        .find(|model| model.kind == "ensemble" && model.state == "active")
        .expect("an active model")
}

async fn bytes_of(app: &App, id: &str) -> Vec<u8> {
    rows::by_id(app.store().reader(), id).await.unwrap().expect("a model").bytes
}

/// With an active model that was fitted on ordinary days.
pub async fn watching(shop: &Shop) -> Model {
    tick(&shop.app).await;
    work::schedules_round(&shop.app).await.unwrap();
    replace_days(&shop.app, vectors(300, ordinary)).await;
    night(&shop.app, &shop.clock).await;
    active(&shop.app).await
}

#[tokio::test]
async fn a_night_on_rows_that_teach_nothing_keeps_the_model_and_says_why() {
    in_each_shop(async |shop| {
        let before = watching(shop).await;
        let kept = bytes_of(&shop.app, &before.id).await;
        let alike = ordinary(1).vector();
        for (rows, why) in [
            (Vec::new(), "rows"),
            (vec![alike], "rows"),
            (vec![alike; 300], "no column varies"),
            (vec![[f64::NAN; COUNT]; 300], "no column varies"),
            (vec![[f64::INFINITY; COUNT]; 300], "no column varies"),
        ] {
            replace_days(&shop.app, rows).await;
            night(&shop.app, &shop.clock).await;
            let said = said(&shop.app).await;
            assert!(said.contains("no candidate: ") && said.contains(why), "{}: {said}", shop.name);
            let now = active(&shop.app).await;
            assert_eq!((now.id, bytes_of(&shop.app, &before.id).await == kept), (before.id.clone(), true));
        }
        let list = models::list(&shop.app, &Principal::system()).await.unwrap();
        assert_eq!(list.len(), 1, "nothing waits in shadow either: {list:?}");
    })
    .await;
}

#[tokio::test]
async fn missing_infinite_constant_and_double_columns_do_not_keep_a_candidate_away() {
    in_each_shop(async |shop| {
        let before = watching(shop).await;
        let broken = |n: usize| {
            let day = ordinary(n);
            Features {
                surge: if n.is_multiple_of(3) { f64::NAN } else { day.credits_day },
                credits_per_use: if n.is_multiple_of(5) { f64::INFINITY } else { day.credits_week },
                related: f64::NEG_INFINITY,
                cards_day: 2.0,
                hosts_day: day.uses_day,
                ..day
            }
        };
        replace_days(&shop.app, vectors(300, broken)).await;
        night(&shop.app, &shop.clock).await;
        let list = models::list(&shop.app, &Principal::system()).await.unwrap();
        let states: Vec<&str> = list.iter().map(|model| model.state.as_str()).collect();
        assert_eq!((states, &list[1].id), (vec!["shadow", "active"], &before.id), "{list:?}");
        assert_eq!(list[0].metrics.rows, 300, "{}", said(&shop.app).await);
    })
    .await;
}

#[tokio::test]
async fn a_candidate_that_finds_abuse_usual_is_retired_and_never_speaks() {
    in_each_shop(async |shop| {
        let before = watching(shop).await;
        // A month in which nearly everybody is a scraper: to the candidate the ordinary ones are odd.
        let mut rows = vectors(285, scraper);
        rows.extend(vectors(15, ordinary));
        replace_days(&shop.app, rows).await;
        night(&shop.app, &shop.clock).await;
        let candidate = models::list(&shop.app, &Principal::system()).await.unwrap()[0].clone();
        assert_eq!(candidate.state, "shadow", "{}", said(&shop.app).await);
        let mut rows = vectors(190, ordinary);
        rows.extend(vectors(10, scraper));
        replace_days(&shop.app, rows).await;
        night(&shop.app, &shop.clock).await;
        let list = models::list(&shop.app, &Principal::system()).await.unwrap();
        let judged = list.iter().find(|model| model.id == candidate.id).expect("it is kept");
        assert_eq!((judged.state.as_str(), judged.promoted_at), ("retired", None), "{list:?}");
        assert!(judged.metrics.retired_because.is_some(), "{judged:?}");
        assert!(judged.metrics.precision < judged.metrics.precision_before, "{judged:?}");
        assert_eq!(active(&shop.app).await.id, before.id, "{}", shop.name);
    })
    .await;
}

#[tokio::test]
async fn operators_are_told_once_a_day_that_use_has_changed() {
    in_each_shop(async |shop| {
        operator(&shop.app).await;
        let before = watching(shop).await;
        let moved = |n: usize| {
            let day = ordinary(n);
            Features { uses_day: day.uses_day * 10.0, ..day }
        };
        replace_days(&shop.app, vectors(200, moved)).await;
        night(&shop.app, &shop.clock).await;
        shop.settle().await;
        let found = active(&shop.app).await;
        assert_eq!(found.id, before.id);
        assert_eq!(found.metrics.drift.first().map(|(name, _)| name.as_str()), Some("uses_day"), "{found:?}");
        let told: Vec<String> = {
            let sent = shop.sent.lock().unwrap();
            let of_it = sent
                .iter()
                .filter(|mail| mail.letter.subject.starts_with("Use has changed since the risk model"));
            of_it.map(|mail| mail.letter.text.clone()).collect()
        };
        assert_eq!(told.len(), 1, "{}: {}", shop.name, said(&shop.app).await);
        assert!(told[0].contains("uses_day"), "{told:?}");
    })
    .await;
}

pub async fn night(app: &App, clock: &Clock) {
    clock.advance_seconds(DAY_SECONDS);
    tick(app).await;
    work::schedules_round(app).await.expect("schedules run");
}

/// The last night's report.
pub async fn said(app: &App) -> String {
    let rows = app::queues::schedules(app, &Principal::system()).await.unwrap();
    let row = rows.into_iter().find(|row| row.name == "risk_train").unwrap();
    row.last_result.unwrap_or_default()
}
