//! What the gateway tells of payments is in the score like everything else, and a dispute teaches.

use std::collections::BTreeMap;
use std::ops::Range;

use app::payments::signals::since;
use app::risk::{models, rebuild, state_of};
use app::{Principal, work};
use gateways::SignKind;
use kernel::{CustomerId, Timestamp, WalletId};
use risk::features::NAMES;
use risk::record::{Place, Record, Source};
use risk::signal::{Address, Use, What};
use risk::text::{Print, short_hash};
use serde_json::{Value, json};
use store::cold::payment_signals as rows;
use store::cold::risk::{cases, days};
use tests::shop::{Shop, in_each_shop};

const DAY_SECONDS: i64 = 86_400;
/// Blocked as of the highest risk, declined, in order, and in order with an elevated risk.
const TRIED: [&str; 4] = ["4100000000000019", "4000000000000002", tests::shop::SUCCESS, "4000000000009235"];
const DISPUTED: &str = "4000000000000259";

async fn tick(shop: &Shop) {
    app::risk::tick(&shop.app).await.expect("the watch ticks");
}

async fn score(shop: &Shop, customer: &str) -> Value {
    let answer = shop.post("/v1/risk/score", &json!({"customer": customer})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.document()
}

fn number(document: &Value, member: &str) -> f64 {
    document[member].as_f64().unwrap_or_else(|| panic!("{member}: {document}"))
}

async fn buys(shop: &Shop, customer: &str, card: &str) {
    let checkout = shop.checkout(customer).await;
    shop.pay(&checkout, card).await;
    shop.wait_and_settle(5).await;
}

async fn case_of(shop: &Shop, reason: &str) -> Value {
    let open = shop.get("/v1/risk/cases?state=open").await.document();
    let cases = open["data"].as_array().expect("a list");
    let of = cases.iter().find(|case| case["reasons"][0]["name"] == reason);
    of.unwrap_or_else(|| panic!("{}: no case of {reason}: {open}", shop.name)).clone()
}

#[tokio::test]
async fn cards_failures_and_the_gateways_doubts_are_in_the_score() {
    in_each_shop(async |shop| {
        shop.customer("c").await;
        tick(shop).await;
        for card in TRIED {
            buys(shop, "c", card).await;
            tick(shop).await;
        }
        shop.clock.advance_seconds(app::risk::LAG_SECONDS + 1);
        tick(shop).await;
        let features = score(shop, "c").await["features"].clone();
        let feature = |name: &str| features[name].as_f64().expect(name);
        assert_eq!(feature("cards_day"), 4.0);
        // Two for the highest and one for an elevated risk; minutes hardly fade.
        assert!((2.95..=3.0).contains(&feature("doubted_day")), "{features}");
        assert!((1.95..=2.0).contains(&feature("failed_day")), "{features}");
        assert_eq!(feature("foreign_day"), 0.0, "an unknown country is no foreign one");
        // Two packs of 500 were granted, and each counts once.
        assert!((feature("bought_day").exp_m1() - 1_000.0).abs() < 1.0, "{features}");
        let case = case_of(shop, "stolen_card").await;
        assert_eq!((&case["verdict"], &case["step_up"]), (&json!("restrict"), &json!("confirm_card")));
    })
    .await;
}

/// The gateway tells where a card is from and where its bill goes; both are in the table.
#[tokio::test]
async fn a_card_from_another_country_is_in_the_score() {
    in_each_shop(async |shop| {
        shop.customer("c").await;
        let made = shop.get("/v1/customers/c").await.document();
        let id = |member: &str| made[member].as_str().expect("an id").to_owned();
        let now = shop.clock.now().micros();
        for (n, country_matches) in [Some(false), Some(true), None, Some(false)].into_iter().enumerate() {
            let row = rows::Model {
                gateway: "stripe".to_owned(),
                id: format!("ch_{n}"),
                wallet: id("wallet").parse::<WalletId>().expect("an id").uuid(),
                customer: id("id").parse::<CustomerId>().expect("an id").uuid(),
                kind: SignKind::Succeeded.as_str().to_owned(),
                risk_level: None,
                card: Some(i64::try_from(n).expect("a small number") + 1),
                country_matches,
                credits: 0,
                occurred_at: now,
                recorded_at: now,
                is_authenticated: false,
            };
            let txn = shop.app.store().write().await.expect("a transaction");
            assert!(rows::insert_once(&txn, row).await.expect("a row"));
            txn.commit().await.expect("a commit");
        }
        shop.clock.advance_seconds(10);
        tick(shop).await;
        let features = score(shop, "c").await["features"].clone();
        let foreign = features["foreign_day"].as_f64().expect("a number");
        assert!((1.99..=2.0).contains(&foreign), "{}: {features}", shop.name);
        assert_eq!(features["cards_day"], 4.0, "{features}");
    })
    .await;
}

#[tokio::test]
async fn a_dispute_brings_a_case_and_the_state_made_anew_knows_of_every_payment() {
    in_each_shop(async |shop| {
        shop.customer("c").await;
        tick(shop).await;
        for card in [DISPUTED, "4000000000005423"] {
            buys(shop, "c", card).await;
            tick(shop).await;
        }
        shop.wait_and_settle(5).await;
        tick(shop).await;
        let told = since(&shop.app, None, Timestamp::MAX, 100).await.expect("a read");
        assert!(told.iter().any(|signal| signal.kind == SignKind::Disputed), "{told:?}");
        let case = case_of(shop, "disputed").await;
        assert_eq!(case["step_up"], "confirm_card");
        // The log of signals is a means of transport: without it the state is the same.
        let pages = store::cold::retention::Passing::RiskPages;
        store::cold::retention::forget(shop.app.store(), pages, i64::MAX, 1_000_000)
            .await
            .expect("it forgets");
        let (reached, state) = state_of(&shop.app).await;
        let again = rebuild(&shop.app, reached).await.expect("it is made anew");
        assert!(state == again, "{}: made anew it is another", shop.name);
    })
    .await;
}

/// A use of a few credits, each customer's in places of its own; who is hasty comes from three networks with three
/// programs, which no rule finds remarkable.
fn used(customer: u32, number: u32) -> What {
    let is_hasty = customer.is_multiple_of(2);
    let place = customer * 100 + if is_hasty { number % 3 } else { 0 };
    What::Used(Use {
        output: number,
        credits: 2.0,
        print: Print::of(&format!("castle {number} of customer {customer} by the sea")),
        parameters: short_hash(b"sdxl 1024"),
        address: Address { network: place, host: place },
        agent: place,
    })
}

/// Customers with a day of use: everybody with an even number is hasty.
async fn customers(shop: &Shop, numbers: Range<u32>) -> Vec<(CustomerId, WalletId)> {
    let mut made = Vec::new();
    for n in numbers {
        let new = json!({"external_id": format!("c{n}"), "kind": "individual", "name": "C", "email": "c@example.com"});
        let made_one = shop.post("/v1/customers", &new).await.document();
        let id = |member: &str| made_one[member].as_str().expect("an id").to_owned();
        let (customer, wallet): (CustomerId, WalletId) =
            (id("id").parse().expect("an id"), id("wallet").parse().expect("an id"));
        day_of_use(shop, n, wallet);
        made.push((customer, wallet));
    }
    made
}

fn day_of_use(shop: &Shop, customer: u32, wallet: WalletId) {
    let at = shop.clock.now().micros();
    for number in 0..8 {
        let place =
            Place { at, wallet: wallet.uuid().as_u128(), source: Source::Journal, number: i64::from(number) };
        app::risk::say(&shop.app, Record { place, what: used(customer, number) });
    }
}

async fn night(shop: &Shop) -> String {
    shop.clock.advance_seconds(DAY_SECONDS);
    tick(shop).await;
    work::schedules_round(&shop.app).await.expect("schedules run");
    let rows = app::queues::schedules(&shop.app, &Principal::system()).await.expect("a list");
    let row = rows.into_iter().find(|row| row.name == "risk_train").expect("the schedule of nights");
    row.last_result.unwrap_or_default()
}

/// A dispute as the gateway's event leaves it.
async fn disputes(shop: &Shop, (customer, wallet): (CustomerId, WalletId), kind: SignKind) {
    let now = shop.clock.now().micros();
    let row = rows::Model {
        gateway: "stripe".to_owned(),
        id: format!("dp_{customer}"),
        wallet: wallet.uuid(),
        customer: customer.uuid(),
        kind: kind.as_str().to_owned(),
        risk_level: None,
        card: None,
        country_matches: None,
        credits: 0,
        occurred_at: now,
        recorded_at: now,
        is_authenticated: false,
    };
    let txn = shop.app.store().write().await.expect("a transaction");
    rows::insert_once(&txn, row).await.expect("a row");
    txn.commit().await.expect("a commit");
}

/// Reviewers have dismissed calm customers and nobody has confirmed anyone: that hasty ones are worse, only the
/// holders of cards have said.
#[tokio::test]
async fn a_dispute_teaches() {
    in_each_shop(async |shop| {
        tick(shop).await;
        work::schedules_round(&shop.app).await.expect("schedules run");
        let all = customers(shop, 0..240).await;
        shop.clock.advance_seconds(60);
        tick(shop).await;
        night(shop).await;
        let (hasty, calm): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(n, _)| n % 2 == 0);
        for (_, of) in &calm {
            dismissed(shop, **of).await;
        }
        let said = night(shop).await;
        assert!(said.contains("120 verdicts and disputes are too few"), "{}: {said}", shop.name);
        for (n, (_, of)) in hasty.iter().enumerate() {
            disputes(shop, **of, if n % 3 == 0 { SignKind::Warned } else { SignKind::Disputed }).await;
        }
        let untaught = scores_of_new_ones(shop, 240..242).await;
        assert!(untaught.iter().all(|score| *score < 0.2), "{}: no rule speaks: {untaught:?}", shop.name);
        let said = night(shop).await;
        assert!(said.contains("learnt from 240 verdicts and disputes"), "{}: {said}", shop.name);
        let list = models::list(&shop.app, &Principal::system()).await.expect("a list");
        let taught = list.iter().find(|model| model.kind == "feedback").expect("what was taught");
        assert_eq!((taught.state.as_str(), taught.metrics.rows), ("shadow", 240), "{taught:?}");
        assert!(taught.metrics.precision >= Some(0.99), "it tells them apart: {taught:?}");
        assert!(taught.metrics.precision_before < Some(0.9), "the rules do not: {taught:?}");
        let in_shadow = scores_of_new_ones(shop, 242..244).await;
        assert!(in_shadow[0] < untaught[0] + 0.01, "{}: it is only watched: {in_shadow:?}", shop.name);
        let said = night(shop).await;
        assert!(said.contains(&format!("{} promoted", taught.id)), "{}: {said}", shop.name);
        let [hasty, calm] = scores_of_new_ones(shop, 244..246).await;
        assert!(hasty > calm + 0.05 && hasty > untaught[0] + 0.05, "{}: {hasty} {calm}", shop.name);
        // It says so, and that it spoke.
        let newest = customers(shop, 246..247).await;
        shop.clock.advance_seconds(60);
        tick(shop).await;
        let scored = score(shop, &newest[0].0.to_string()).await;
        let reasons = scored["reasons"].as_array().expect("a list");
        let why = reasons.iter().find(|reason| reason["name"] == "reviewers");
        let sentence = why.expect("a reason")["sentence"].as_str().expect("a sentence");
        assert!(sentence.contains(" % that they would confirm this."), "{sentence}");
        let spoke = scored["model"].as_str().expect("what was taught at least");
        assert!(spoke.ends_with(&taught.id), "{spoke}");
        // Without it in the settings nobody is scored by it.
        let quiet = json!({"settings": {"review": 0.5, "restrict": 0.9, "block": 1.0, "release": 0.6,
            "rules": {"reviewers": "off"}, "restrict_minutes": 60, "step_up": "wait", "mail_above": "0"},
            "reason": "rules only"});
        assert_eq!(shop.post("/v1/risk/settings", &quiet).await.status, 201);
        shop.clock.advance_seconds(6);
        tick(shop).await;
        let scored = score(shop, &newest[0].0.to_string()).await;
        assert!(!scored["reasons"].to_string().contains("reviewers"), "{scored}");
    })
    .await;
}

/// Of a hasty and of a calm customer who have just come.
async fn scores_of_new_ones(shop: &Shop, numbers: Range<u32>) -> [f64; 2] {
    let made = customers(shop, numbers).await;
    shop.clock.advance_seconds(60);
    tick(shop).await;
    let [hasty, calm] = [made[0], made[1]].map(|(customer, _)| customer.to_string());
    [score(shop, &hasty).await, score(shop, &calm).await].map(|scored| number(&scored, "score"))
}

/// A closed case of a customer, with the features of its day.
async fn dismissed(shop: &Shop, (customer, wallet): (CustomerId, WalletId)) {
    let day = days::of_wallet(shop.app.store().reader(), wallet.uuid(), 1).await.expect("a read").remove(0);
    let values = day.features.as_chunks::<8>().0.iter().map(|value| f64::from_le_bytes(*value));
    let features: BTreeMap<&str, f64> = NAMES.into_iter().zip(values).collect();
    let ids = (wallet.uuid(), customer.uuid());
    let case = cases::Model {
        score: 0.5,
        features: json!(features).to_string(),
        ..cases::Model::opened(kernel::new_uuid(), ids, shop.clock.now().micros())
    };
    let path = format!("/v1/risk/cases/{}/verdict", kernel::CaseId::from_uuid(case.id));
    let txn = shop.app.store().write().await.expect("a transaction");
    assert!(cases::open(&txn, case).await.expect("a row"));
    txn.commit().await.expect("a commit");
    assert_eq!(shop.post(&path, &json!({"verdict": "dismissed"})).await.status, 200);
}
