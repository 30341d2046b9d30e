//! Each kind of abuse as a merchant's program reports it, call by call through the API while the watch looks on;
//! and beside it the honest customer who looks like it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::random::SplitMix64;
use tests::test_app::{TestApp, on_each_database, text, usage};

use crate::risk::tick;

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3_600;
pub const DAY: i64 = 24 * HOUR;
/// The watch looks about twice a second; here after so many calls.
const CALLS_PER_TICK: usize = 5;
const WORDS: &str = "lighthouse fox harbour dawn violin maker leopard pond wolf tea house sea snow night rooftop \
    meadow ice fog market copper engine river monk desert train lantern glass orchid tower pirate winter castle \
    garden robot whale forest bridge mirror candle storm village dancer comet island temple piano rabbit clock \
    valley falcon marble harvest canyon ribbon thunder velvet pepper anchor saddle willow beacon tunnel";

/// One call and the pause after it.
pub struct Call {
    pub who: String,
    pub credits: u64,
    pub prompt: String,
    pub ip: String,
    pub agent: String,
    pub is_fetched: bool,
    pub pause: i64,
}

/// Seven words, like no other prompt of the last dozens.
pub fn prompt(n: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut random = SplitMix64::seeded(n as u64 + 1);
    let chosen = (0..7).map(|_| words[random.below(words.len())]);
    chosen.collect::<Vec<_>>().join(" ")
}

/// About `seconds`: nobody is a clock.
pub fn about(seconds: i64, n: usize) -> i64 {
    let share = SplitMix64::seeded(n as u64 + 1).below(100);
    seconds / 2 + seconds * i64::try_from(share).expect("a small number") / 100
}

/// An ordinary call of a customer with an address of its own.
pub fn call(who: &str, network: usize, n: usize) -> Call {
    Call {
        who: who.to_owned(),
        credits: 3,
        prompt: prompt(n),
        ip: format!("198.51.{network}.7"),
        agent: "browser".to_owned(),
        is_fetched: true,
        pause: about(5 * MINUTE, n),
    }
}

async fn make(app: &TestApp, call: &Call) -> u16 {
    let mut work = usage(&call.who, call.credits);
    work["context"] = json!({"ip": call.ip, "user_agent": call.agent, "prompt": call.prompt});
    let reply = app.post("/v1/usage", &work).await;
    if reply.status == 201 && call.is_fetched {
        app.clock.advance_seconds(1);
        let receipt = text(&reply.document(), "/id");
        app.post(&format!("/v1/receipts/{receipt}/deliveries"), &json!({})).await.success(201);
    }
    app.clock.advance_seconds(call.pause);
    reply.status
}

/// Makes the calls, of each customer until one is refused, and lets the watch see them all; answers how many were
/// let in.
pub async fn told(app: &TestApp, calls: impl IntoIterator<Item = Call>) -> usize {
    let (mut let_in, mut held) = (0, BTreeSet::new());
    for (n, call) in calls.into_iter().enumerate() {
        if held.contains(&call.who) {
            continue;
        }
        match make(app, &call).await {
            201 => let_in += 1,
            403 => drop(held.insert(call.who)),
            status => panic!("{}: call {n} of {}: {status}", app.name, call.who),
        }
        if n % CALLS_PER_TICK == CALLS_PER_TICK - 1 {
            tick(&app.app).await;
        }
    }
    app.clock.advance_seconds(5 * MINUTE);
    tick(&app.app).await;
    let_in
}

/// Somebody with credits. Their first calls are fetched, so that fetches are heard of.
pub async fn customer(app: &TestApp, who: &str, network: usize) {
    app.funded(who, "100000").await;
    told(app, (0..25).map(|n| Call { pause: about(MINUTE, n), ..call(who, network, n) })).await;
}

async fn case_of(app: &TestApp, who: &str) -> Option<Value> {
    let customer = app.get(&format!("/v1/customers/{who}")).await.success(200)["id"].clone();
    let page = app.get("/v1/risk/cases?state=open&limit=100").await.success(200);
    let cases = page["data"].as_array().expect("a list").clone();
    cases.into_iter().find(|case| case["customer"] == customer)
}

/// There is a case, and this pattern among its reasons, with its numbers.
pub async fn is_found(app: &TestApp, who: &str, pattern: &str) {
    let case = case_of(app, who).await.unwrap_or_else(|| panic!("{}: no case of {who}", app.name));
    let reasons = case["reasons"].as_array().expect("a list");
    let reason = reasons.iter().find(|reason| reason["name"] == pattern);
    let reason = reason.unwrap_or_else(|| panic!("{}: {who} is no {pattern}: {reasons:?}", app.name));
    // A case opens at .5; how unusual a wallet is gives .04 of that at most, and weak signs a little.
    assert!(reason["strength"].as_f64() > Some(0.45), "{}: {reason}", app.name);
    let sentence = text(reason, "/sentence");
    assert!(sentence.chars().any(|c| c.is_ascii_digit()) && sentence.ends_with('.'), "{sentence}");
}

pub async fn is_left_alone(app: &TestApp, who: &str) {
    let case = case_of(app, who).await;
    assert_eq!(case, None, "{}: {who}", app.name);
}

#[tokio::test]
async fn outputs_that_nobody_wants_are_found_and_those_that_are_fetched_are_not() {
    on_each_database(async |app| {
        tick(&app.app).await;
        let flood = |who: &str, is_fetched: bool| {
            let who = who.to_owned();
            (0..120).map(move |n| Call {
                prompt: format!("mechanical watch in autumn leaves, watercolor #{n}"),
                is_fetched: is_fetched || n % 8 == 0,
                pause: 22,
                ..call(&who, 20, n)
            })
        };
        let never = |who: &str, is_fetched: bool| {
            let who = who.to_owned();
            (0..60).map(move |n| Call {
                credits: 8,
                is_fetched: is_fetched && n % 2 == 0,
                pause: about(3 * MINUTE, n),
                ..call(&who, 21, n)
            })
        };
        for (n, who) in ["floods", "redraws", "hoards", "picks"].into_iter().enumerate() {
            customer(app, who, 30 + n).await;
        }
        told(app, flood("floods", false)).await;
        is_found(app, "floods", "near_identical_prompts").await;
        told(app, flood("redraws", true)).await;
        is_left_alone(app, "redraws").await;
        let let_in = told(app, never("hoards", false)).await;
        assert!(let_in < 60, "{}: they were stopped on the way", app.name);
        is_found(app, "hoards", "never_fetched").await;
        told(app, never("picks", true)).await;
        is_left_alone(app, "picks").await;
    })
    .await;
}

#[tokio::test]
async fn one_account_for_many_is_found_and_a_travelling_customer_is_not() {
    on_each_database(async |app| {
        tick(&app.app).await;
        let shared = |who: &str, places: usize, programs: usize| {
            let who = who.to_owned();
            (0..60).map(move |n| Call {
                ip: format!("10.{}.7.9", n % places),
                agent: format!("program {}", n % programs),
                pause: about(30, n),
                ..call(&who, 0, n)
            })
        };
        let renamed = |who: &str, names: usize| {
            let who = who.to_owned();
            (0..60).map(move |n| Call {
                agent: format!("program {}", n % names),
                credits: 1,
                pause: 299,
                ..call(&who, 40, n)
            })
        };
        for (n, who) in ["shares", "travels"].into_iter().enumerate() {
            customer(app, who, 50 + n).await;
        }
        for who in ["renames", "schedules"] {
            app.funded(who, "1000").await;
        }
        let let_in = told(app, shared("shares", 60, 60)).await;
        assert!(let_in < 60, "{}: they were stopped on the way", app.name);
        is_found(app, "shares", "account_sharing").await;
        told(app, shared("travels", 2, 1)).await;
        is_left_alone(app, "travels").await;
        told(app, renamed("renames", 8)).await;
        is_found(app, "renames", "changing_agents").await;
        told(app, renamed("schedules", 1)).await;
        is_left_alone(app, "schedules").await;
    })
    .await;
}

/// Both ask for the same pictures in the same way; one keeps every second of them, the other one in six.
#[tokio::test]
async fn batches_of_one_template_are_found_and_a_catalogue_that_is_kept_is_not() {
    on_each_database(async |app| {
        tick(&app.app).await;
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        let batch = |who: &str, network: usize, kept_one_in: usize| {
            let (who, words) = (who.to_owned(), words.clone());
            (0..120).map(move |n| {
                let mut random = SplitMix64::seeded(n as u64 + 1_000);
                let [a, b, c, d] = [0; 4].map(|_: usize| words[random.below(words.len())]);
                Call {
                    prompt: format!("studio photo of a {a} {b} with {c} and {d}, soft light"),
                    is_fetched: n % kept_one_in == 0,
                    pause: about(30, n),
                    ..call(&who, network, n)
                }
            })
        };
        for (network, who, kept_one_in) in [(24, "churns", 6), (25, "sells", 2)] {
            customer(app, who, network).await;
            told(app, batch(who, network, kept_one_in)).await;
        }
        is_found(app, "churns", "minimal_variation").await;
        is_left_alone(app, "sells").await;
    })
    .await;
}
