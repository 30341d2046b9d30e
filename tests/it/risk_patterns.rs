//! Each kind of abuse as a merchant's program reports it, call by call through the API while the watch looks on;
//! and beside it the honest customer who looks like it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::random::SplitMix64;
use tests::test_app::{TestApp, on_each_database, text, usage};

use crate::risk::tick;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// The watch looks about twice a second; here after so many calls.
const CALLS_PER_TICK: usize = 5;
const WORDS: &str = "lighthouse fox harbour dawn violin maker leopard pond wolf tea house sea snow night rooftop \
    meadow ice fog market copper engine river monk desert train lantern glass orchid tower pirate winter castle \
    garden robot whale forest bridge mirror candle storm village dancer comet island temple piano rabbit clock \
    valley falcon marble harvest canyon ribbon thunder velvet pepper anchor saddle willow beacon tunnel";

/// One call and the pause after it.
struct Call {
    who: String,
    credits: u64,
    prompt: String,
    ip: String,
    agent: String,
    is_fetched: bool,
    pause: i64,
}

/// Seven words, like no other prompt of the last dozens.
fn prompt(n: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut random = SplitMix64::seeded(n as u64 + 1);
    let chosen = (0..7).map(|_| words[random.below(words.len())]);
    chosen.collect::<Vec<_>>().join(" ")
}

/// About `seconds`: nobody is a clock.
fn about(seconds: i64, n: usize) -> i64 {
    let share = SplitMix64::seeded(n as u64 + 1).below(100);
    seconds / 2 + seconds * i64::try_from(share).expect("a small number") / 100
}

/// An ordinary call of a customer with an address of its own.
fn call(who: &str, network: usize, n: usize) -> Call {
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
async fn told(app: &TestApp, calls: impl IntoIterator<Item = Call>) -> usize {
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
async fn customer(app: &TestApp, who: &str, network: usize) {
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
async fn is_found(app: &TestApp, who: &str, pattern: &str) {
    let case = case_of(app, who).await.unwrap_or_else(|| panic!("{}: no case of {who}", app.name));
    let reasons = case["reasons"].as_array().expect("a list");
    let reason = reasons.iter().find(|reason| reason["name"] == pattern);
    let reason = reason.unwrap_or_else(|| panic!("{}: {who} is no {pattern}: {reasons:?}", app.name));
    assert!(reason["strength"].as_f64() > Some(0.5), "{}: {reason}", app.name);
    let sentence = text(reason, "/sentence");
    assert!(sentence.chars().any(|c| c.is_ascii_digit()) && sentence.ends_with('.'), "{sentence}");
}

async fn is_left_alone(app: &TestApp, who: &str) {
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

/// Six customers of one network, in eight rounds.
fn rounds(name: &'static str, network: usize, asked: impl Fn(usize, usize) -> usize) -> Vec<Call> {
    let of = |round: usize, who: usize| Call {
        prompt: prompt(asked(round, who)),
        pause: if who == 5 { 5 * HOUR } else { 7 },
        ..call(&format!("{name}{who}"), network, 0)
    };
    (0..8).flat_map(|round| (0..6).map(move |who| (round, who))).map(|(round, who)| of(round, who)).collect()
}

#[tokio::test]
async fn wallets_in_step_are_found_and_an_office_is_not() {
    on_each_database(async |app| {
        tick(&app.app).await;
        for who in 0..6 {
            app.funded(&format!("puppet{who}"), "1000").await;
            app.funded(&format!("clerk{who}"), "1000").await;
        }
        told(app, rounds("puppet", 60, |round, _| round * 9)).await;
        is_found(app, "puppet0", "in_step").await;
        is_found(app, "puppet5", "in_step").await;
        told(app, rounds("clerk", 61, |round, who| round * 9 + who * 11)).await;
        for who in 0..6 {
            is_left_alone(app, &format!("clerk{who}")).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_farm_of_trials_is_found_and_one_trial_among_customers_is_not() {
    on_each_database(async |app| {
        tick(&app.app).await;
        for (name, network, trials) in [("office", 70, 1), ("farm", 71, 12)] {
            for n in 0..12_usize {
                let who = format!("{name}{n}");
                app.customer(&who).await;
                let kind = if n < trials { "trial" } else { "promo" };
                app.grant(&who, "60", &json!({"kind": kind})).await;
                let calls = (0..8_usize).map(|i| Call {
                    credits: 5,
                    prompt: format!("{}, cinematic photo", prompt(i % 4)),
                    ip: format!("198.51.{network}.{}", if trials > 1 { (n * 13 + i * 7) % 200 } else { 1 }),
                    pause: about(40 * MINUTE, i),
                    ..call(&who, network, i)
                });
                told(app, calls).await;
            }
        }
        for n in 0..12 {
            is_left_alone(app, &format!("office{n}")).await;
        }
        is_found(app, "farm11", "trial_farm").await;
        is_found(app, "farm1", "trial_farm").await;
    })
    .await;
}

#[tokio::test]
async fn credits_that_go_at_once_are_found_and_those_that_go_over_days_are_not() {
    on_each_database(async |app| {
        tick(&app.app).await;
        for (n, (who, pause)) in [("burns", 59), ("saves", 8 * HOUR)].into_iter().enumerate() {
            customer(app, who, 80 + n).await;
            app.grant(who, "500", &json!({"kind": "allotment"})).await;
            told(app, (0..12).map(|i| Call { credits: 40, pause, ..call(who, 80 + n, i) })).await;
        }
        is_found(app, "burns", "burnt_at_renewal").await;
        is_left_alone(app, "saves").await;
        for (n, (who, places)) in [("spikes", 6), ("launches", 1)].into_iter().enumerate() {
            customer(app, who, 85 + n).await;
            let at = |i: usize| Call {
                credits: 20,
                ip: format!("10.{}.{n}.9", i % places),
                agent: format!("program {}", i % places),
                pause: about(9 * MINUTE, i),
                ..call(who, 0, i)
            };
            told(app, (0..100).map(at)).await;
        }
        is_found(app, "spikes", "sudden_spike").await;
        is_left_alone(app, "launches").await;
    })
    .await;
}

/// Judged against the customer's own month, which takes seven days of it.
#[tokio::test]
async fn an_hour_far_beyond_the_usual_one_trips_a_hold_that_ends_by_itself() {
    on_each_database(async |app| {
        tick(&app.app).await;
        for who in ["races", "hurries"] {
            app.funded(who, "5000").await;
        }
        for _ in 0..8 {
            for (n, who) in ["races", "hurries"].into_iter().enumerate() {
                told(app, (0..4).map(|i| Call { pause: HOUR, ..call(who, 90 + n, i) })).await;
            }
            app.clock.advance_seconds(DAY - 8 * HOUR);
        }
        let hour = |who: &'static str, credits: u64| {
            (0..40).map(move |i| Call { credits, pause: MINUTE, ..call(who, 90, i) })
        };
        let let_in = told(app, hour("races", 20)).await;
        // 500 credits within the hour are the least that this rule speaks of, and the sum fades.
        assert!((25..40).contains(&let_in), "{}: {let_in}", app.name);
        is_found(app, "races", "velocity").await;
        let refused = app.post("/v1/usage", &usage("races", 1)).await.problem(403, "restricted");
        assert_eq!(refused["step_up"], "wait", "{refused}");
        app.clock.advance_seconds(DAY);
        assert_eq!(app.post("/v1/usage", &usage("races", 1)).await.status, 201, "{}: it is over", app.name);
        assert_eq!(told(app, hour("hurries", 12)).await, 40, "{}", app.name);
        is_left_alone(app, "hurries").await;
    })
    .await;
}

#[tokio::test]
async fn a_scraper_that_rephrases_is_found_and_a_busy_day_is_not() {
    on_each_database(async |app| {
        tick(&app.app).await;
        // Eight subjects, over and over in other words.
        let busy = |who: &str, pause: i64| {
            let who = who.to_owned();
            (0..700_usize).map(move |n| Call {
                credits: 1,
                prompt: format!("describe the {} of {}", prompt(n % 8), prompt(n / 3 % 8)),
                pause: about(pause, n),
                ..call(&who, 95, n)
            })
        };
        for who in ["scrapes", "crams"] {
            app.funded(who, "1000").await;
        }
        told(app, busy("scrapes", 140)).await;
        is_found(app, "scrapes", "scraper").await;
        told(app, busy("crams", 30)).await;
        is_left_alone(app, "crams").await;
    })
    .await;
}
