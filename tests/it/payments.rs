//! Buying credits: a hosted page, verified events, credits once.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use app::payments::{self, NewRefund};
use app::{Keyed, Principal};
use gateways::stripe::TOLERANCE_SECONDS;
use kernel::{CheckoutId, IdempotencyKey};
use sandbox::{Knobs, sign};
use serde_json::{Value, json};
use tests::cluster::postgres;
use tests::databases::noon;
use tests::patience::Patience;
use tests::process::{Server, ServerOptions};
use tests::random::SplitMix64;
use tests::scratch::ScratchDir;
use tests::shop::{SUCCESS, Shop, WEBHOOK_SECRET, in_each_shop};
use tests::till::Till;
use tests::wire::{Reply, Wire};
use tokio::sync::Semaphore;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
const KILLS: usize = 6;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

const DECLINED: &str = "4000000000000002";
const INSUFFICIENT: &str = "4000000000009995";
const AUTHENTICATES: &str = "4000002760003184";
const DISPUTED: &str = "4000000000000259";
/// The reconciler's period.
const PERIOD_SECONDS: i64 = 61;
/// Longer than any lease of the queues.
const LEASE_SECONDS: i64 = 31;

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_credited_after_the_webhook_and_not_on_the_redirect() {
    in_each_shop(async |shop| {
        shop.customer("ada").await;
        let checkout = shop.checkout("ada").await;
        assert_eq!((&checkout["state"], &checkout["credits"]), (&json!("open"), &json!("500")));
        assert_eq!(checkout["amount"], json!({"amount": 4500, "currency": "usd"}));
        let to = shop.pay(&checkout, SUCCESS).await;
        assert!(to.starts_with("http://127.0.0.1:9/thanks"), "{to}");
        assert_eq!(
            shop.available("ada").await,
            "0",
            "{}: the browser is back, the webhook is not",
            shop.name
        );
        shop.settle().await;
        assert_eq!(shop.available("ada").await, "500", "{}", shop.name);
        let wallet = shop.get("/v1/customers/ada/wallet").await.document();
        assert_eq!(wallet["lots"][0]["kind"], "purchase");
        assert_eq!(wallet["lots"][0]["expires_at"], "2027-03-01T12:00:00Z");
        let paid = shop.get(&format!("/v1/checkouts/{}", checkout["id"].as_str().unwrap())).await.document();
        assert_eq!((&paid["state"], &paid["grant"]), (&json!("paid"), &wallet["lots"][0]["grant"]));
        // All three kinds of events of the one purchase came, and one of them had the effect.
        let events = shop.events().await;
        for kind in ["checkout.session.completed", "payment_intent.succeeded", "charge.succeeded"] {
            assert!(events.iter().any(|e| e["kind"] == kind && e["state"] == "done"), "{kind}: {events:?}");
        }
        let effects = events.iter().filter(|e| e["effect"].as_str().is_some_and(|s| s.contains("bought")));
        assert_eq!(effects.count(), 1, "{events:?}");
        let subjects =
            shop.sent.lock().unwrap().iter().map(|mail| mail.recipient.clone()).collect::<Vec<_>>();
        assert_eq!(subjects, ["c@example.com"], "{}: one receipt", shop.name);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declines_a_failed_authentication_and_turning_back_grant_nothing() {
    in_each_shop(async |shop| {
        shop.customer("bob").await;
        let first = shop.checkout("bob").await;
        for card in [DECLINED, INSUFFICIENT, "4000000000009987", "4000000000000127", "4000000000000119"] {
            shop.pay(&first, card).await;
        }
        let challenge = shop.pay(&first, AUTHENTICATES).await;
        assert!(challenge.ends_with("/authenticate"), "{challenge}");
        shop.authenticate(&challenge, "fail").await;
        shop.settle().await;
        assert_eq!(shop.available("bob").await, "0", "{}", shop.name);
        // Nobody pays in time.
        shop.wait_and_settle(25 * 3_600).await;
        let state = shop.get(&format!("/v1/checkouts/{}", first["id"].as_str().unwrap())).await.document();
        assert_eq!((&state["state"], shop.available("bob").await.as_str()), (&json!("expired"), "0"));
        // After a decline the same page takes another card, and authentication that succeeds pays.
        let second = shop.checkout("bob").await;
        shop.pay(&second, DECLINED).await;
        let challenge = shop.pay(&second, AUTHENTICATES).await;
        shop.authenticate(&challenge, "complete").await;
        shop.settle().await;
        assert_eq!(shop.available("bob").await, "500", "{}", shop.name);
    })
    .await;
}

/// Endpoints keep the version of the day on which they were made: payments without `latest_charge`, charges
/// that carry their refunds, other names of the page.
#[tokio::test(flavor = "multi_thread")]
async fn events_of_old_versions_of_the_api_credit_and_take_back_once() {
    in_each_shop(async |shop| {
        for (n, version) in ["2020-08-27", "2022-11-15", "2025-03-31.basil"].into_iter().enumerate() {
            let customer = format!("old-{n}");
            let api_version = Some(version.to_owned());
            shop.sandbox.set_knobs(Knobs { api_version, duplicate: 1, reorder: true, ..Knobs::default() });
            shop.customer(&customer).await;
            let checkout = shop.checkout(&customer).await;
            shop.pay(&checkout, DECLINED).await;
            shop.pay(&checkout, SUCCESS).await;
            shop.settle().await;
            assert_eq!(shop.available(&customer).await, "500", "{}: {version}", shop.name);
            let intents = shop.at_gateway("GET", "/v1/payment_intents?limit=1", "").await;
            let refund = format!("payment_intent={}", intents["data"][0]["id"].as_str().unwrap());
            shop.at_gateway("POST", "/v1/refunds", &refund).await;
            shop.settle().await;
            assert_eq!(shop.available(&customer).await, "0", "{}: {version}", shop.name);
            let events = shop.events().await;
            let of_version = events.iter().filter(|event| event["api_version"] == version);
            let states: Vec<_> = of_version.map(|event| (&event["kind"], &event["state"])).collect();
            assert!(states.len() >= 8, "{}: {version}: {states:?}", shop.name);
            assert!(states.iter().all(|(_, state)| **state != "failed"), "{states:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_five_times_shuffled_delayed_and_with_workers_killed_credits_once() {
    in_each_shop(async |shop| {
        let mut random = SplitMix64::announced("events in a storm");
        let knobs = Knobs { duplicate: 4, delay_seconds: 90, reorder: true, ..Knobs::default() };
        shop.sandbox.set_knobs(knobs);
        let customers: Vec<String> = (0..6).map(|n| format!("storm-{n}")).collect();
        for customer in &customers {
            shop.customer(customer).await;
            let checkout = shop.checkout(customer).await;
            shop.pay(&checkout, SUCCESS).await;
        }
        shop.clock.advance_seconds(91);
        let mut worker = shop.another_process().await;
        for _ in 0..12 {
            // A worker that is dropped in the middle of its work, as a kill would.
            let _ = tokio::join!(
                shop.sandbox.deliver_due(),
                tokio::time::timeout(
                    Duration::from_millis(u64::try_from(random.below(40)).unwrap()),
                    worker::drain(&worker, &shop.mails)
                ),
            );
            if random.below(3) == 0 {
                worker = shop.another_process().await;
            }
            shop.clock.advance_seconds(i64::try_from(random.below(40)).unwrap());
        }
        shop.wait_and_settle(LEASE_SECONDS).await;
        shop.wait_and_settle(LEASE_SECONDS).await;
        for customer in &customers {
            assert_eq!(shop.available(customer).await, "500", "{}: {customer}", shop.name);
        }
        let events = shop.events().await;
        assert!(events.iter().any(|e| e["deliveries"].as_u64() >= Some(5)), "{}: {events:?}", shop.name);
        assert!(events.iter().all(|e| e["state"] == "done" || e["state"] == "ignored"), "{events:?}");
        worker.engine().stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_do_one_thing_once() {
    in_each_shop(async |shop| {
        let (left, right) = (shop.another_process().await, shop.another_process().await);
        for round in 0..5 {
            let customer = format!("pair-{round}");
            shop.customer(&customer).await;
            let checkout = shop.checkout(&customer).await;
            shop.pay(&checkout, SUCCESS).await;
            shop.sandbox.deliver_due().await.unwrap();
            let both = tokio::join!(worker::drain(&left, &shop.mails), worker::drain(&right, &shop.mails));
            assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
            shop.wait_and_settle(LEASE_SECONDS).await;
            assert_eq!(shop.available(&customer).await, "500", "{}", shop.name);
        }
        for other in [left, right] {
            other.engine().stop().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_old_and_altered_events_are_refused_and_change_nothing() {
    in_each_shop(async |shop| {
        let body = r#"{"id":"evt_forged","type":"checkout.session.completed","created":1,"data":{"object":{"id":"cs_x"}}}"#;
        let ours = WEBHOOK_SECRET;
        let now = shop.app.now();
        let good = sign(body.as_bytes(), ours, now);
        let old = sign(body.as_bytes(), ours, now.plus_seconds(-TOLERANCE_SECONDS - 1));
        let early = sign(body.as_bytes(), ours, now.plus_seconds(TOLERANCE_SECONDS + 1));
        let other = sign(body.as_bytes(), "whsec_of_somebody_else", now);
        let altered = body.replace("cs_x", "cs_y");
        for (body, signature) in
            [(body, old.as_str()), (body, &early), (body, &other), (&altered, &good), (body, "t=1,v1=00"), (body, ""), (body, "nonsense")]
        {
            let answer = shop.webhook(body, signature).await;
            assert_eq!((answer.status, &answer.document()["code"]), (400, &json!("bad_signature")), "{signature}");
        }
        assert_eq!(shop.send("POST", "/webhooks/stripe", &[], body).await.status, 400);
        assert_eq!(shop.events().await, Vec::<Value>::new(), "{}", shop.name);
        let too_large = "x".repeat(1024 * 1024 + 1);
        assert_eq!(shop.webhook(&too_large, &good).await.status, 413);
        assert_eq!(shop.webhook(body, &good).await.status, 200);
        assert_eq!(shop.events().await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_never_comes_is_repaired_within_the_reconcilers_period() {
    in_each_shop(async |shop| {
        shop.sandbox.set_knobs(Knobs { drop: true, ..Knobs::default() });
        shop.customer("eve").await;
        shop.customer("carl").await;
        let (paid, declined) = (shop.checkout("eve").await, shop.checkout("carl").await);
        shop.pay(&paid, SUCCESS).await;
        shop.pay(&declined, DECLINED).await;
        shop.settle().await;
        assert_eq!((shop.available("eve").await.as_str(), shop.events().await.len()), ("0", 0));
        shop.wait_and_settle(PERIOD_SECONDS).await;
        assert_eq!(shop.available("eve").await, "500", "{}", shop.name);
        assert_eq!(shop.available("carl").await, "0");
        // The webhook that comes after all, and the reconciler again: nothing more.
        shop.wait_and_settle(PERIOD_SECONDS).await;
        assert_eq!(shop.available("eve").await, "500", "{}", shop.name);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_event_can_be_worked_off_again() {
    in_each_shop(async |shop| {
        let body =
            r#"{"id":"evt_early","type":"checkout.session.completed","data":{"object":{"id":"cs_unknown"}}}"#;
        shop.webhook(body, &sign(body.as_bytes(), WEBHOOK_SECRET, shop.app.now())).await;
        shop.settle().await;
        let failed = shop.get("/v1/gateway-events?state=failed").await.document();
        assert_eq!(failed["data"][0]["id"], "evt_early", "{failed}");
        let again = shop.post("/v1/gateway-events/evt_early/replay", &json!({})).await;
        assert_eq!((again.status, &again.document()["state"]), (200, &json!("waiting")));
        shop.settle().await;
        assert_eq!(shop.events().await[0]["attempts"], 1);
        assert_eq!(shop.post("/v1/gateway-events/evt_none/replay", &json!({})).await.status, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_is_opened_once_per_key_and_says_what_is_wrong() {
    in_each_shop(async |shop| {
        shop.customer("kim").await;
        let order = shop.order("kim");
        let first = shop.post_with("/v1/checkouts", "k-1", &order).await;
        let again = shop.post_with("/v1/checkouts", "k-1", &order).await;
        assert_eq!((first.status, again.status), (201, 201), "{first:?}");
        assert_eq!(first.body, again.body);
        assert_eq!(again.header("idempotent-replayed").as_deref(), Some("true"));
        shop.pay(&first.document(), SUCCESS).await;
        shop.settle().await;
        let later = shop.post_with("/v1/checkouts", "k-1", &order).await;
        assert_eq!(first.body, later.body, "the first answer, byte for byte, also after the payment");
        let both = tokio::join!(
            shop.post_with("/v1/checkouts", "k-2", &order),
            shop.post_with("/v1/checkouts", "k-2", &order),
        );
        assert_eq!(both.0.body, both.1.body, "{}", shop.name);
        let with = |more: Value| {
            let mut order = order.clone();
            tests::test_app::merge(&mut order, &more);
            order
        };
        let other = shop.post_with("/v1/checkouts", "k-1", &with(json!({"quantity": 2}))).await;
        assert_eq!((other.status, &other.document()["code"]), (422, &json!("idempotency_key_reused")));
        for (wrong, field) in [
            (with(json!({"success_url": "javascript:alert(1)"})), "success_url"),
            (with(json!({"cancel_url": "/prices"})), "cancel_url"),
            (with(json!({"pack": "pack_7"})), "pack"),
            (with(json!({"quantity": 0})), "quantity"),
            (with(json!({"customer": "nobody"})), "customer"),
            (with(json!({"credits": "20000"})), ""),
        ] {
            let answer = shop.post("/v1/checkouts", &wrong).await;
            assert_eq!(
                (answer.status, &answer.document()["errors"][0]["field"]),
                (400, &json!(field)),
                "{wrong}"
            );
        }
        let bearer = format!("Bearer {}", shop.key);
        let head = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let keyless = shop.send("POST", "/v1/checkouts", &head, &order.to_string()).await;
        assert_eq!((keyless.status, &keyless.document()["code"]), (400, &json!("idempotency_key_required")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_amount_has_the_volume_price() {
    in_each_shop(async |shop| {
        shop.customer("big").await;
        let mut order = shop.order("big");
        order.as_object_mut().unwrap().remove("pack");
        order["credits"] = json!("9999");
        assert_eq!(shop.post("/v1/checkouts", &order).await.document()["errors"][0]["field"], "credits");
        order["credits"] = json!("12000.5");
        let checkout = shop.post("/v1/checkouts", &order).await.document();
        assert_eq!(checkout["amount"], json!({"amount": 72_003, "currency": "usd"}));
        shop.pay(&checkout, SUCCESS).await;
        shop.settle().await;
        assert_eq!(shop.available("big").await, "12000.5", "{}", shop.name);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_refunds_take_back_their_share_and_what_is_spent_becomes_debt() {
    in_each_shop(async |shop| {
        shop.customer("rita").await;
        let checkout = shop.checkout("rita").await;
        shop.pay(&checkout, SUCCESS).await;
        shop.settle().await;
        refund(shop, &checkout, Some(900), "r-1").await.unwrap();
        shop.settle().await;
        assert_eq!(shop.balances("rita").await, ["400", "0", "0"], "{}", shop.name);
        let spend = json!({"customer": "rita", "feature": "text.generate", "model": "gpt-4", "quantities": {"input_tokens": 60_000}});
        assert_eq!(shop.post("/v1/usage", &spend).await.status, 201);
        refund(shop, &checkout, None, "r-2").await.unwrap();
        refund(shop, &checkout, None, "r-2").await.unwrap();
        shop.settle().await;
        assert_eq!(shop.balances("rita").await, ["0", "0", "300"], "{}", shop.name);
        assert!(refund(shop, &checkout, None, "r-3").await.is_err(), "all of it was given back");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disputed_payment_takes_its_credits_back() {
    in_each_shop(async |shop| {
        shop.customer("dora").await;
        let checkout = shop.checkout("dora").await;
        shop.pay(&checkout, DISPUTED).await;
        shop.settle().await;
        shop.wait_and_settle(5).await;
        assert_eq!(shop.balances("dora").await, ["0", "0", "0"], "{}", shop.name);
        let postings = shop.get("/v1/customers/dora/postings").await.document();
        let kinds: Vec<&str> =
            postings["data"].as_array().unwrap().iter().filter_map(|p| p["kind"].as_str()).collect();
        assert_eq!(kinds, ["clawback", "grant"], "{}", shop.name);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_time_owes_to_an_idle_wallet_is_posted_by_the_worker_once() {
    in_each_shop(async |shop| {
        shop.customer("idle").await;
        let until = noon().plus_seconds(3_600).to_string();
        let grant = json!({"customer": "idle", "credits": "10", "kind": "promo", "expires_at": until});
        assert_eq!(shop.post("/v1/grants", &grant).await.status, 201);
        assert_eq!(shop.post("/v1/holds", &json!({"customer": "idle", "credits": "4"})).await.status, 201);
        shop.settle().await;
        shop.clock.advance_seconds(3_600);
        for _ in 0..3 {
            shop.wait_and_settle(PERIOD_SECONDS).await;
        }
        let postings = shop.get("/v1/customers/idle/postings").await.document();
        let kinds: Vec<(&str, bool)> = postings["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| (p["kind"].as_str().unwrap(), p["is_posted"] == true))
            .collect();
        assert_eq!(
            kinds,
            [("expire", true), ("lapse", true), ("hold", true), ("grant", true)],
            "{}",
            shop.name
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_missed_many_times_runs_once() {
    in_each_shop(async |shop| {
        shop.settle().await;
        let runs = async || {
            let rows = app::queues::schedules(&shop.app, &Principal::system()).await.unwrap();
            rows.iter().find(|row| row.name == "reconcile").map(|row| (row.runs, row.has_failed)).unwrap()
        };
        assert_eq!(runs().await, (0, None));
        shop.wait_and_settle(10 * 3_600).await;
        assert_eq!(runs().await, (1, Some(false)), "{}", shop.name);
        shop.wait_and_settle(60).await;
        assert_eq!(runs().await, (2, Some(false)), "{}", shop.name);
    })
    .await;
}

async fn refund(
    shop: &Shop,
    checkout: &Value,
    amount_minor: Option<i64>,
    key: &str,
) -> Result<(), app::AppError> {
    let id: CheckoutId = checkout["id"].as_str().unwrap().parse().unwrap();
    let new = NewRefund { checkout: id, amount_minor, reason: "asked for".to_owned() };
    let keyed = Keyed { key: IdempotencyKey::new(key).unwrap(), hash: [1; 32] };
    payments::refund(&shop.app, &Principal::system(), new, &keyed).await.map(|_| ())
}

/// rules.md, "Idempotency": 409 after 10 s while the first call waits for the gateway, then its answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_flight_at_the_gateway_is_told_so_and_answered_later() {
    in_each_shop(async |shop| {
        shop.customer("sam").await;
        let (permits, asked) = (Arc::new(Semaphore::new(0)), Arc::<Mutex<Vec<String>>>::default());
        let till = Till { permits: Some(Arc::clone(&permits)), asked: Arc::clone(&asked) };
        let app = shop.process_with(payments::PaymentGateway::new(till)).await;
        let open = async || {
            let new = payments::NewCheckout {
                customer: "sam".into(),
                buying: payments::Buying::Pack { id: "pack_500".to_owned(), quantity: 1 },
                success_url: "https://a.example/".to_owned(),
                cancel_url: "https://a.example/".to_owned(),
            };
            let keyed = Keyed { key: IdempotencyKey::new("once").unwrap(), hash: [2; 32] };
            payments::create(&app, &Principal::system(), new, &keyed).await
        };
        let begin = Instant::now();
        let (first, second) = tokio::join!(open(), open());
        assert!(matches!(first, Err(app::AppError::InProgress { .. })), "{first:?}");
        assert!(matches!(second, Err(app::AppError::InProgress { .. })), "{second:?}");
        assert!(begin.elapsed() >= Duration::from_secs(10), "{}: it is waited for", shop.name);
        permits.add_permits(1);
        let later = open().await.unwrap();
        assert_eq!(later.value.url.as_deref(), Some("https://pay.example/1"), "{}", shop.name);
        assert_eq!(
            *asked.lock().unwrap(),
            [later.value.id.to_string()],
            "asked once, under the checkout's id"
        );
        app.engine().stop().await;
    })
    .await;
}

/// The whole product as processes: it is killed while events are on their way, again and again.
#[test]
fn a_killed_server_credits_every_purchase_once() {
    let folder = ScratchDir::new("kill-payments");
    check_kills("sqlite", ServerOptions::serve(EXECUTABLE, folder.path()));
    let Some(cluster) = postgres() else { return };
    let folder = ScratchDir::new("kill-payments-postgres");
    let options = ServerOptions::serve(EXECUTABLE, folder.path());
    check_kills("postgres", options.env("SCRIP_DATABASE_URL", cluster.fresh_database()));
}

/// rules.md, "Defaults": play money is never taken for real by accident.
#[test]
fn a_server_without_a_gateway_refuses_to_start_unless_it_is_the_embedded_one() {
    let folder = ScratchDir::new("no-gateway");
    let mut options = ServerOptions::serve(EXECUTABLE, folder.path());
    options.arguments = vec!["serve".to_owned(), "--listen".to_owned(), "0.0.0.0:0".to_owned()];
    assert_refused(&options, "no payment gateway");
    if let Some(cluster) = postgres() {
        let mut options = options.clone().env("SCRIP_DATABASE_URL", cluster.fresh_database());
        options.arguments.truncate(1);
        assert_refused(&options, "SCRIP_STRIPE_SECRET_KEY");
    }
    options.arguments = vec!["serve".to_owned(), "--sandbox".to_owned()];
    assert_refused(&options.clone().env("SCRIP_STRIPE_SECRET_KEY", "sk_live_x"), "no live key");
    assert_refused(&options.env("SCRIP_STRIPE_API_BASE", "http://127.0.0.1:1/x"), "must end in");
}

/// rules.md, "Defaults": test cards buy credits, and the banner prints sign-ins; neither is for a network.
#[test]
fn the_sandbox_and_the_demo_are_refused_on_an_address_that_others_reach() {
    let folder = ScratchDir::new("open-address");
    let mut options = ServerOptions::serve(EXECUTABLE, folder.path());
    options.arguments = vec!["serve".to_owned(), "--listen".to_owned(), "0.0.0.0:0".to_owned()];
    for (flags, why) in [
        (&["--sandbox"][..], "test cards"),
        (&["--demo"], "--demo makes users"),
        (&["--sandbox", "--demo"], "open to the network"),
    ] {
        let mut options = options.clone();
        options.arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        assert_refused(&options, why);
        // A gateway of the operator's does not make the demo's sign-ins safe.
        assert_refused(&options.clone().env("SCRIP_STRIPE_SECRET_KEY", "sk_test_x"), why);
        options.arguments = ["serve"].iter().chain(flags).map(|text| (*text).to_owned()).collect();
        assert_refused(&options.env("SCRIP_CONSOLE_LISTEN", "0.0.0.0:0"), "the console is open");
        assert!(!folder.path().join("scrip-data").exists(), "nothing was made: {flags:?}");
    }
}

fn assert_refused(options: &ServerOptions, why: &str) {
    let mut server = Server::spawn(options);
    let mut patience = Patience::of(Duration::from_secs(30));
    while server.ended().is_none() {
        assert!(patience.wait(LOOK_AGAIN_AFTER), "it started:\n{}", server.output());
    }
    assert!(!server.ended().unwrap().success(), "{}", server.output());
    // The thread that reads along may be a moment behind.
    while !server.output().contains(why) {
        assert!(patience.wait(LOOK_AGAIN_AFTER), "{}", server.output());
    }
}

/// As a careful client does: without an answer, and while the gateway has none yet, it asks again under its key.
fn until_decided(wire: &mut Wire, path: &str, key: &str, body: &Value) -> Reply {
    let mut patience = Patience::of(Duration::from_secs(60));
    loop {
        match wire.post(path, key, &body.to_string()) {
            Ok(reply) if ![409, 503].contains(&reply.status) => return reply,
            told => assert!(patience.wait(Duration::from_millis(200)), "{path}: {told:?}"),
        }
    }
}

fn check_kills(name: &str, options: ServerOptions) {
    let mut random = SplitMix64::announced("kills while events are on their way");
    let mut server = Server::start(&options);
    let key = server.api_key().expect("the demo prints its key");
    let mut wire = Wire::new(options.port, &key);
    let mut customers = Vec::new();
    for round in 0..KILLS {
        let customer = format!("killed-{round}");
        let new =
            json!({"external_id": customer, "kind": "individual", "name": "C", "email": "c@example.com"});
        let made = until_decided(&mut wire, "/v1/customers", &format!("c-{round}"), &new);
        assert!(made.is_success(), "{name}: {}", made.body);
        let order = json!({"customer": customer, "pack": "pack_500", "success_url": "http://127.0.0.1:9/a", "cancel_url": "http://127.0.0.1:9/b"});
        let checkout = until_decided(&mut wire, "/v1/checkouts", &format!("k-{round}"), &order);
        assert_eq!(checkout.status, 201, "{name}: {}", checkout.body);
        let page = tests::shop::path_of(&checkout.text("url"));
        assert_eq!(wire.form(&page, "number=4242424242424242&expiry=12%2F34&cvc=123").unwrap().status, 303);
        customers.push(customer);
        std::thread::sleep(Duration::from_millis(u64::try_from(random.below(120)).unwrap()));
        server.kill9();
        server = Server::start(&options);
        wire = Wire::new(options.port, &key);
    }
    let mut patience = Patience::of(Duration::from_secs(150));
    let available = |wire: &mut Wire, customer: &str| {
        wire.get(&format!("/v1/customers/{customer}/wallet")).unwrap().text("available")
    };
    while customers.iter().any(|customer| available(&mut wire, customer) != "500") {
        // A lease of a killed worker has to end first; a lost delivery is the reconciler's.
        assert!(patience.wait(Duration::from_millis(200)), "{name}: {}", server.output());
    }
    // Whatever is still on its way adds nothing.
    std::thread::sleep(Duration::from_secs(3));
    for customer in &customers {
        assert_eq!(available(&mut wire, customer), "500", "{name}: {customer}");
    }
    let stopped = server.stop();
    assert!(stopped.success(), "{name}: {stopped}");
    assert!(options.run("verify").status.success(), "{name}");
}
