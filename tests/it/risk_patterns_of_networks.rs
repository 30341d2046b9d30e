//! Patterns that show only beside the neighbours: wallets in step, farms of trials.

use serde_json::json;
use tests::test_app::on_each_database;

use crate::risk::tick;
use crate::risk_patterns::{Call, HOUR, MINUTE, about, call, is_found, is_left_alone, prompt, told};

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
