//! What is kept of a call's context: prints with the entry, and nowhere the prompt or the address.

use std::collections::BTreeMap;

use app::prints::{CallPrint, signal_of};
use kernel::WalletId;
use ledger::{Entry, EntryKind};
use risk::signal::{Signal, What};
use serde_json::{Value, json};
use store::cold::deliveries;
use store::{ConnectionTrait, Uuid};
use tests::test_app::{TestApp, event, merge, on_each_database, text, usage};

const PROMPT: &str = "paint the zebra that hums beside a lighthouse";
const ADDRESS: &str = "203.0.113.77";

fn context() -> Value {
    json!({"ip": ADDRESS, "user_agent": "zebracurl/8", "device": "zebraphone", "prompt": PROMPT})
}

fn with_context(mut body: Value) -> Value {
    merge(&mut body, &json!({"context": context()}));
    body
}

async fn entries(app: &TestApp, customer: &str) -> (WalletId, Vec<Entry>) {
    let wallet: WalletId = text(&app.wallet(customer).await, "/id").parse().expect("a wallet's id");
    let head = store::wallets::read(app.app.store(), wallet).await.expect("a read").expect("a wallet").seq;
    let entries = store::statement::entries(app.app.store(), wallet, 1, head).await.expect("a read");
    (wallet, entries)
}

fn print_of(entry: &Entry) -> Option<CallPrint> {
    let about: Value = serde_json::from_str(entry.about.as_deref()?).expect("JSON");
    about.get("print").map(|print| serde_json::from_value(print.clone()).expect("a print"))
}

/// Every text and number of every column of every table.
async fn everything(app: &TestApp) -> String {
    let db = app.app.store().reader();
    let names = match db.get_database_backend() {
        sea_orm::DatabaseBackend::Postgres => "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
        _ => "SELECT name FROM sqlite_master WHERE type = 'table'",
    };
    let run = async |sql: String| {
        let statement = sea_orm::Statement::from_string(db.get_database_backend(), sql);
        db.query_all_raw(statement).await.expect("a read")
    };
    let mut all = String::new();
    for table in run(names.to_owned()).await {
        let table: String = table.try_get_by_index(0).expect("a name");
        for row in run(format!("SELECT * FROM {table}")).await {
            for column in row.column_names() {
                if let Ok(Some(text)) = row.try_get::<Option<String>>("", &column) {
                    all.push_str(&text);
                    all.push('\n');
                }
            }
        }
    }
    all
}

#[tokio::test]
async fn a_print_stays_with_the_entry_and_the_prompt_nowhere() {
    on_each_database(async |app| {
        app.funded("c", "100").await;
        app.post("/v1/usage", &with_context(usage("c", 1))).await.success(201);
        app.post("/v1/holds", &with_context(usage("c", 1))).await.success(201);
        let quote = app.post("/v1/quotes", &with_context(usage("c", 1))).await.success(201);
        app.post("/v1/holds", &json!({"customer": "c", "quote": quote["id"]})).await.success(201);
        let reported = |id: &str, data: Value| {
            let mut event = event("c", id, "text.generate", 1);
            merge(&mut event["data"], &data);
            event["data"]["context"] = context();
            event
        };
        let quantities = json!({"input_tokens": 200});
        let priced = reported("1", json!({"model": "gpt-4", "quantities": quantities}));
        app.report(&priced).await.success(204);
        app.report(&reported("2", json!({"model": "none"}))).await.success(204);
        let (_, entries) = entries(app, "c").await;
        let prints: BTreeMap<_, Vec<_>> = entries.iter().fold(BTreeMap::new(), |mut kinds, entry| {
            kinds.entry(entry.kind).or_insert_with(Vec::new).extend(print_of(entry));
            kinds
        });
        let [first, reported] = prints[&EntryKind::Debit][..] else { panic!("{prints:?}") };
        assert_eq!(prints[&EntryKind::Hold], [first, first], "{prints:?}");
        assert_eq!((first.simhash, first.host), (reported.simhash, reported.host));
        assert!(prints[&EntryKind::Unrated].is_empty());
        let network = 203 << 16 | 113;
        assert!(first.network.is_some_and(|kept| kept != network), "{first:?}");
        let kept = everything(app).await;
        assert!(kept.contains("\"print\""));
        for told in ["zebra", "lighthouse", ADDRESS, &format!(":{network},")] {
            assert!(!kept.contains(told), "{told} is kept");
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_that_tells_nothing_keeps_nothing_and_later_entries_of_a_hold_have_no_print() {
    on_each_database(async |app| {
        app.funded("c", "100").await;
        app.post("/v1/usage", &usage("c", 1)).await.success(201);
        let hold = text(&app.post("/v1/holds", &with_context(usage("c", 1))).await.success(201), "/id");
        app.post(&format!("/v1/holds/{hold}/extend"), &json!({"ttl_seconds": 1_800})).await.success(200);
        app.post(&format!("/v1/holds/{hold}/capture"), &json!({"credits": "1"})).await.success(200);
        let (_, entries) = entries(app, "c").await;
        let printed: Vec<EntryKind> =
            entries.iter().filter(|entry| print_of(entry).is_some()).map(|entry| entry.kind).collect();
        assert_eq!(printed, [EntryKind::Hold]);
    })
    .await;
}

#[tokio::test]
async fn the_journal_tells_the_risk_rules_the_same_in_every_process() {
    on_each_database(async |app| {
        app.funded("c", "100").await;
        app.post("/v1/usage", &with_context(usage("c", 2))).await.success(201);
        app.post("/v1/usage", &usage("c", 1)).await.success(201);
        let hold = text(&app.hold("c", "5").await, "/id");
        let path = format!("/v1/holds/{hold}/capture");
        let receipt = text(&app.post(&path, &json!({"credits": "4"})).await.success(200), "/id");
        let (wallet, all) = entries(app, "c").await;
        let signals: Vec<Signal> = all.iter().filter_map(|entry| signal_of(wallet, entry)).collect();
        let credits: Vec<f32> = signals
            .iter()
            .map(|signal| match signal.what {
                What::Used(used) => used.credits,
                _ => panic!("{signal:?}"),
            })
            .collect();
        assert_eq!(credits, [2.0, 1.0, 5.0], "a capture is no second use");
        let other = app.another_process().await;
        other.post("/v1/usage", &with_context(usage("c", 2))).await.success(201);
        let (_, again) = entries(&other, "c").await;
        let prints: Vec<CallPrint> = again.iter().filter_map(print_of).collect();
        assert_eq!(prints[0], prints[1], "one key hides addresses for all processes");
        let same: Vec<Signal> = again.iter().take(all.len()).filter_map(|e| signal_of(wallet, e)).collect();
        assert_eq!(same, signals);

        let path = format!("/v1/receipts/{receipt}/deliveries");
        for _ in 0..2 {
            app.post(&path, &json!({})).await.success(201);
        }
        let now = app.clock.now().micros();
        let since = async |after, end| {
            deliveries::since(app.app.store().reader(), after, end, 10).await.expect("a read")
        };
        let first = (i64::MIN, Uuid::nil(), 0);
        let told = since(first, now + 1).await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].wallet, wallet.uuid());
        assert_eq!(since(first, now).await, []);
        assert_eq!(since((now, wallet.uuid(), told[0].seq), now + 1).await, []);
        app.post("/v1/receipts/rct_none/deliveries", &json!({})).await.problem(404, "not_found");
    })
    .await;
}
