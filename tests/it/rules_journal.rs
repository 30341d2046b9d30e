//! rules.md, "Journal".

use std::collections::BTreeMap;

use kernel::{Credits, WalletId, bucket_of};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use store::entities::posting;
use tests::cards::OVERAGE;
use tests::test_app::{TestApp, event, on_each_database, text, work};

/// (seq, line, kind, from, to, amount, available after)
type Line = (i64, i64, &'static str, &'static str, &'static str, &'static str, &'static str);

/// What [`live`] does, command by command, as rules.md and terms.md say.
const LIFE: [Line; 16] = [
    (1, 0, "grant", "issued", "available", "10", "10"),
    (2, 0, "hold", "available", "held", "6", "4"),
    (3, 0, "capture", "held", "spent", "6", "4"),
    (3, 1, "capture", "available", "spent", "4", "0"),
    (3, 2, "capture", "uncovered", "spent", "3", "0"),
    (4, 0, "debit", "debt", "spent", "4", "0"),
    (5, 0, "grant", "issued", "debt", "4", "0"),
    (5, 1, "grant", "issued", "available", "5", "5"),
    (6, 0, "hold", "available", "held", "2", "3"),
    (7, 0, "void", "held", "available", "2", "5"),
    (8, 0, "grant", "issued", "available", "3", "8"),
    (9, 0, "grant_void", "available", "revoked", "5", "3"),
    (10, 0, "expire", "available", "expired", "3", "0"),
    (11, 0, "grant", "issued", "available", "1", "1"),
    (12, 0, "reverse", "spent", "uncovered", "3", "1"),
    (12, 1, "reverse", "spent", "available", "10", "11"),
];

#[tokio::test]
async fn a_row_is_one_posting_and_names_both_accounts() {
    on_each_database(async |app| {
        live(app).await;
        let lines = app.postings("c").await;
        let said: Vec<Value> = lines
            .iter()
            .map(|l| {
                json!([l["seq"], l["line"], l["kind"], l["from"], l["to"], l["amount"], l["balance_after"]])
            })
            .collect();
        let expected: Vec<Value> = LIFE
            .iter()
            .map(|(s, l, kind, f, t, amount, after)| json!([s, l, kind, f, t, amount, after]))
            .collect();
        assert_eq!(said, expected, "{}", app.name);
        app.assert_wallet("c", ["11", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn every_balance_and_the_platforms_accounts_follow_from_the_rows() {
    on_each_database(async |app| {
        live(app).await;
        let mut accounts: BTreeMap<String, i64> = BTreeMap::new();
        for line in app.postings("c").await {
            let amount = text(&line, "/amount").parse::<Credits>().unwrap().micros();
            *accounts.entry(text(&line, "/from")).or_default() -= amount;
            *accounts.entry(text(&line, "/to")).or_default() += amount;
            let of = |name: &str| Credits::from_micros(accounts.get(name).copied().unwrap_or(0)).to_string();
            let owed = Credits::from_micros(-accounts.get("debt").copied().unwrap_or(0)).to_string();
            let after =
                [text(&line, "/balance_after"), text(&line, "/held_after"), text(&line, "/debt_after")];
            assert_eq!(after, [of("available"), of("held"), owed], "{line}");
        }
        // 10 + 9 + 3 + 1 granted; of 13 + 4 spent all but the debt's 4 came back; 3 expired; 5 revoked.
        let credits = |n: i64| n * 1_000_000;
        let expected = [
            ("available", 11),
            ("debt", 0),
            ("expired", 3),
            ("held", 0),
            ("issued", -23),
            ("revoked", 5),
            ("spent", 4),
            ("uncovered", 0),
        ];
        assert_eq!(accounts, expected.map(|(name, n)| (name.to_owned(), credits(n))).into());
    })
    .await;
}

#[tokio::test]
async fn a_command_that_moves_nothing_writes_line_0_with_amount_0_and_no_lot() {
    on_each_database(async |app| {
        app.publish(OVERAGE).await;
        app.funded("c", "3").await;
        let hold = text(&app.hold("c", "1").await, "/id");
        app.post(&format!("/v1/holds/{hold}/extend"), &json!({"ttl_seconds": 86_400})).await.success(200);
        app.post("/v1/usage", &work("c", "work.absorb", 0)).await.success(201);
        app.report(&event("c", "unbilled", "work.refuse", 5)).await.success(204);
        app.report(&event("c", "unrated", "work.unknown", 5)).await.success(204);
        let none = json!({"credits": "0", "final": false});
        app.post(&format!("/v1/holds/{hold}/capture"), &none).await.success(200);

        let lines = app.postings("c").await;
        let kinds: Vec<String> = lines.iter().map(|line| text(line, "/kind")).collect();
        assert_eq!(kinds, ["grant", "hold", "extend", "debit", "unbilled", "unrated", "capture"]);
        for (i, line) in lines.iter().enumerate().skip(2) {
            assert_eq!(line["seq"], i + 1, "{line}");
            assert_eq!(
                (&line["line"], &line["amount"], &line["lot"]),
                (&json!(0), &json!("0"), &Value::Null)
            );
        }
        app.assert_wallet("c", ["2", "1", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn the_idempotency_key_the_input_hash_and_the_receipts_facts_sit_on_line_0() {
    on_each_database(async |app| {
        live(app).await;
        let rows = rows(app, "c").await;
        assert_eq!(rows.len(), LIFE.len());
        for row in rows {
            let is_callers = row.line == 0 && row.kind != "expire";
            let facts = [row.idempotency_key.is_some(), row.input_hash.is_some(), row.about.is_some()];
            assert_eq!(facts, [is_callers; 3], "{row:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_row_says_what_remains_of_its_lot() {
    on_each_database(async |app| {
        live(app).await;
        let rows = rows(app, "c").await;
        let remaining: Vec<(i64, i16, i64)> = rows
            .iter()
            .filter_map(|row| Some((row.lot?, row.line, row.lot_remaining? / 1_000_000)))
            .collect();
        // (lot, line, credits), by hand: lot 1 of 10, lot 5 of 9 of which 4 paid debt, lot 8 of 3, lot 11 of 1.
        let expected = [
            (1, 0, 10),
            (1, 0, 4),
            (1, 0, 4),
            (1, 1, 0),
            (5, 0, 0),
            (5, 1, 5),
            (5, 0, 3),
            (5, 0, 5),
            (8, 0, 3),
            (5, 0, 0),
            (8, 0, 0),
            (11, 0, 1),
            (1, 1, 10),
        ];
        assert_eq!(remaining, expected, "{}", app.name);
    })
    .await;
}

#[tokio::test]
async fn a_movement_of_two_lots_is_a_row_for_each() {
    on_each_database(async |app| {
        app.customer("c").await;
        let first = text(&app.grant("c", "2", &json!({"priority": 1})).await, "/id");
        let second = text(&app.grant("c", "5", &json!({"priority": 2})).await, "/id");
        let receipt = app.use_credits("c", 3).await;
        let lots = json!([{"grant": first, "credits": "2"}, {"grant": second, "credits": "1"}]);
        assert_eq!(receipt["lots"], lots);
        let lines = app.postings("c").await;
        let of_debit: Vec<Value> =
            lines[2..].iter().map(|l| json!([l["line"], l["lot"], l["amount"]])).collect();
        assert_eq!(of_debit, [json!([0, first, "2"]), json!([1, second, "1"])]);
    })
    .await;
}

/// A customer `c` meets every kind of movement once.
async fn live(app: &TestApp) {
    app.publish(OVERAGE).await;
    app.funded("c", "10").await;
    let hold = text(&app.hold("c", "6").await, "/id");
    let capture =
        app.post(&format!("/v1/holds/{hold}/capture"), &json!({"credits": "13"})).await.success(200);
    app.report(&event("c", "e", "work.overdraft", 4)).await.success(204);
    let second = text(&app.grant("c", "9", &json!({})).await, "/id");
    let hold = text(&app.hold("c", "2").await, "/id");
    app.post(&format!("/v1/holds/{hold}/void"), &json!({})).await.success(200);
    app.grant("c", "3", &json!({"expires_at": app.at(3_600)})).await;
    app.post(&format!("/v1/grants/{second}/void"), &json!({})).await.success(200);
    app.clock.advance_seconds(7_200);
    app.grant("c", "1", &json!({})).await;
    let receipt = text(&capture, "/id");
    app.post(&format!("/v1/receipts/{receipt}/reverse"), &json!({})).await.success(201);
}

async fn rows(app: &TestApp, customer: &str) -> Vec<posting::Model> {
    let wallet: WalletId = text(&app.wallet(customer).await, "/id").parse().unwrap();
    let rows = posting::Entity::find()
        .filter(posting::Column::Bucket.eq(bucket_of(wallet)))
        .filter(posting::Column::Wallet.eq(wallet.uuid()))
        .order_by_asc(posting::Column::Seq)
        .order_by_asc(posting::Column::Line);
    rows.all(app.app.store().reader()).await.unwrap()
}
