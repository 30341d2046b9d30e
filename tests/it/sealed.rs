//! Sealed journal rows: out of the way of writers, and answered, read and verified as before.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use ::app::{App, AppConfig, PageRequest, Principal, search, unpaid, work};
use ::engine::{Engine, EngineConfig, EngineError, Request};
use futures::future::join_all;
use kernel::Credits;
use serde_json::{Value, json};
use tests::databases::{Bench, benches, command, debit, grant, key_of};
use tests::random::SplitMix64;
use tests::say;
use tests::shop::{Shop, in_each_shop};
use tests::test_app::{TestApp, merge, on_each_database, text, usage};

use crate::portal::Browser;
use crate::rules_idempotency::every_kind_of_call;

/// What one piece of work is called.
const JOB: &str = "poster-7";

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");

#[tokio::test]
async fn everything_reads_and_answers_as_before_when_every_row_is_sealed() {
    on_each_database(async |app| {
        let calls = every_kind_of_call(app).await;
        app.clock.advance_seconds(60);
        let before = shown(app).await;
        let app = app.restarted().await; // every projection is written
        seal_all(&app).await;
        assert_eq!(shown(&app).await, before, "{}", app.name);
        for call in &calls {
            call.assert_replayed_by(&app).await;
        }
        assert_eq!(shown(&app).await, before, "{}: a replay moves nothing", app.name);
        app.post_with(
            "/v1/grants",
            "key-of-usage",
            &json!({"customer": "c", "credits": "1", "kind": "promo"}),
        )
        .await
        .problem(422, "idempotency_key_reused");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_searches_show_the_same_when_every_row_is_sealed() {
    in_each_shop(async |shop| {
        let mut browser = Browser::of(shop);
        browser.sign_up("Ada", "ada@example.com").await;
        let customer = browser.customer().await;
        let receipts = work_of_every_kind(shop, &customer).await;
        let before = told(&mut browser, &shop.app, &receipts).await;
        shop.app.engine().stop().await; // every projection is written
        let store = shop.app.store();
        assert!(store::seal::seal(store, 0).await.expect("it seals") > 0);
        assert_eq!(store::seal::hot_rows(store).await.expect("a count"), 0, "{}", shop.name);
        let app = shop.another_process().await;
        let after = told(&mut browser.at(shop, app.clone()), &app, &receipts).await;
        for ((what, before), (_, after)) in before.iter().zip(&after) {
            assert_eq!(after, before, "{}: {what}", shop.name);
        }
        app.engine().stop().await;
    })
    .await;
}

/// A grant, usage, a hold with two captures, one that is given back, one that stays open, an event without
/// a price; answers the receipts of the captures.
async fn work_of_every_kind(shop: &Shop, customer: &str) -> Vec<String> {
    let post = async |path: &str, body: Value| {
        shop.clock.advance_seconds(60);
        let done = shop.post(path, &body).await;
        assert!((200..300).contains(&done.status), "{done:?}");
        done.document()
    };
    let hold = async |credits: &str| {
        text(&post("/v1/holds", json!({"customer": customer, "credits": credits})).await, "/id")
    };
    post("/v1/grants", json!({"customer": customer, "credits": "100", "kind": "promo"})).await;
    let mut named = usage(customer, 3);
    merge(&mut named, &json!({"job": JOB}));
    post("/v1/usage", named).await;
    let held = hold("20").await;
    let mut receipts = Vec::new();
    for credits in ["3", "4"] {
        let capture = json!({"credits": credits, "final": credits == "4"});
        receipts.push(text(&post(&format!("/v1/holds/{held}/capture"), capture).await, "/id"));
    }
    let back = hold("5").await;
    post(&format!("/v1/holds/{back}/void"), json!({})).await;
    hold("6").await;
    let event = json!({"specversion": "1.0", "id": "1", "source": "s", "subject": customer, "type": "none"});
    post("/api/v1/events", event).await;
    receipts
}

/// What pages and searches say, each under its name.
async fn told(browser: &mut Browser, app: &App, receipts: &[String]) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let all = ["/", "/activity?month=all", "/activity.csv?month=all", "/activity?month=all&kind=held"];
    let named = [format!("/activity?month=all&q={JOB}")];
    let steps = receipts.iter().map(|receipt| format!("/receipts/{receipt}"));
    for path in all.map(str::to_owned).into_iter().chain(named).chain(steps) {
        let shown = browser.get(&path).await;
        assert_eq!(shown.status, 200, "{path}");
        told.push((path, without_tokens(&shown.body)));
    }
    let by = Principal::system();
    let unpaid = unpaid::list(app, &by, &PageRequest::default()).await.expect("a list");
    assert_eq!(unpaid.data.len(), 1, "{unpaid:?}");
    told.push(("unpaid work".to_owned(), format!("{unpaid:?}")));
    let hits = search::search(app, &by, JOB).await.expect("hits");
    assert_eq!(hits.len(), 1, "{hits:?}");
    told.push(("a job".to_owned(), format!("{hits:?}")));
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn what_operators_look_for_comes_in_one_order_out_of_both_tables() {
    const QUOTED: &str = "render \"7\" \\ 100 % _ \u{e9}\u{1f3ac}";
    in_each_shop(async |shop| {
        let customers = ["ada", "bea"];
        for name in customers {
            shop.customer(name).await;
            let gift = json!({"customer": name, "credits": "100", "kind": "promo"});
            assert_eq!(shop.post("/v1/grants", &gift).await.status, 201);
        }
        let (mut jobs, mut events) = (Vec::new(), Vec::new());
        for n in 0..6 {
            shop.clock.advance_seconds(60);
            let name = customers[n % 2];
            let mut named = usage(name, 1);
            merge(&mut named, &json!({"job": QUOTED}));
            jobs.push(text(&shop.post("/v1/usage", &named).await.document(), "/id"));
            // Names that begin or end alike, and the same words elsewhere, are other jobs.
            for other in [format!("{QUOTED} "), QUOTED[1..].to_owned()] {
                let mut named = usage(name, 1);
                merge(&mut named, &json!({"job": other, "subject": QUOTED}));
                assert_eq!(shop.post("/v1/usage", &named).await.status, 201);
            }
            let event = json!({
                "specversion": "1.0", "id": n.to_string(), "source": "s", "subject": name, "type": "none",
                "data": {"job": QUOTED},
            });
            assert_eq!(shop.post("/api/v1/events", &event).await.status, 204);
            events.push(n.to_string());
        }
        jobs.reverse();
        events.reverse();
        let by = Principal::system();
        let store = shop.app.store();
        shop.app.engine().stop().await; // every projection is written, so that all may be sealed
        for keep in [u64::MAX, 12, 5, 0] {
            store::seal::seal(store, keep).await.expect("it seals");
            let hits = search::search(&shop.app, &by, QUOTED).await.expect("hits");
            let found: Vec<String> = hits
                .iter()
                .filter_map(|hit| hit.what.split("rct_").nth(1))
                .map(|id| format!("rct_{id}"))
                .collect();
            assert_eq!(found, jobs, "{}: {keep} kept", shop.name);

            let mut request = PageRequest { limit: Some(4), cursor: None };
            let mut seen = Vec::new();
            loop {
                let page = unpaid::list(&shop.app, &by, &request).await.expect("a page");
                seen.extend(page.data.into_iter().filter_map(|row| row.event).map(|event| event.id));
                request.cursor = page.next_cursor;
                if request.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, events, "{}: {keep} kept", shop.name);
        }
        assert_eq!(store::seal::hot_rows(store).await.expect("a count"), 0, "{}", shop.name);
    })
    .await;
}

/// A page without what is new in each answer.
fn without_tokens(page: &str) -> String {
    let mut text = page.to_owned();
    for name in ["form_token", "once"] {
        let start = format!("name=\"{name}\" value=\"");
        let mut parts = text.split(&start);
        let first = parts.next().unwrap_or_default().to_owned();
        let rest = parts.map(|part| part.split_once('"').map_or("", |(_, rest)| rest));
        text = rest.fold(first, |page, rest| page + rest);
    }
    text
}

#[tokio::test]
async fn commands_go_on_from_sealed_grants_holds_and_receipts() {
    on_each_database(async |first| {
        first.customer("c").await;
        let gift = text(&first.grant("c", "30", &json!({})).await, "/id");
        first.grant("c", "20", &json!({"priority": 90})).await;
        let hold = text(&first.hold("c", "10").await, "/id");
        let receipt = text(&first.use_credits("c", 5).await, "/id");
        let app = first.restarted().await;
        seal_all(&app).await;
        let capture = json!({"credits": "4"});
        app.post(&format!("/v1/holds/{hold}/capture"), &capture).await.success(200);
        app.post(&format!("/v1/receipts/{receipt}/reverse"), &json!({})).await.success(201);
        app.assert_wallet("c", ["46", "0", "0"]).await;
        app.post(&format!("/v1/grants/{gift}/void"), &json!({})).await.success(200);
        app.assert_wallet("c", ["20", "0", "0"]).await;
        app.post(&format!("/v1/receipts/{receipt}/reverse"), &json!({}))
            .await
            .problem(400, "already_reversed");
        app.app.engine().stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_customer_funded_between_two_tries_of_a_refused_hold_succeeds_sealed_or_not() {
    on_each_database(async |first| {
        first.funded("c", "5").await;
        let (key, body) = ("job-1", json!({"customer": "c", "credits": "9"}));
        first.post_with("/v1/holds", key, &body).await.problem(402, "insufficient_credits");
        let app = first.restarted().await;
        seal_all(&app).await;
        app.post_with("/v1/holds", key, &body).await.problem(402, "insufficient_credits");
        app.grant("c", "10", &json!({})).await;
        let held = app.post_with("/v1/holds", key, &body).await;
        held.success(201);
        assert!(!held.is_replayed(), "{held}");
        let app = app.restarted().await;
        seal_all(&app).await;
        let again = app.post_with("/v1/holds", key, &body).await;
        assert!(again.is_replayed() && again.body == held.body, "{again}");
        app.assert_wallet("c", ["6", "9", "0"]).await;
        app.app.engine().stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_answered_wherever_its_row_lies_by_a_lane_that_never_saw_it() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(3).await;
        let debit_of = async |engine: &Engine, key: &str, input: u8| {
            let request = Request { key: key_of(key, input), ..command(wallet, key, debit(1)) };
            engine.submit(request).await.map(|answer| (answer.entry.seq, answer.replayed))
        };
        let (sealed, _) = debit_of(&bench.engine, "sealed", 1).await.expect("a debit");
        bench.engine.stop().await; // every projection is written
        assert!(store::seal::seal(&bench.store, 0).await.expect("it seals") > 0);
        let engine = bench.another_engine(EngineConfig::default()).await;
        let (beside, _) = debit_of(&engine, "beside", 1).await.expect("a debit");
        engine.stop().await;

        for name in ["short-of-credits", "funded-again"] {
            // A process that used neither key, and has its lane.
            let engine = bench.another_engine(EngineConfig::default()).await;
            debit_of(&engine, name, 1).await.expect("a debit");
            let both = [("sealed", sealed), ("beside", beside)];
            for (key, seq) in both {
                let reused = debit_of(&engine, key, 2).await;
                assert!(matches!(reused, Err(EngineError::KeyReused)), "{}, {name}: {reused:?}", bench.name);
                let again = debit_of(&engine, key, 1).await.expect("the first answer");
                assert_eq!(again, (seq, true), "{}, {name}: {key}", bench.name);
            }
            let together = join_all(both.map(|(key, _)| debit_of(&engine, key, 1))).await;
            let together: Vec<_> = together.into_iter().map(|answer| answer.expect("an answer")).collect();
            assert_eq!(together, [(sealed, true), (beside, true)], "{}, {name}", bench.name);
            engine.submit(command(wallet, &format!("funds-of-{name}"), grant(2))).await.expect("a grant");
            engine.stop().await;
        }
        let spent = bench.balances(wallet).await;
        assert_eq!(spent.0, Credits::whole(3), "{}: four debits of seven credits", bench.name);
        bench.assert_verified().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_seal_at_once_while_two_others_write() {
    for bench in benches().await {
        let wallets = [bench.funded_wallet(5_000).await, bench.funded_wallet(5_000).await];
        let other = bench.another_engine(EngineConfig::default()).await;
        let before = spend(&bench, &wallets, "early", 300).await;
        let second = store::Store::connect(&bench.url).await.expect("it opens again");
        let sealing = async {
            for _ in 0..4 {
                let both = [store::seal::seal(&bench.store, 100), store::seal::seal(&second, 0)];
                let sealed = join_all(both).await;
                assert!(sealed.iter().all(Result::is_ok), "{}: {sealed:?}", bench.name);
            }
        };
        let replays = join_all((0..300).map(|n| {
            let request = command(wallets[n % 2], &format!("early-{n}"), debit(1));
            other.submit(request)
        }));
        let ((), during, replayed) = tokio::join!(sealing, spend(&bench, &wallets, "late", 600), replays);
        for (n, answer) in replayed.into_iter().enumerate() {
            let answer = answer.expect("an answer");
            assert!(answer.replayed, "{}: early-{n} was charged twice", bench.name);
            assert_eq!(answer.entry.seq, before[&format!("early-{n}")], "{}", bench.name);
        }
        assert_eq!((before.len(), during.len()), (300, 600));
        bench.engine.stop().await;
        other.stop().await;
        store::seal::seal(&bench.store, 0).await.expect("it seals");
        assert_eq!(store::seal::hot_rows(&bench.store).await.expect("a count"), 0, "{}", bench.name);
        let report = store::verify::verify(&bench.store).await.expect("verify reads on");
        assert!(report.is_ok(), "{}: {:?}", bench.name, report.described);
        assert_eq!(report.postings, 2 + 900, "{}", bench.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_keeps_the_hot_table_small() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(1_000).await;
        let config = AppConfig { hot_rows: 50, ..AppConfig::default() };
        let app = App::open(bench.store.clone(), bench.clock.clone(), bench.engine.clone(), config);
        work::schedules_round(&app).await.expect("schedules are made");
        for n in 0..60 {
            bench.clock.advance_seconds(1);
            bench.engine.submit(command(wallet, &format!("d{n}"), debit(1))).await.expect("a debit");
        }
        bench.engine.stop().await;
        let rows = store::seal::hot_rows(&bench.store).await.expect("a count");
        assert_eq!(rows, 61, "{}: one grant, 60 debits", bench.name);
        bench.clock.advance_seconds(60);
        work::schedules_round(&app).await.expect("what is due runs");
        let rows = store::seal::hot_rows(&bench.store).await.expect("a count");
        assert_eq!(rows, 25, "{}: half of hot_rows, those recorded last", bench.name);
        bench.assert_verified().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sealing_that_is_killed_anywhere_loses_nothing_and_is_finished_by_the_next_run() {
    let mut random = SplitMix64::announced("kills of scrip seal");
    for bench in benches().await {
        let wallets = [bench.funded_wallet(20_000).await, bench.funded_wallet(20_000).await];
        let mut keys = spend(&bench, &wallets, "first", 3_000).await;
        bench.engine.stop().await;
        let (mut kills, mut half_way) = (0, 0);
        let mut delay_ms = 30;
        loop {
            let mut sealing = start_sealing(&bench);
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            if let Some(status) = sealing.try_wait().expect("a child") {
                assert!(status.success(), "{}", bench.name);
                break;
            }
            sealing.kill().expect("it was running");
            sealing.wait().expect("it ends");
            kills += 1;
            let rows = store::seal::hot_rows(&bench.store).await.expect("a count");
            half_way += usize::from(rows > 0 && rows < 3_002);
            bench.assert_verified().await;
            // Soon long enough also where a start takes a second.
            delay_ms += delay_ms / 8 + random.below(30) as u64;
        }
        say(&format!("{}: {kills} kills of scrip seal, {half_way} with some rows sealed", bench.name));
        assert!(kills > 0, "{}", bench.name);
        assert_eq!(store::seal::hot_rows(&bench.store).await.expect("a count"), 0, "{}", bench.name);
        let engine = bench.another_engine(EngineConfig::default()).await;
        for (key, seq) in std::mem::take(&mut keys) {
            let wallet = wallets[usize::from(key.ends_with(['1', '3', '5', '7', '9']))];
            let answer = engine.submit(command(wallet, &key, debit(1))).await.expect("an answer");
            assert!(answer.replayed && answer.entry.seq == seq, "{}: {key}", bench.name);
        }
        engine.stop().await;
        bench.assert_verified().await;
    }
}

/// One credit a time, in turns from both wallets; the seq of each by its key.
async fn spend(
    bench: &Bench,
    wallets: &[kernel::WalletId; 2],
    name: &str,
    count: usize,
) -> BTreeMap<String, i64> {
    let calls = (0..count).map(|n| async move {
        let key = format!("{name}-{n}");
        let answer = bench.engine.submit(command(wallets[n % 2], &key, debit(1))).await.expect("a debit");
        (key, answer.entry.seq)
    });
    join_all(calls).await.into_iter().collect()
}

fn start_sealing(bench: &Bench) -> std::process::Child {
    let mut command = Command::new(EXECUTABLE);
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("SCRIP_")) {
        command.env_remove(name);
    }
    command
        .args(["seal", "--keep", "0"])
        .env("SCRIP_DATABASE_URL", &bench.url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the executable starts")
}

async fn seal_all(app: &TestApp) {
    let store = app.app.store();
    let rows = store::seal::hot_rows(store).await.expect("a count");
    assert_eq!(store::seal::seal(store, 0).await.expect("it seals"), rows, "{}", app.name);
    assert_eq!(store::seal::hot_rows(store).await.expect("a count"), 0, "{}", app.name);
}

/// All that a customer can be shown.
async fn shown(app: &TestApp) -> Vec<Value> {
    let mut shown =
        vec![app.wallet("c").await, app.wallet_as_of("c", 0).await, app.wallet_as_of("c", 30).await];
    let lines = app.postings("c").await;
    for line in &lines {
        if let Some(receipt) = line["receipt"].as_str() {
            shown.push(app.get(&format!("/v1/receipts/{receipt}")).await.success(200));
        }
    }
    shown.push(app.post("/v1/quotes", &usage("c", 1)).await.success(201)["credits"].clone());
    shown.extend(lines);
    shown
}
