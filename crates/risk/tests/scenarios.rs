//! Abusers and the honest customers who look like them, signal by signal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation
)]

use risk::detectors::Detector;
use risk::score::{Thresholds, Verdict};
use risk::signal::{Address, Mail, Millis, Opinion, Payment, PaymentKind, SignUp, Signal, Use, What};
use risk::stored::{book_from_bytes, book_to_bytes};
use risk::text::{Print, short_hash};
use risk::watch::Watch;
use risk::window::{DAY, HOUR, MINUTE, SECOND};

const START: Millis = 1_770_000_000_000;
const SUBJECTS: [&str; 8] = [
    "lighthouse",
    "red fox",
    "harbour at dawn",
    "violin maker",
    "snow leopard",
    "koi pond",
    "wolf pack",
    "tea house",
];
const PLACES: [&str; 8] = [
    "by the sea",
    "in heavy snow",
    "at night",
    "on a rooftop",
    "in a meadow",
    "under ice",
    "in fog",
    "in a market",
];

/// Signals of a scenario in the order of time.
#[derive(Default)]
struct Story {
    signals: Vec<Signal>,
    outputs: u32,
}

impl Story {
    fn signs_up(
        &mut self,
        wallet: u128,
        at: Millis,
        network: u8,
        mail: Mail,
        is_trial: bool,
        allotment: u32,
    ) {
        let sign_up = SignUp { signed_up_at: at, address: address(network, 1), mail, is_trial, allotment };
        self.signals.push(Signal { wallet, at, what: What::SignedUp(sign_up) });
    }

    fn pays(
        &mut self,
        wallet: u128,
        at: Millis,
        kind: PaymentKind,
        succeeded: bool,
        card: u32,
        credits: u32,
    ) {
        let payment =
            Payment { kind, succeeded, card, country_matches: true, opinion: Opinion::Normal, credits };
        self.signals.push(Signal { wallet, at, what: What::Paid(payment) });
    }

    /// One image from an address and a program, fetched after half a minute or never.
    fn makes(
        &mut self,
        wallet: u128,
        at: Millis,
        prompt: &str,
        credits: f32,
        place: (Address, &str),
        fetched: bool,
    ) {
        self.outputs += 1;
        let used = Use {
            output: self.outputs,
            credits,
            print: Print::of(prompt),
            parameters: 1,
            address: place.0,
            agent: short_hash(place.1.as_bytes()),
        };
        self.signals.push(Signal { wallet, at, what: What::Used(used) });
        if fetched {
            let what = What::Fetched { output: self.outputs };
            self.signals.push(Signal { wallet, at: at + 30 * SECOND, what });
        }
    }

    /// The strongest that each detector was about the wallet, and the highest score.
    fn watch(mut self, wallet: u128) -> ([f64; Detector::ALL.len()], f64) {
        self.signals.sort_by_key(|s| s.at);
        let mut watch = Watch::default();
        let mut highest = ([0.0_f64; Detector::ALL.len()], 0.0_f64);
        for signal in &self.signals {
            for (_, seen) in watch.take(signal).into_iter().filter(|(w, _)| *w == wallet) {
                highest.0.iter_mut().zip(seen.strengths).for_each(|(most, now)| *most = most.max(now));
                highest.1 = highest.1.max(seen.score);
            }
        }
        highest
    }
}

fn address(network: u8, host: u8) -> Address {
    Address::of(std::net::IpAddr::from([198, 51, network, host]))
}

fn prompt(i: usize) -> String {
    format!("{}, {}, oil painting number {i}", SUBJECTS[i % 8], PLACES[(i / 8) % 8])
}

fn strength(strengths: &[f64; Detector::ALL.len()], detector: Detector) -> f64 {
    strengths[Detector::ALL.iter().position(|d| *d == detector).unwrap()]
}

#[track_caller]
fn finds(story: Story, wallet: u128, detector: Detector) {
    let (strengths, score) = story.watch(wallet);
    assert!(strength(&strengths, detector) > 0.8, "{}: {strengths:?}", detector.name());
    assert!(score > 0.8, "{score}");
}

#[track_caller]
fn leaves_alone(story: Story, wallet: u128) {
    let (strengths, score) = story.watch(wallet);
    assert!(score < Thresholds::default().review, "{score}: {strengths:?}");
}

/// A customer of old, so that no first day is in the way, beside another whose fetches are reported.
fn customer(wallet: u128) -> Story {
    let mut story = Story::default();
    for i in 0..80 {
        story.makes(
            99,
            START - DAY + i as Millis * 10 * MINUTE,
            &prompt(i),
            3.0,
            (address(9, 1), "browser"),
            true,
        );
    }
    story.signs_up(wallet, START - 90 * DAY, 7, Mail::Corporate, false, 3_000);
    story
}

fn flood(fetched: impl Fn(usize) -> bool) -> Story {
    let mut story = customer(1);
    for i in 0..120 {
        let at = START + i as Millis * 23 * SECOND;
        story.makes(
            1,
            at,
            &format!("mechanical watch in autumn leaves, watercolor #{i}"),
            3.0,
            (address(7, 1), "curl"),
            fetched(i),
        );
    }
    story
}

#[test]
fn a_flood_of_one_prompt_is_found_when_nobody_fetches_it_and_only_then() {
    finds(flood(|i| i % 8 == 0), 1, Detector::NearIdenticalPrompts);
    leaves_alone(flood(|_| true), 1);
    leaves_alone(flood(|i| i % 10 < 7), 1);
}

#[test]
fn outputs_that_nobody_ever_fetches_are_found_and_a_late_fetch_takes_it_back() {
    let story = |fetched: bool| {
        let mut story = customer(1);
        for i in 0..60 {
            let at = START + i as Millis * 3 * MINUTE;
            story.makes(1, at, &prompt(i * 3), 8.0, (address(7, 1), "browser"), fetched && i % 2 == 0);
        }
        story
    };
    finds(story(false), 1, Detector::NeverFetched);
    leaves_alone(story(true), 1);
    // All fetched, each twenty minutes late.
    let mut late = story(false);
    for i in 0..60_u32 {
        let at = START + Millis::from(i) * 3 * MINUTE + 20 * MINUTE;
        late.signals.push(Signal { wallet: 1, at, what: What::Fetched { output: 81 + i } });
    }
    leaves_alone(late, 1);
}

#[test]
fn where_fetches_are_not_reported_nobody_is_suspected_of_not_fetching() {
    let mut story = flood(|_| false);
    story.signals.retain(|s| !matches!(s.what, What::Fetched { .. }));
    leaves_alone(story, 1);
}

#[test]
fn a_spike_from_many_places_is_found_and_a_launch_from_the_office_is_not() {
    let spike = |places: usize| {
        let mut story = customer(1);
        for i in 0..100 {
            let at = START + i as Millis * 9 * MINUTE;
            let place = u8::try_from(i % places).unwrap();
            story.makes(
                1,
                at,
                &prompt(i * 3),
                20.0,
                (address(20 + place, 1), format!("program {place}").as_str()),
                i % 2 == 0,
            );
        }
        story
    };
    finds(spike(6), 1, Detector::SuddenSpike);
    leaves_alone(spike(2), 1);
}

#[test]
fn wallets_in_step_on_one_network_are_found_and_an_office_is_not() {
    let network = |same: bool| {
        let mut story = Story::default();
        for wallet in 1..=6_u128 {
            story.signs_up(wallet, START - 30 * DAY, 7, Mail::Free, false, 500);
        }
        for round in 0..8_usize {
            for wallet in 1..=6_usize {
                let at = START + round as Millis * 5 * HOUR + wallet as Millis * 8 * SECOND;
                let asked = if same { prompt(round * 9) } else { prompt(round * 9 + wallet * 11) };
                story.makes(wallet as u128, at, &asked, 5.0, (address(7, 1), "browser"), true);
            }
        }
        story
    };
    finds(network(true), 6, Detector::InStep);
    finds(network(true), 1, Detector::InStep);
    leaves_alone(network(false), 6);
}

#[test]
fn an_allotment_gone_within_the_hour_is_found_and_one_spent_over_days_is_not() {
    let burns = |pause: Millis| {
        let mut story = customer(1);
        story.pays(1, START, PaymentKind::Subscription, true, 5, 500);
        for i in 0..12 {
            story.makes(
                1,
                START + (i as Millis + 1) * pause,
                &prompt(i * 3),
                40.0,
                (address(7, 1), "browser"),
                true,
            );
        }
        story
    };
    finds(burns(MINUTE), 1, Detector::BurntAtRenewal);
    leaves_alone(burns(8 * HOUR), 1);
}

#[test]
fn a_farm_of_trials_is_found_and_one_trial_among_customers_is_not() {
    let farm = |trials: u128| {
        let mut story = Story::default();
        for wallet in 1..=12_u128 {
            let at = START + wallet as Millis * 6 * HOUR;
            story.signs_up(wallet, at, 7, Mail::Free, wallet <= trials, 60);
            for i in 0..10_usize {
                let host = u8::try_from((wallet as usize * 13 + i * 7) % 200).unwrap();
                let at = at + i as Millis * HOUR;
                let asked = format!("{}, {}, cinematic photo", SUBJECTS[i % 3], PLACES[i % 4]);
                let from = if trials > 1 { address(7, host) } else { address(7, 1) };
                story.makes(wallet, at, &asked, 5.0, (from, "browser"), true);
            }
        }
        story
    };
    finds(farm(12), 12, Detector::TrialFarm);
    finds(farm(12), 2, Detector::TrialFarm);
    leaves_alone(farm(1), 1);
}

#[test]
fn card_after_card_is_found_and_one_card_tried_again_is_not() {
    let pays = |card: fn(u32) -> u32| {
        let mut story = Story::default();
        story.signs_up(1, START - HOUR, 7, Mail::Relay, false, 0);
        for i in 0..5_u32 {
            story.pays(1, START + Millis::from(i) * 2 * MINUTE, PaymentKind::Pack, i == 4, card(i), 1_000);
        }
        story
    };
    finds(pays(|i| 100 + i), 1, Detector::StolenCard);
    leaves_alone(pays(|_| 100), 1);
}

/// The gateway's opinion alone is about many honest payments; with one more sign a reviewer looks.
#[test]
fn a_payment_that_the_gateway_doubts_needs_one_more_sign_to_be_looked_at() {
    let buys = |opinion, country_matches, burns: bool| {
        let mut story = Story::default();
        story.signs_up(1, START - HOUR, 7, Mail::Corporate, false, 0);
        let payment = Payment {
            kind: PaymentKind::Pack,
            succeeded: true,
            card: 100,
            country_matches,
            opinion,
            credits: 500,
        };
        story.signals.push(Signal { wallet: 1, at: START, what: What::Paid(payment) });
        for i in 0..if burns { 40 } else { 2 } {
            let at = START + (1 + i as Millis) * MINUTE;
            story.makes(1, at, &prompt(i), 10.0, (address(7, 1), "studio"), true);
        }
        story
    };
    for (opinion, country_matches, burns) in [
        (Opinion::Elevated, false, false),
        (Opinion::Elevated, true, true),
        (Opinion::Highest, false, false),
        (Opinion::Highest, true, true),
    ] {
        let (strengths, score) = buys(opinion, country_matches, burns).watch(1);
        let of_card = strength(&strengths, Detector::StolenCard);
        let thresholds = Thresholds::default();
        assert!(of_card > 0.5 && score < thresholds.restrict, "{opinion:?} {burns}: {score} {strengths:?}");
        assert!(score >= thresholds.review, "{opinion:?} {burns}: {score}");
    }
    for (opinion, country_matches, burns) in [
        (Opinion::Elevated, true, false),
        (Opinion::Highest, true, false),
        (Opinion::Normal, false, false),
        (Opinion::Normal, true, true),
    ] {
        leaves_alone(buys(opinion, country_matches, burns), 1);
    }
}

#[test]
fn a_disputed_payment_is_a_reason() {
    let mut story = customer(1);
    story.pays(1, START, PaymentKind::Dispute, false, 9, 0);
    finds(story, 1, Detector::Disputed);
}

#[test]
fn the_same_signals_give_the_same_bits_after_a_restart_in_the_middle() {
    let mut story = flood(|i| i % 8 == 0);
    story.signals.sort_by_key(|s| s.at);
    let mut whole = Watch::default();
    let expected: Vec<_> = story.signals.iter().flat_map(|s| whole.take(s)).collect();
    for middle in [0, 1, story.signals.len() / 2, story.signals.len()] {
        let (before, after) = story.signals.split_at(middle);
        let mut watch = Watch::default();
        let mut seen: Vec<_> = before.iter().flat_map(|s| watch.take(s)).collect();
        let bytes = book_to_bytes(watch.book()).unwrap();
        let mut watch = Watch::from_book(book_from_bytes(&bytes).unwrap());
        seen.extend(after.iter().flat_map(|s| watch.take(s)));
        assert_eq!(seen, expected);
        assert_eq!(watch.book(), whole.book());
    }
}

#[test]
fn a_score_never_depends_on_what_comes_later() {
    let mut story = flood(|i| i % 8 == 0);
    story.signals.sort_by_key(|s| s.at);
    let scores = |signals: &[Signal]| {
        let mut watch = Watch::default();
        signals.iter().flat_map(|s| watch.take(s)).map(|(_, a)| a.score.to_bits()).collect::<Vec<_>>()
    };
    let long = scores(&story.signals);
    let short = scores(&story.signals[..260]);
    assert_eq!(short[..], long[..short.len()]);
}

#[test]
fn the_hot_state_of_a_wallet_fits_in_two_kilobytes() {
    assert!(size_of::<risk::wallet::Wallet>() <= 2_048);
}

#[test]
fn reasons_come_strongest_first_with_their_numbers() {
    let mut watch = Watch::default();
    let mut story = flood(|i| i % 8 == 0);
    story.signals.sort_by_key(|s| s.at);
    story.signals.iter().for_each(|s| drop(watch.take(s)));
    let reasons = watch.assess(1, START + HOUR).unwrap().reasons();
    assert!(reasons.is_sorted_by(|a, b| a.strength >= b.strength));
    let first = reasons.first().expect("a flood has a reason");
    assert!(first.sentence.chars().any(|c| c.is_ascii_digit()), "{}", first.sentence);
}

#[test]
fn a_verdict_is_left_only_well_below_the_threshold_at_which_it_came() {
    let thresholds = Thresholds { review: 0.5, restrict: 0.9, block: 1.0, release: 0.6 };
    for (score, before, after) in [
        (0.49, Verdict::Allow, Verdict::Allow),
        (0.5, Verdict::Allow, Verdict::Review),
        (0.31, Verdict::Review, Verdict::Review),
        (0.29, Verdict::Review, Verdict::Allow),
        (0.9, Verdict::Review, Verdict::Restrict),
        (0.6, Verdict::Restrict, Verdict::Restrict),
        (0.5, Verdict::Restrict, Verdict::Review),
        (0.999, Verdict::Allow, Verdict::Restrict),
    ] {
        assert_eq!(thresholds.verdict(score, before), after, "{score} after {before:?}");
    }
}

#[test]
fn thresholds_follow_from_what_reviewers_can_look_at() {
    let week: Vec<f64> = (0..1_000).map(|i| f64::from(i) / 1_000.0).collect();
    let thresholds = Thresholds::for_budget(&week, 0.2, 0.05);
    assert_eq!(week.iter().filter(|s| **s > thresholds.review).count(), 200);
    assert!((thresholds.restrict - 0.949).abs() < 1e-9);
    assert_eq!(Thresholds::for_budget(&week[..100], 0.2, 0.05), Thresholds::default());
}

#[test]
fn prompts_that_differ_in_a_number_have_one_print_and_others_have_not() {
    let distance = |a: &str, b: &str| (Print::of(a).simhash ^ Print::of(b).simhash).count_ones();
    assert_eq!(distance("A red fox, in snow #1", "a RED fox in snow, 20"), 0);
    let snow = "a red fox in heavy snow, oil painting";
    let related = distance(snow, "a red fox in heavy rain, oil painting");
    assert!(related > 0 && related < distance(snow, "write a unit test for the parser in Rust"));
    assert_eq!(Print::of("42 + 17"), Print::default());
}

/// Half a year: each day a customer and a network come that nobody hears of again, beside one who comes every day.
#[test]
fn memory_is_bounded_by_who_was_there_lately_and_the_same_is_forgotten_after_a_restart() {
    let mut story = Story::default();
    for day in 0..180_u32 {
        let at = START + Millis::from(day) * DAY;
        let passing = 1_000 + u128::from(day);
        let elsewhere = Address { network: 50_000 + day, host: day };
        story.makes(passing, at, "a castle by the sea", 3.0, (elsewhere, "browser"), true);
        story.makes(7, at + HOUR, &prompt(day as usize), 3.0, (address(7, 1), "browser"), true);
    }
    let mut whole = Watch::default();
    let mut restarted = Watch::default();
    let (mut most_wallets, mut most_networks) = (0, 0);
    for (n, signal) in story.signals.iter().enumerate() {
        whole.take(signal);
        restarted.take(signal);
        if n % 50 == 0 {
            let bytes = book_to_bytes(restarted.book()).unwrap();
            restarted = Watch::from_book(book_from_bytes(&bytes).unwrap());
        }
        most_wallets = most_wallets.max(whole.book().wallets());
        most_networks = most_networks.max(whole.book().networks());
    }
    assert_eq!(whole.book(), restarted.book());
    // Those of the last 90 and 60 days, the running one, and who comes every day.
    assert!((91..=93).contains(&most_wallets), "{most_wallets}");
    assert!((61..=63).contains(&most_networks), "{most_networks}");
    let stays = whole.book().wallet(7).unwrap();
    assert_eq!(stays.age(START + 180 * DAY), 180 * DAY - HOUR, "who is there is not forgotten");
    assert!(whole.book().wallet(1_000).is_none());
}

/// A customer who comes back after a year is not a newcomer, and has no usual day.
#[test]
fn who_comes_back_after_long_has_the_sign_up_of_before() {
    let mut story = Story::default();
    story.signs_up(1, START, 7, Mail::Disposable, true, 60);
    for day in 1..=365_u32 {
        story.makes(
            2,
            START + Millis::from(day) * DAY,
            &prompt(day as usize),
            3.0,
            (address(8, 1), "browser"),
            true,
        );
    }
    let mut watch = Watch::default();
    story.signals.iter().for_each(|s| drop(watch.take(s)));
    assert!(watch.book().wallet(1).is_none());
    let mut back = Story::default();
    back.makes(1, START + 366 * DAY, "a castle by the sea", 3.0, (address(9, 1), "browser"), true);
    watch.take(&back.signals[0]);
    let features = watch.features(1, START + 366 * DAY).unwrap();
    assert_eq!(features.mail, 3.0);
    assert!((features.youth + 367_f64.ln()).abs() < 1e-9, "{}", features.youth);
}

/// Nobody says at the sign-up for which plan; what a period brings does, and a launch is no surge then.
#[test]
fn what_a_period_brings_tells_the_plan() {
    let surge = |allotment: u32, brought: u32| {
        let mut story = Story::default();
        story.signs_up(1, START, 7, Mail::Corporate, false, allotment);
        story.pays(1, START + MINUTE, PaymentKind::Subscription, true, 0, brought);
        for i in 0..30 {
            story.makes(1, START + HOUR + i as Millis * MINUTE, &prompt(i), 10.0, (address(7, 1), "b"), true);
        }
        let mut watch = Watch::default();
        story.signals.sort_by_key(|s| s.at);
        story.signals.iter().for_each(|s| drop(watch.take(s)));
        watch.features(1, START + 2 * HOUR).unwrap().surge
    };
    let known = surge(3_000, 3_000);
    assert!((surge(0, 3_000) - known).abs() < 1e-12);
    assert!(surge(0, 0) > 3.0 * known, "{} {known}", surge(0, 0));
}
