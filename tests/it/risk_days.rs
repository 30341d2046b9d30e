//! What a night keeps of wallets: what was known at the last use before it, and of too many an even share of each day.

use app::risk::shadow;
use app::{Principal, work};
use kernel::new_uuid;
use risk::features::NAMES;
use store::cold::risk::days::{self, Model};
use tests::test_app::{TestApp, on_each_database};

use crate::risk::{DAY_SECONDS, ids, say, tick, used};
use crate::risk_models::ordinary;

const HOUR: i64 = 3_600;

/// Waits until so many seconds after midnight of a day since 1970, and works like a process that is awake then.
async fn at(app: &TestApp, day: i64, seconds: i64) {
    let then = day * DAY_SECONDS + seconds;
    app.clock.advance_seconds(then - app.app.now().unix_seconds());
    tick(&app.app).await;
    work::schedules_round(&app.app).await.unwrap();
}

/// When the row's use was, and about how many there were in the day before it.
fn told(row: &Model) -> (i64, i64, f64) {
    let column = NAMES.iter().position(|name| *name == "uses_day").unwrap();
    let uses = f64::from_le_bytes(row.features.as_chunks::<8>().0[column]);
    (row.day, row.used_at / 1_000_000, uses)
}

#[tokio::test]
async fn a_use_before_the_nights_work_belongs_to_the_day_before_and_takes_no_other_days_place() {
    on_each_database(async |app| {
        let (_, wallet) = ids(&app.funded("c", "1000").await);
        let today = app.app.now().unix_seconds() / DAY_SECONDS;
        at(app, today, 13 * HOUR).await;
        at(app, today + 1, HOUR).await;
        say(&app.app, wallet, 1, used(1, 1.0, "a castle by the sea"));
        at(app, today + 1, 3 * HOUR).await;
        at(app, today + 1, 10 * HOUR).await;
        for number in 2..42_u32 {
            say(&app.app, wallet, number.into(), used(number, 1.0, &format!("castle number {number}")));
            app.clock.advance_seconds(60);
        }
        let burst = app.app.now().unix_seconds() - 60;
        at(app, today + 2, 3 * HOUR).await;
        let rows = days::of_wallet(app.app.store().reader(), wallet.uuid(), 9).await.unwrap();
        let [after, before] = [told(&rows[0]), told(&rows[1])];
        assert_eq!(rows.len(), 2, "{}: {after:?} {before:?}", app.name);
        assert_eq!((before.0, before.1), (today, (today + 1) * DAY_SECONDS + HOUR), "{before:?}");
        assert_eq!((after.0, after.1), (today + 1, burst), "{}: the burst is kept: {after:?}", app.name);
        assert!(before.2 < 2.0 && after.2 > 30.0, "{}: {before:?} {after:?}", app.name);

        // A use after midnight and before the work is the last one of its day; the next day has a row of its own.
        at(app, today + 3, HOUR).await;
        say(&app.app, wallet, 50, used(50, 1.0, "a castle by the lake"));
        at(app, today + 3, 3 * HOUR).await;
        at(app, today + 3, 12 * HOUR).await;
        say(&app.app, wallet, 51, used(51, 1.0, "a castle by the wood"));
        at(app, today + 4, 3 * HOUR).await;
        let rows = days::of_wallet(app.app.store().reader(), wallet.uuid(), 9).await.unwrap();
        let days: Vec<i64> = rows.iter().map(|row| row.day - today).collect();
        assert_eq!(days, [3, 2, 1, 0], "{}", app.name);
    })
    .await;
}

fn row(day: i64, draw: i64, used_at: i64) -> Model {
    let features = ordinary(3).vector().iter().flat_map(|value| value.to_le_bytes()).collect();
    Model { day, wallet: new_uuid(), score: 0.1, features, used_at, draw }
}

#[tokio::test]
async fn of_a_wallet_day_the_later_use_is_kept_whoever_writes_last() {
    on_each_database(async |app| {
        let store = app.app.store();
        let first = row(20_000, 1, 5);
        for (used_at, kept) in [(5, 5), (3, 5), (7, 7), (6, 7)] {
            let again = Model { used_at, score: used_at as f64, ..first.clone() };
            days::put(store, vec![again, row(20_000, 2, 1)]).await.unwrap();
            let found = days::of_wallet(store.reader(), first.wallet, 9).await.unwrap();
            let told: Vec<(i64, f64)> = found.iter().map(|row| (row.used_at, row.score)).collect();
            assert_eq!(told, [(kept, kept as f64)], "{}: after {used_at}", app.name);
        }
    })
    .await;
}

#[tokio::test]
async fn of_more_than_is_read_each_day_gives_its_share_and_the_report_says_where_it_begins() {
    on_each_database(async |app| {
        let store = app.app.store();
        let today = app.app.now().unix_seconds() / DAY_SECONDS;
        let mut rows = Vec::new();
        for (back, count) in [(3, 40), (2, 3), (1, 40)] {
            rows.extend((0..count).map(|n| row(today - back, (n * 7_919) % 1_009, 1)));
        }
        days::put(store, rows.clone()).await.unwrap();
        // 23 rows: the three of the small day, and ten of each other.
        let found = days::since(store.reader(), today - 30, 23).await.unwrap();
        let mut expected = Vec::new();
        for back in [1, 2, 3] {
            let mut of_day: Vec<&Model> = rows.iter().filter(|row| row.day == today - back).collect();
            of_day.sort_by_key(|row| row.draw);
            expected.extend(of_day.into_iter().take(10).cloned());
        }
        assert_eq!(found, expected, "{}", app.name);
        assert_eq!(days::since(store.reader(), today - 30, 83).await.unwrap().len(), 83, "{}", app.name);
        assert_eq!(days::since(store.reader(), today - 2, 83).await.unwrap().len(), 43, "{}", app.name);

        let report = shadow::report(&app.app, &Principal::system()).await.unwrap();
        let begin = (today - 3) * DAY_SECONDS + 2 * HOUR + 23 * 60;
        assert_eq!((report.days, report.from.unix_seconds()), (83, begin), "{}", app.name);
    })
    .await;
}
