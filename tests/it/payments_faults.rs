//! What one bad object, a wrong key or slow work must not do to everything else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use app::payments::{self, Buying, PaymentGateway};
use app::{App, AppError, Keyed, Principal, queues, work};
use billing::{Checkout, CheckoutRef, CheckoutState, NewCheckout, NewRefund, Payment, PaymentRef, Refund};
use gateways::stripe::Stripe;
use gateways::{Answer, EventError, Gateway, GatewayError, GatewayEvent, Unreadable};
use kernel::{IdempotencyKey, Timestamp};
use sandbox::Knobs;
use serde_json::{Value, json};
use store::ConnectionTrait;
use tests::shop::{SUCCESS, Shop, in_each_shop, operator};
use tokio::sync::Semaphore;

const HOUR_SECONDS: i64 = 3_600;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;

/// The sandbox, with one thing wrong.
struct Faulty {
    stripe: Stripe,
    fault: Fault,
}

#[derive(Clone)]
enum Fault {
    /// This checkout cannot be read.
    Unread(String),
    /// This checkout is not understood where it stands in a list.
    Unlisted(String),
    /// While it is set, the key is not accepted.
    Denied(Arc<AtomicBool>),
    /// While it is set, what is paid is a bank debit on its way.
    OnItsWay(Arc<AtomicBool>),
    /// No list of returns is answered; the instants that were asked about.
    Deaf(Arc<Mutex<Vec<Timestamp>>>),
    /// While it is set, money is given back and the answer gets lost.
    Unanswered(Arc<AtomicBool>),
    /// The list of returns is answered once for each permit.
    Slow(Arc<Semaphore>),
}

fn not_understood() -> GatewayError {
    GatewayError::Unexpected { reason: "currency zzz".to_owned() }
}

fn on_its_way(checkout: Checkout) -> Checkout {
    match checkout.state {
        CheckoutState::Paid => Checkout { state: CheckoutState::Processing, payment: None, ..checkout },
        _ => checkout,
    }
}

impl Gateway for Faulty {
    fn name(&self) -> &'static str {
        self.stripe.name()
    }

    fn create_checkout<'a>(&'a self, key: &'a IdempotencyKey, new: &'a NewCheckout) -> Answer<'a, Checkout> {
        match &self.fault {
            Fault::Denied(is_denied) if is_denied.load(Ordering::SeqCst) => Box::pin(async {
                Err(GatewayError::Denied { status: 401, reason: "Invalid API Key provided".to_owned() })
            }),
            _ => self.stripe.create_checkout(key, new),
        }
    }

    fn checkout<'a>(&'a self, id: &'a CheckoutRef) -> Answer<'a, Checkout> {
        match &self.fault {
            Fault::Unread(sick) if *sick == id.0 => Box::pin(async { Err(not_understood()) }),
            Fault::OnItsWay(is_on_its_way) if is_on_its_way.load(Ordering::SeqCst) => {
                Box::pin(async { self.stripe.checkout(id).await.map(on_its_way) })
            }
            _ => self.stripe.checkout(id),
        }
    }

    fn recent_checkouts(&self, since: Timestamp) -> Answer<'_, Vec<Result<Checkout, Unreadable>>> {
        let Fault::Unlisted(sick) = &self.fault else { return self.stripe.recent_checkouts(since) };
        Box::pin(async move {
            let spoil = |listed: Result<Checkout, Unreadable>| match listed {
                Ok(Checkout { id, reference, .. }) if id.0 == *sick => {
                    Err(Unreadable { id: id.0, reference, error: Box::new(not_understood()) })
                }
                listed => listed,
            };
            Ok(self.stripe.recent_checkouts(since).await?.into_iter().map(spoil).collect())
        })
    }

    fn recent_returns(&self, since: Timestamp) -> Answer<'_, Vec<GatewayEvent>> {
        Box::pin(async move {
            match &self.fault {
                Fault::Slow(permits) => permits.acquire().await.expect("it stays open").forget(),
                Fault::Deaf(asked) => {
                    asked.lock().expect("no panic").push(since);
                    return Err(GatewayError::Unavailable { attempts: 1, reason: "no answer".to_owned() });
                }
                _ => {}
            }
            self.stripe.recent_returns(since).await
        })
    }

    fn payment<'a>(&'a self, id: &'a PaymentRef) -> Answer<'a, Payment> {
        self.stripe.payment(id)
    }

    fn refund<'a>(&'a self, key: &'a IdempotencyKey, new: &'a NewRefund) -> Answer<'a, Refund> {
        Box::pin(async move {
            let refund = self.stripe.refund(key, new).await;
            match &self.fault {
                Fault::Unanswered(is_lost) if is_lost.load(Ordering::SeqCst) => {
                    Err(GatewayError::Unavailable { attempts: 1, reason: "no answer".to_owned() })
                }
                _ => refund,
            }
        })
    }

    fn verify_event(
        &self,
        payload: &[u8],
        signature: &str,
        now: Timestamp,
    ) -> Result<GatewayEvent, EventError> {
        self.stripe.verify_event(payload, signature, now)
    }

    fn stored_event(&self, body: &[u8]) -> GatewayEvent {
        self.stripe.stored_event(body)
    }
}

async fn process(shop: &Shop, fault: Fault) -> App {
    shop.process_with(PaymentGateway::new(Faulty { stripe: shop.stripe(), fault })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_an_older_version_did_not_understand_takes_effect_once_when_replayed() {
    in_each_shop(async |shop| {
        shop.customer("ada").await;
        let checkout = shop.checkout("ada").await;
        shop.pay(&checkout, SUCCESS).await;
        while shop.sandbox.deliver_due().await.unwrap() > 0 {}
        let old =
            "UPDATE inbox SET subject = NULL, state = 'ignored', effect = 'moves no credits', done_at = 1";
        shop.app.store().writer().execute_unprepared(old).await.unwrap();
        shop.settle().await;
        assert_eq!(shop.available("ada").await, "0", "{}: nothing was understood", shop.name);
        for round in 0..2 {
            for event in shop.events().await {
                let path = format!("/v1/gateway-events/{}/replay", event["id"].as_str().unwrap());
                assert_eq!(shop.post(&path, &json!({})).await.status, 200);
            }
            shop.settle().await;
            assert_eq!(shop.available("ada").await, "500", "{}: round {round}", shop.name);
        }
        let events = shop.events().await;
        let paid = events.iter().find(|e| e["kind"] == "checkout.session.completed").unwrap();
        assert_eq!(
            (&paid["state"], &paid["subject"]),
            (&json!("done"), &json!(gateway_id(shop, &checkout).await))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_cannot_be_compared_holds_up_none_behind_it() {
    in_each_shop(async |shop| {
        shop.sandbox.set_knobs(Knobs { drop: true, ..Knobs::default() });
        for fault in [Fault::Unread, Fault::Unlisted] {
            let mut bought = Vec::new();
            for n in 0..3 {
                let customer = kernel::new_uuid().to_string();
                shop.customer(&customer).await;
                let checkout = shop.checkout(&customer).await;
                shop.pay(&checkout, SUCCESS).await;
                // One list has them by their instant.
                shop.clock.advance_seconds(n);
                bought.push((customer, gateway_id(shop, &checkout).await));
            }
            let sick = bought[1].1.clone();
            let app = process(shop, fault(sick.clone())).await;
            work::schedules_round(&app).await.unwrap();
            shop.clock.advance_seconds(61);
            worker::drain(&app, &shop.mails).await.unwrap();
            for (n, expected) in [(0, "500"), (1, "0"), (2, "500")] {
                assert_eq!(shop.available(&bought[n].0).await, expected, "{}: {n}", shop.name);
            }
            let said = schedule(&app, "reconcile").await;
            let result = said.last_result.unwrap();
            assert!(
                said.has_failed == Some(true) && result.contains(&sick) && result.contains("currency zzz"),
                "{result}"
            );
            // The list is whole again.
            shop.wait_and_settle(61).await;
            assert_eq!(shop.available(&bought[1].0).await, "500", "{}", shop.name);
            assert_eq!(schedule(&app, "reconcile").await.has_failed, Some(false));
            app.engine().stop().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_the_operators_matter_and_the_purchase_goes_on_when_it_is_mended() {
    in_each_shop(async |shop| {
        shop.customer("ada").await;
        let is_denied = Arc::new(AtomicBool::new(true));
        let app = process(shop, Fault::Denied(Arc::clone(&is_denied))).await;
        let open = async |key: &str| {
            let new = payments::NewCheckout {
                customer: "ada".into(),
                buying: Buying::Pack { id: "pack_500".to_owned(), quantity: 1 },
                success_url: "https://a.example/".to_owned(),
                cancel_url: "https://a.example/".to_owned(),
            };
            let key = IdempotencyKey::new(key).unwrap();
            payments::create(&app, &Principal::system(), new, &Keyed { key, hash: [2; 32] }).await
        };
        for key in ["this-version", "older-version"] {
            is_denied.store(true, Ordering::SeqCst);
            for _ in 0..2 {
                let refused = open(key).await.unwrap_err();
                assert!(matches!(refused, AppError::NotPayable { .. }), "{refused:?}");
                let said = refused.to_string();
                assert!(said.contains("not available right now") && !said.contains("Key"), "{said}");
            }
            let state = Some("waiting");
            let waiting = queues::work(&app, &Principal::system(), state, &Default::default()).await.unwrap();
            let [job] = waiting.data.as_slice() else { panic!("{:?}", waiting.data) };
            assert_eq!(job.progress.attempts, 1);
            assert!(job.progress.error.as_deref().unwrap().contains("Invalid API Key provided"), "{job:?}");
            if key == "older-version" {
                let written: Value = serde_json::from_str(&job.payload).unwrap();
                let id_alone =
                    format!("UPDATE outbox SET payload = '{}' WHERE state = 'waiting'", written["checkout"]);
                shop.app.store().writer().execute_unprepared(&id_alone).await.unwrap();
            }
            is_denied.store(false, Ordering::SeqCst);
            shop.clock.advance_seconds(600);
            let opened = open(key).await.unwrap().value;
            assert!(opened.url.is_some() && opened.error.is_none(), "{}: {key}: {opened:?}", shop.name);
        }
        app.engine().stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_takes_long_holds_up_no_other_schedule() {
    in_each_shop(async |shop| {
        let permits = Arc::new(Semaphore::new(0));
        let app = process(shop, Fault::Slow(Arc::clone(&permits))).await;
        work::schedules_round(&app).await.unwrap();
        shop.clock.advance_seconds(24 * 3_600);
        let names = work::SCHEDULES.map(|schedule| schedule.name);
        let (slow, last) = (["reconcile", "reconcile_long"], "catch_up");
        let others: Vec<_> = names.into_iter().filter(|n| !slow.contains(n) && *n != last).collect();
        let looking = async {
            for name in &others {
                while schedule(&app, name).await.runs == 0 {
                    tokio::task::yield_now().await;
                }
            }
            for name in slow.into_iter().chain([last]) {
                assert_eq!(schedule(&app, name).await.runs, 0, "{}: {name}", shop.name);
            }
            assert_eq!(
                work::schedule_round(&app, work::SCHEDULES[names.len() - 1]).await.unwrap(),
                0,
                "it comes last"
            );
            permits.add_permits(2);
        };
        let (ran, ()) = tokio::join!(work::schedules_round(&app), looking);
        assert_eq!(ran.unwrap(), names.len(), "{}", shop.name);
        app.engine().stop().await;
    })
    .await;
}

/// Its events are lost, and the last hourly run that succeeded was before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_paid_before_five_days_without_a_worker_is_credited_once_when_it_runs_again() {
    in_each_shop(async |shop| {
        shop.customer("ada").await;
        shop.settle().await;
        shop.wait_and_settle(HOUR_SECONDS).await;
        assert_eq!(schedule(&shop.app, "reconcile_long").await.has_failed, Some(false));
        shop.sandbox.set_knobs(Knobs { drop: true, ..Knobs::default() });
        let checkout = shop.checkout("ada").await;
        shop.pay(&checkout, SUCCESS).await;
        assert_eq!(shop.available("ada").await, "0");
        shop.wait_and_settle(5 * DAY_SECONDS).await;
        assert_eq!(shop.available("ada").await, "500", "{}", shop.name);
        shop.wait_and_settle(HOUR_SECONDS).await;
        assert_eq!(shop.available("ada").await, "500", "{}: once", shop.name);
        assert!(shop.events().await.iter().all(|event| event["kind"] != "checkout.session.completed"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_look_back_that_fails_every_hour_reaches_to_its_last_success_and_no_further() {
    in_each_shop(async |shop| {
        shop.settle().await;
        shop.wait_and_settle(HOUR_SECONDS).await;
        let success = schedule(&shop.app, "reconcile_long").await.last_run_at.unwrap();
        let asked = Arc::<Mutex<Vec<Timestamp>>>::default();
        let app = process(shop, Fault::Deaf(Arc::clone(&asked))).await;
        for round in 2..4 {
            shop.clock.advance_seconds(HOUR_SECONDS);
            work::schedules_round(&app).await.unwrap();
            let row = schedule(&app, "reconcile_long").await;
            assert_eq!((row.has_failed, row.runs), (Some(true), round), "{}", shop.name);
        }
        let furthest = *asked.lock().unwrap().iter().min().unwrap();
        let (days_3, days_4) =
            (success.plus_seconds(-3 * DAY_SECONDS), success.plus_seconds(-4 * DAY_SECONDS));
        assert!(days_4 < furthest && furthest <= days_3, "{}: {furthest} after {success}", shop.name);
        app.engine().stop().await;
    })
    .await;
}

/// The worker runs every hour all the while, so nothing but the purchase itself is old.
#[tokio::test(flavor = "multi_thread")]
async fn a_bank_debit_that_settles_on_the_fifth_day_without_a_word_is_credited_once() {
    in_each_shop(async |shop| {
        shop.sandbox.set_knobs(Knobs { drop: true, ..Knobs::default() });
        let is_on_its_way = Arc::new(AtomicBool::new(true));
        let app = process(shop, Fault::OnItsWay(Arc::clone(&is_on_its_way))).await;
        worker::drain(&app, &shop.mails).await.unwrap();
        shop.customer("ada").await;
        let checkout = shop.checkout("ada").await;
        shop.pay(&checkout, SUCCESS).await;
        let pass = async |seconds: i64| {
            shop.clock.advance_seconds(seconds);
            worker::drain(&app, &shop.mails).await.unwrap();
        };
        let path = format!("/v1/checkouts/{}", checkout["id"].as_str().unwrap());
        for _ in 0..10 {
            pass(DAY_SECONDS / 2).await;
            assert_eq!(shop.get(&path).await.document()["state"], "processing", "{}", shop.name);
        }
        is_on_its_way.store(false, Ordering::SeqCst);
        for round in 0..2 {
            pass(HOUR_SECONDS).await;
            assert_eq!(shop.available("ada").await, "500", "{}: round {round}", shop.name);
        }
        assert_eq!(schedule(&app, "reconcile_long").await.has_failed, Some(false));
        app.engine().stop().await;
    })
    .await;
}

/// The gateway gave the money back, its answer was lost, and nobody asked again for longer than it keeps keys.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_is_asked_for_again_after_its_key_was_forgotten_is_one_refund() {
    in_each_shop(async |shop| {
        shop.customer("ada").await;
        let checkout = shop.checkout("ada").await;
        shop.pay(&checkout, SUCCESS).await;
        shop.settle().await;
        shop.sandbox.set_knobs(Knobs { drop: true, ..Knobs::default() });
        let is_lost = Arc::new(AtomicBool::new(true));
        let app = process(shop, Fault::Unanswered(Arc::clone(&is_lost))).await;
        let new = payments::NewRefund {
            checkout: checkout["id"].as_str().unwrap().parse().unwrap(),
            amount_minor: Some(900),
            reason: "asked for".to_owned(),
        };
        let keyed = Keyed { key: IdempotencyKey::new("refund").unwrap(), hash: [3; 32] };
        payments::refund(&app, &Principal::system(), new, &keyed).await.unwrap();
        work::outbox_round(&app).await.unwrap();
        let row = refund_row(&app).await;
        assert_eq!((row.progress.state.as_str(), row.progress.attempts), ("waiting", 1), "{}", shop.name);
        assert_eq!(given_back(shop).await, [900]);

        shop.clock.advance_seconds(25 * HOUR_SECONDS);
        is_lost.store(false, Ordering::SeqCst);
        work::outbox_round(&app).await.unwrap();
        let row = refund_row(&app).await;
        assert_eq!((row.progress.state.as_str(), row.progress.attempts), ("done", 2), "{}", shop.name);
        assert_eq!(given_back(shop).await, [900], "{}: once", shop.name);
        shop.settle().await;
        assert_eq!(shop.available("ada").await, "400", "{}", shop.name);
        app.engine().stop().await;
    })
    .await;
}

/// An older version asked without the reference that this one adds, the gateway did it, and the answer was lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_was_in_flight_when_the_version_changed_is_done_once() {
    in_each_shop(async |shop| {
        shop.customer("ada").await;
        let checkout = shop.checkout("ada").await;
        shop.pay(&checkout, SUCCESS).await;
        shop.settle().await;
        let id = checkout["id"].as_str().unwrap().to_owned();
        let new = payments::NewRefund {
            checkout: id.parse().unwrap(),
            amount_minor: Some(900),
            reason: "asked for".to_owned(),
        };
        let keyed = Keyed { key: IdempotencyKey::new("refund").unwrap(), hash: [3; 32] };
        let asked = payments::refund(&shop.app, &Principal::system(), new, &keyed).await.unwrap().value;
        let key = refund_row(&shop.app).await.id.to_string();
        let form = format!("amount=900&metadata[checkout]={id}&payment_intent={}", asked.payment);
        shop.at_gateway_under(Some(&key), "POST", "/v1/refunds", &form).await;
        assert_eq!(given_back(shop).await, [900]);

        work::outbox_round(&shop.app).await.unwrap();
        let row = refund_row(&shop.app).await;
        assert_eq!(row.progress.state, "done", "{}: {:?}", shop.name, row.progress.error);
        assert_eq!(given_back(shop).await, [900], "{}: once", shop.name);
        shop.settle().await;
        assert_eq!(shop.available("ada").await, "400", "{}", shop.name);
    })
    .await;
}

/// The gateway did what an older version asked for without a reference, the answer was lost, and an operator begins
/// anew when its key is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_an_older_version_that_is_replayed_by_hand_a_day_later_is_one_refund() {
    in_each_shop(async |shop| {
        let olga = operator(&shop.app, "Olga", "olga@example.com", "correct horse battery").await.session;
        shop.customer("ada").await;
        let checkout = shop.checkout("ada").await;
        shop.pay(&checkout, SUCCESS).await;
        shop.settle().await;
        let id = checkout["id"].as_str().unwrap().to_owned();
        let ask = async |key: &str| {
            let new = payments::NewRefund {
                checkout: id.parse().unwrap(),
                amount_minor: Some(900),
                reason: "asked for".to_owned(),
            };
            let keyed = Keyed { key: IdempotencyKey::new(key).unwrap(), hash: [3; 32] };
            payments::refund(&shop.app, &Principal::system(), new, &keyed).await.unwrap().value.payment
        };
        let payment = ask("first").await;
        let row = refund_row(&shop.app).await;
        let form = format!("amount=900&metadata[checkout]={id}&payment_intent={payment}");
        shop.at_gateway_under(Some(&row.id.to_string()), "POST", "/v1/refunds", &form).await;
        let given_up = "UPDATE outbox SET state = 'failed', attempts = 12 WHERE kind = 'refund'";
        shop.app.store().writer().execute_unprepared(given_up).await.unwrap();

        shop.clock.advance_seconds(25 * HOUR_SECONDS);
        queues::replay_work(&shop.app, &olga, row.id).await.unwrap();
        work::outbox_round(&shop.app).await.unwrap();
        let row = refund_row(&shop.app).await;
        assert_eq!(row.progress.state, "done", "{}: {:?}", shop.name, row.progress.error);
        assert_eq!(given_back(shop).await, [900], "{}: once", shop.name);
        shop.settle().await;
        assert_eq!(shop.available("ada").await, "400", "{}", shop.name);

        // As much again, asked for after that: late as well, and another one.
        ask("second").await;
        shop.clock.advance_seconds(25 * HOUR_SECONDS);
        work::outbox_round(&shop.app).await.unwrap();
        assert_eq!(given_back(shop).await, [900, 900], "{}: twice", shop.name);
        shop.settle().await;
        assert_eq!(shop.available("ada").await, "300", "{}", shop.name);
    })
    .await;
}

async fn refund_row(app: &App) -> queues::Work {
    let rows = queues::work(app, &Principal::system(), None, &Default::default()).await.unwrap();
    rows.data.into_iter().find(|work| work.kind == "refund").unwrap()
}

/// What the gateway gave back, each refund's amount.
async fn given_back(shop: &Shop) -> Vec<i64> {
    let refunds = shop.at_gateway("GET", "/v1/refunds", "").await;
    refunds["data"].as_array().unwrap().iter().map(|refund| refund["amount"].as_i64().unwrap()).collect()
}

async fn schedule(app: &App, name: &str) -> app::queues::Schedule {
    let rows = app::queues::schedules(app, &Principal::system()).await.unwrap();
    rows.into_iter().find(|row| row.name == name).unwrap()
}

async fn gateway_id(shop: &Shop, checkout: &Value) -> String {
    let id = checkout["id"].as_str().unwrap().parse().unwrap();
    payments::get(&shop.app, &Principal::system(), id).await.unwrap().gateway_id.unwrap()
}
