//! Patterns of speed: credits that go at once, an hour beyond all others, days without a pause.

use serde_json::json;
use tests::test_app::{on_each_database, usage};

use crate::risk::tick;
use crate::risk_patterns::{
    Call, DAY, HOUR, MINUTE, about, call, customer, is_found, is_left_alone, prompt, told,
};

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
