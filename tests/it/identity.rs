//! One number, one instant: the page, its CSV, the API and the mails print the same of a random history.

use std::collections::BTreeMap;
use std::time::Duration;

use app::accounts::ensure_user;
use app::{CustomerRef, Principal, customers};
use kernel::text::{credits, instant, signed_credits};
use kernel::{Credits, Timestamp};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::Value;
use tests::random::SplitMix64;
use tests::shop::{Shop, in_each_shop};

use crate::activity::{MONTHS, begin};
use crate::history::History;
use crate::portal::{Browser, between};

const STEPS: usize = 50;
const EMAIL: &str = "c@example.com";
const PASSWORD: &str = "correct horse battery";
/// Sides of a posting that belong to the customer, and how they count.
const OWN: [(&str, i64); 3] = [("available", 1), ("held", 1), ("debt", 1)];

#[tokio::test]
async fn page_csv_api_and_mail_print_the_same_numbers_and_instants() {
    let random = SplitMix64::announced("statements that are compared");
    in_each_shop(async |shop| {
        let mut random = random.clone();
        shop.customer("c").await;
        let customer = customers::get(&shop.app, &Principal::system(), &CustomerRef::from("c")).await;
        let id = customer.expect("the customer").id;
        ensure_user(&shop.app, EMAIL, "C", PASSWORD, Some(id)).await.expect("their user");
        let mut history = History::of(shop).await;
        for _ in 0..STEPS {
            history.step(&mut random).await;
        }
        // Every hold is over, so that no lot gets anything back later.
        shop.clock.advance_seconds(2 * 86_400);
        // What time has done is written, so that the API's journal has all of it.
        app::work::settle_idle_wallets(&shop.app).await.expect("it settles");
        let mut browser = Browser::of(shop);
        browser.sign_in(EMAIL, PASSWORD).await;
        let postings = postings(shop).await;
        let mut opening = 0;
        for (month, next) in MONTHS.iter().zip(&MONTHS[1..]) {
            opening = check_month(shop, &mut browser, &postings, (month, next, opening)).await;
        }
        check_lots(shop, &mut browser).await;
    })
    .await;
}

/// Every line of the journal as the API tells it.
async fn postings(shop: &Shop) -> Vec<Value> {
    let (mut lines, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = shop.get(&format!("/v1/customers/c/postings?limit=100{cursor}")).await.document();
        lines.extend(page["data"].as_array().expect("a list").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return lines,
        }
    }
}

/// Adds the month up from the API's lines and compares; answers its closing.
async fn check_month(
    shop: &Shop,
    browser: &mut Browser,
    postings: &[Value],
    (month, next, opening): (&str, &str, i64),
) -> i64 {
    let (from, to) = (begin(month), begin(next));
    let mut by_seq: BTreeMap<i64, (String, i64)> = BTreeMap::new();
    for line in postings {
        let at: Timestamp = line["effective_at"].as_str().expect("an instant").parse().expect("an instant");
        if from <= at && at < to {
            let row = by_seq.entry(line["seq"].as_i64().expect("a seq")).or_insert((at.to_string(), 0));
            row.1 += effect(line);
        }
    }
    let closing = opening + by_seq.values().map(|(_, micros)| micros).sum::<i64>();
    let text = |micros: i64| credits(Credits::from_micros(micros));

    let page = browser.get(&format!("/activity?month={month}")).await.body;
    let of = |label: &str| between(&page, &format!("<dt>{label}</dt><dd>"), "</dd>").to_owned();
    assert_eq!((of("Opening"), of("= Closing")), (text(opening), text(closing)), "{} {month}", shop.name);
    let csv = browser.get(&format!("/activity.csv?month={month}")).await.body;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().map(|record| record.expect("a record")).collect();
    let plain = |micros: i64| Credits::from_micros(micros).to_string();
    let bounds =
        [records.last(), records.first()].map(|record| record.map(|r| (r[1].to_owned(), r[6].to_owned())));
    let expected = [("Opening balance", plain(opening)), ("Closing balance", plain(closing))];
    assert_eq!(
        bounds,
        expected.map(|(what, balance)| Some((what.to_owned(), balance))),
        "{} {month}",
        shop.name
    );
    let rows: Vec<(String, String)> = records[1..records.len() - 1]
        .iter()
        .map(|record| (record[0].to_owned(), record[5].to_owned()))
        .collect();
    let told: Vec<(String, String)> =
        by_seq.values().rev().map(|(at, micros)| (at.clone(), plain(*micros))).collect();
    assert_eq!(rows, told, "{} {month}: the CSV's rows are the API's entries", shop.name);
    for (at, micros) in by_seq.values().rev().take(20) {
        let at: Timestamp = at.parse().expect("an instant");
        assert!(page.contains(&instant(at)), "{month}: {at} is not on the page");
        let signed = signed_credits(Credits::from_micros(*micros));
        assert!(page.contains(&format!(">{signed}</td>")), "{month}: {signed} is not on the page");
    }
    closing
}

/// Change of available + held - debt; debt grows when it is the source.
fn effect(line: &Value) -> i64 {
    let micros =
        line["amount"].as_str().and_then(|text| text.parse::<Credits>().ok()).expect("credits").micros();
    let own = |side: &str| OWN.iter().find(|(name, _)| line[side] == *name).map_or(0, |(_, sign)| *sign);
    micros * (own("to") - own("from"))
}

/// Notices go by projections, which are written a moment after the journal.
async fn all_projected(shop: &Shop) {
    let behind = "SELECT COUNT(*) FROM wallets w WHERE w.seq < \
                  (SELECT MAX(p.seq) FROM postings p WHERE p.bucket = w.bucket AND p.wallet = w.wallet)";
    for _ in 0..500 {
        let reader = shop.app.store().reader();
        let statement = Statement::from_string(reader.get_database_backend(), behind);
        let row = reader.query_one_raw(statement).await.expect("it reads").expect("a row");
        if row.try_get_by_index::<i64>(0).expect("a number") == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{}: projections stay behind", shop.name);
}

/// Credits and expiry of each lot: on the page, in the mail that warns of it, as the API has them.
async fn check_lots(shop: &Shop, browser: &mut Browser) {
    let from_now = |days: i64| shop.clock.now().plus_seconds(days * 86_400).to_string();
    // What is owed would swallow the next credits.
    let enough = serde_json::json!({"customer": "c", "credits": "100000", "kind": "promo"});
    assert_eq!(shop.post("/v1/grants", &enough).await.status, 201);
    for (credits, days) in [("12.5", 40), ("3", 9)] {
        let grant = serde_json::json!({
            "customer": "c", "credits": credits, "kind": "promo", "expires_at": from_now(days),
        });
        assert_eq!(shop.post("/v1/grants", &grant).await.status, 201);
    }
    all_projected(shop).await;
    shop.settle().await;
    shop.wait_and_settle(15 * 86_400).await;
    let wallet = shop.get("/v1/customers/c/wallet").await.document();
    // The session ended in the meantime.
    browser.sign_in(EMAIL, PASSWORD).await;
    let page = browser.get("/").await.body;
    let mails = shop.sent.lock().expect("no panic holds it").clone();
    let mut warned = 0;
    for lot in wallet["lots"].as_array().expect("lots") {
        let Some(expires_at) = lot["expires_at"].as_str() else { continue };
        let at: Timestamp = expires_at.parse().expect("an instant");
        let remaining: Credits = lot["remaining"].as_str().expect("credits").parse().expect("credits");
        assert!(page.contains(&format!("<time datetime=\"{expires_at}\">{}</time>", instant(at))), "{lot}");
        assert!(page.contains(&format!(">{}</td>", credits(remaining))), "{lot}");
        let of_lot = |mail: &&mail::Mail| mail.letter.text.contains(&instant(at));
        for mail in mails.iter().filter(of_lot).filter(|mail| mail.letter.subject.contains("expire")) {
            assert!(mail.letter.html.contains(&instant(at)), "{}", mail.letter.subject);
            assert!(mail.letter.subject.starts_with(&format!("{} credits", credits(remaining))), "{lot}");
            warned += 1;
        }
    }
    assert!(warned > 0, "{}: some lot was warned of", shop.name);
}
