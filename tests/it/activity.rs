//! The statement of a wallet: its identity holds in every month of any history, months tile it, its rows
//! add up to it, and its closing is what the wallet was at that instant.

use app::pace::pace;
use app::statements::{Period, Row, Statement, statement};
use app::{CustomerRef, PageRequest, Principal};
use kernel::{Credits, Timestamp};
use serde_json::json;
use tests::random::SplitMix64;
use tests::shop::{Shop, in_each_shop};

use crate::history::{Counted, DAY_SECONDS, History};

const STEPS: usize = 60;
const STEPS_MAX: usize = 180;
/// The shop's clock starts in March; so many steps of three days at most reach into August.
pub const MONTHS: [&str; 20] = [
    "2026-02", "2026-03", "2026-04", "2026-05", "2026-06", "2026-07", "2026-08", "2026-09", "2026-10",
    "2026-11", "2026-12", "2027-01", "2027-02", "2027-03", "2027-04", "2027-05", "2027-06", "2027-07",
    "2027-08", "2027-09",
];

#[tokio::test]
async fn opening_plus_all_that_happened_is_closing_in_every_month() {
    let random = SplitMix64::announced("statements of random histories");
    in_each_shop(async |shop| {
        let mut random = random.clone();
        shop.customer("c").await;
        let mut history = History::of(shop).await;
        let mut steps = 0;
        while steps < STEPS || !history.had_everything() {
            history.step(&mut random).await;
            steps += 1;
            assert!(steps < STEPS_MAX, "{}: something never happened", shop.name);
        }
        check_months(shop).await;
        let all = Period { from: Timestamp::EPOCH, to: Timestamp::MAX };
        let (found, _) = read(shop, all).await;
        let told = Counted {
            granted: micros(found.granted),
            used: micros(found.used),
            others: micros(found.adjusted) - micros(found.expired),
        };
        assert_eq!(told, history.counted().await, "{}: {steps} steps", shop.name);
    })
    .await;
}

/// The bars and the sentence below them are made of the same days, and neither counts what was undone.
#[tokio::test]
async fn a_charge_that_was_undone_is_said_to_be_and_is_no_use() {
    in_each_shop(async |shop| {
        shop.customer("c").await;
        shop.post("/v1/grants", &json!({"customer": "c", "credits": "100", "kind": "promo"})).await;
        let hold = shop.post("/v1/holds", &json!({"customer": "c", "credits": "30"})).await.document();
        let captured = format!("/v1/holds/{}/capture", hold["id"].as_str().unwrap());
        let undone = shop.post(&captured, &json!({"credits": "30"})).await.document();
        shop.clock.advance_seconds(DAY_SECONDS);
        // gpt-4 in the demo's catalogue: 5 credits for 1,000 input tokens.
        let work = json!({"customer": "c", "feature": "text.generate", "model": "gpt-4",
            "quantities": {"input_tokens": 4_000}});
        assert_eq!(shop.post("/v1/usage", &work).await.document()["credits"], "20");
        shop.clock.advance_seconds(DAY_SECONDS);
        let whole = |n: i64| Credits::whole(n);
        assert_eq!(
            days_and_pace(shop).await,
            (vec![whole(30), whole(20), whole(0)], Credits::from_micros(16_666_666))
        );
        let receipt = format!("/v1/receipts/{}", undone["id"].as_str().unwrap());
        assert_eq!(shop.get(&receipt).await.document()["reversed_by"], json!(null));
        let reversal = shop.post(&format!("{receipt}/reverse"), &json!({})).await.document();
        let told = shop.get(&receipt).await.document();
        assert_eq!((&told["reversed_by"], &told["credits"]), (&reversal["id"], &json!("30")), "{told}");
        assert_eq!(
            days_and_pace(shop).await,
            (vec![whole(0), whole(20), whole(0)], whole(10)),
            "{}",
            shop.name
        );
    })
    .await;
}

/// Charged on the last three days, and per day.
async fn days_and_pace(shop: &Shop) -> (Vec<Credits>, Credits) {
    let pace = pace(&shop.app, &Principal::system(), &"c".into(), 3).await.unwrap();
    (pace.days.iter().map(|day| day.charged).collect(), pace.per_day)
}

async fn check_months(shop: &Shop) {
    let now = shop.clock.now();
    let mut before: Option<Credits> = None;
    let mut rows_of_months = 0;
    for (month, next) in MONTHS.iter().zip(&MONTHS[1..]) {
        let period = Period { from: begin(month), to: begin(next) };
        let (found, rows) = read(shop, period).await;
        let sum = micros(found.opening) + micros(found.granted) - micros(found.used) - micros(found.expired)
            + micros(found.adjusted);
        assert_eq!(sum, micros(found.closing), "{} {month}: {found:?}", shop.name);
        let of_rows: i64 = rows.iter().map(|row| micros(row.credits)).sum();
        assert_eq!(of_rows, micros(found.closing) - micros(found.opening), "{} {month}", shop.name);
        assert_eq!(found.opening, before.unwrap_or(Credits::ZERO), "{} {month}: months tile time", shop.name);
        assert!(rows.iter().all(|row| period.from <= row.at && row.at < period.to), "{month}: {rows:?}");
        if period.from <= now {
            let last = Timestamp::from_micros_saturating(period.to.micros() - 1).min(now);
            assert_eq!(found.closing, total_at(shop, last).await, "{} {month}", shop.name);
        }
        rows_of_months += rows.len();
        before = Some(found.closing);
    }
    let all = Period { from: Timestamp::EPOCH, to: Timestamp::MAX };
    let (found, rows) = read(shop, all).await;
    assert_eq!((Some(found.closing), rows.len()), (before, rows_of_months));
    let mut balance = Credits::ZERO;
    for row in rows.iter().rev() {
        balance = Credits::from_micros(micros(balance) + micros(row.credits));
        assert_eq!(row.balance, balance, "{}: entry {}", shop.name, row.seq);
    }
}

/// The statement with the rows of all its pages, newest first.
async fn read(shop: &Shop, period: Period) -> (Statement, Vec<Row>) {
    let (by, customer) = (Principal::system(), CustomerRef::from("c"));
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: Some(7), cursor };
        let found = statement(&shop.app, &by, &customer, period, &page).await.expect("a statement");
        rows.extend(found.rows.data.clone());
        cursor = found.rows.next_cursor.clone();
        if cursor.is_none() {
            return (found, rows);
        }
    }
}

/// Available + held - debt as the API tells it.
async fn total_at(shop: &Shop, at: Timestamp) -> Credits {
    let wallet = shop.get(&format!("/v1/customers/c/wallet?as_of={at}")).await.document();
    let of = |name: &str| micros(wallet[name].as_str().and_then(|text| text.parse().ok()).expect("credits"));
    Credits::from_micros(of("available") + of("held") - of("debt"))
}

pub fn begin(month: &str) -> Timestamp {
    format!("{month}-01T00:00:00Z").parse().expect("an instant")
}

fn micros(credits: Credits) -> i64 {
    credits.micros()
}
