//! The demo catalogue says what `contract.md` says. Expected numbers are the contract's, not the file's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use catalog::{
    Alternative, Ask, Catalog, Options, Overage, Plan, Price, PriceError, alternatives, price,
    price_of_credits,
};
use kernel::{Amount, Credits, Currency, Driver, Money, Quantities, Timestamp};

fn demo() -> Catalog {
    Catalog::demo().unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn quantities(pairs: &[(Driver, u64)]) -> Quantities {
    pairs.iter().map(|(driver, n)| (*driver, Amount::whole(*n).unwrap())).collect()
}

fn ask<'a>(feature: &'a str, model: &'a str, quantities: &'a Quantities, options: &'a Options) -> Ask<'a> {
    let at = "2026-03-04T12:00:00Z".parse().unwrap();
    Ask { feature, model, quantities, options, plan: Plan::DEFAULT, at, prompt_complexity: None }
}

fn priced(feature: &str, model: &str, pairs: &[(Driver, u64)]) -> Result<Price, PriceError> {
    price(&demo(), &ask(feature, model, &quantities(pairs), &Options::default()))
}

fn credits(feature: &str, model: &str, pairs: &[(Driver, u64)]) -> Credits {
    priced(feature, model, pairs).unwrap_or_else(|e| panic!("{model}: {} {e}", e.field())).credits
}

#[test]
fn every_price_of_the_contract_is_exact() {
    use Driver::{Images, InputTokens, OutputTokens, Seconds};
    type Case = (&'static str, &'static str, &'static [(Driver, u64)], i64);
    let cases: &[Case] = &[
        ("image.generate", "sdxl", &[(Images, 1)], 5),
        ("image.generate", "dall-e-3", &[(Images, 1)], 10),
        ("image.generate", "dall-e-3-hd", &[(Images, 1)], 25),
        ("image.generate", "midjourney", &[(Images, 1)], 15),
        ("text.generate", "gpt-4", &[(InputTokens, 1000), (OutputTokens, 0)], 5),
        ("text.generate", "gpt-4", &[(InputTokens, 1000), (OutputTokens, 1000)], 10),
        ("text.generate", "gpt-4", &[(InputTokens, 2000), (OutputTokens, 0)], 10),
        ("text.generate", "gpt-4", &[(InputTokens, 0), (OutputTokens, 2000)], 10),
        ("text.generate", "gpt-4", &[(InputTokens, 2000)], 10),
        ("text.generate", "gpt-4", &[(OutputTokens, 2000)], 10),
        ("video.render", "standard", &[(Seconds, 10)], 5),
    ];
    for (feature, model, pairs, expected) in cases {
        assert_eq!(credits(feature, model, pairs), Credits::whole(*expected), "{model} {pairs:?}");
    }
}

#[test]
fn cached_tokens_of_gpt_4_cost_what_other_tokens_cost() {
    let pairs =
        [(Driver::InputTokens, 500), (Driver::CachedInputTokens, 1000), (Driver::CacheWriteTokens, 500)];
    assert_eq!(credits("text.generate", "gpt-4", &pairs), Credits::whole(10));
}

#[test]
fn one_sdxl_image_is_1000_gpt_4_tokens_is_10_seconds_of_video() {
    let image = credits("image.generate", "sdxl", &[(Driver::Images, 1)]);
    let tokens =
        credits("text.generate", "gpt-4", &[(Driver::InputTokens, 600), (Driver::OutputTokens, 400)]);
    assert_eq!(image, tokens);
    assert_eq!(image, credits("video.render", "standard", &[(Driver::Seconds, 10)]));
}

#[test]
fn missing_width_height_and_steps_are_the_cards_defaults() {
    let full = [(Driver::Images, 1), (Driver::Width, 1024), (Driver::Height, 1024), (Driver::Steps, 30)];
    let short = priced("image.generate", "sdxl", &[(Driver::Images, 1)]).unwrap();
    assert_eq!(short, priced("image.generate", "sdxl", &full).unwrap());
    assert_eq!(short.quantities, quantities(&full));
    assert_eq!(short.multiplier, "1");
    assert_eq!(short.credits_max, short.credits);
    assert_eq!(short.formula, "5 (1024 × 1024) × 1 (30 steps) = 5");
}

#[test]
fn a_missing_driver_is_named_with_the_model_that_needs_it() {
    let cases = [
        ("image.generate", "sdxl", Driver::Images),
        ("text.generate", "gpt-4", Driver::InputTokens),
        ("text.generate", "claude-sonnet", Driver::InputTokens),
        ("text.embed", "text-embedding-3-small", Driver::InputTokens),
        ("speech.synthesize", "tts-1", Driver::Characters),
        ("video.render", "standard", Driver::Seconds),
        ("document.process", "reader", Driver::Pages),
    ];
    for (feature, model, driver) in cases {
        let error = priced(feature, model, &[(Driver::Guidance, 7)]).unwrap_err();
        assert_eq!(error.field(), format!("quantities.{driver}"));
        assert_eq!(error, PriceError::MissingQuantity { driver, needed_by: model.to_owned() });
    }
}

#[test]
fn a_quantity_that_the_price_does_not_use_changes_nothing() {
    let extra = [(Driver::InputTokens, 1000), (Driver::Images, 3), (Driver::Seconds, 9)];
    assert_eq!(credits("text.generate", "gpt-4", &extra), Credits::whole(5));
}

#[test]
fn an_explicit_zero_costs_nothing_and_is_not_missing() {
    let price = priced("document.process", "reader", &[(Driver::Pages, 0)]).unwrap();
    assert_eq!((price.credits, price.breakdown.len()), (Credits::ZERO, 0));
    assert_eq!(price.formula, "0 = 0");
    assert_eq!(credits("text.generate", "gpt-4", &[(Driver::InputTokens, 0)]), Credits::ZERO);
}

#[test]
fn tokens_that_were_left_out_count_in_the_worst_case_only() {
    let open = priced("text.generate", "gpt-4", &[(Driver::InputTokens, 2000)]).unwrap();
    assert_eq!(open.credits, Credits::whole(10));
    assert_eq!(open.credits_max, Credits::from_micros(30_480_000), "10 + 4,096 output tokens");
    let told = [(Driver::InputTokens, 2000), (Driver::OutputTokens, 0)];
    assert_eq!(priced("text.generate", "gpt-4", &told).unwrap().credits_max, Credits::whole(10));
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    let images = [(Driver::Images, 1)];
    let no_feature = priced("image.paint", "sdxl", &images).unwrap_err();
    assert_eq!(no_feature.field(), "feature");
    assert!(no_feature.to_string().contains("image.generate, speech.synthesize"), "{no_feature}");
    let no_model = priced("image.generate", "gpt-4", &images).unwrap_err();
    assert_eq!(no_model.field(), "model");
    assert!(no_model.to_string().ends_with("dall-e-3, dall-e-3-hd, midjourney, sdxl"), "{no_model}");
    let (quantities, options) = (quantities(&images), Options::default());
    let ask = Ask { plan: "gold", ..ask("image.generate", "sdxl", &quantities, &options) };
    let no_plan = price(&demo(), &ask).unwrap_err();
    assert_eq!(no_plan.field(), "plan");
    assert!(no_plan.to_string().contains("payg"), "{no_plan}");
}

#[test]
fn alternatives_are_the_cheaper_models_cheapest_first() {
    let (catalog, options) = (demo(), Options::default());
    let quantities = quantities(&[(Driver::Images, 2)]);
    let ask = ask("image.generate", "dall-e-3-hd", &quantities, &options);
    let paid = price(&catalog, &ask).unwrap();
    let expected = [("sdxl", 10), ("dall-e-3", 20), ("midjourney", 30)];
    let expected =
        expected.map(|(model, n)| Alternative { model: model.to_owned(), credits: Credits::whole(n) });
    assert_eq!(alternatives(&catalog, &ask, &paid), expected);
    let basic = Ask { plan: "basic", ..ask };
    assert_eq!(alternatives(&catalog, &basic, &paid), expected[..2], "basic may not use midjourney");
    let cheapest = Ask { model: "sdxl", ..ask };
    let paid = price(&catalog, &cheapest).unwrap();
    assert_eq!(alternatives(&catalog, &cheapest, &paid), []);
}

#[test]
fn packs_and_volume_cost_what_the_contract_says_and_live_12_months() {
    let catalog = demo();
    let usd = |amount| Money { amount, currency: Currency::USD };
    let packs: Vec<_> =
        catalog.packs().iter().map(|p| (p.id.as_str(), p.credits, p.price, p.expires_after_months)).collect();
    assert_eq!(
        packs,
        [
            ("pack_100", Credits::whole(100), usd(1000), 12),
            ("pack_500", Credits::whole(500), usd(4500), 12),
            ("pack_1000", Credits::whole(1000), usd(8000), 12),
        ]
    );
    assert_eq!(catalog.pack("pack_500").map(|p| p.price), Some(usd(4500)));
    assert_eq!(catalog.pack("pack_50"), None);
    assert_eq!(price_of_credits(&catalog, Credits::whole(10_000)), Some(usd(60_000)));
    assert_eq!(price_of_credits(&catalog, Credits::whole(12_345)), Some(usd(74_070)));
    let half_cent = "10000.083333".parse().unwrap();
    assert_eq!(price_of_credits(&catalog, half_cent), Some(usd(60_000)), "0.499998 cents round down");
    let above_half = "10000.083334".parse().unwrap();
    assert_eq!(price_of_credits(&catalog, above_half), Some(usd(60_001)));
    assert_eq!(price_of_credits(&catalog, Credits::from_micros(9_999_999_999)), None);
    assert_eq!(price_of_credits(&catalog, Credits::from_micros(-1)), None);
    assert!(price_of_credits(&catalog, Credits::from_micros(i64::MAX)).is_some());
}

#[test]
fn the_default_plan_may_use_everything_with_6000_calls_a_minute() {
    let catalog = demo();
    let payg = catalog.plan(Plan::DEFAULT).unwrap();
    assert_eq!((payg.calls_per_minute, payg.max_open_holds), (Some(6000), None));
    for feature in catalog.features() {
        assert_eq!(feature.overage, Overage::Absorb);
        assert!(feature.models.keys().all(|model| payg.entitles(&feature.id, model)));
    }
    let free = catalog.plan("free").unwrap();
    assert!(free.entitles("image.generate", "sdxl"));
    assert!(!free.entitles("image.generate", "midjourney"));
    assert!(!free.entitles("video.render", "standard"));
    assert!(catalog.plan("basic").unwrap().entitles("text.generate", "claude-sonnet"));
}

#[test]
fn features_and_plans_are_those_of_the_contract() {
    let catalog = demo();
    let features: Vec<_> = catalog.features().map(|f| f.id.as_str()).collect();
    let expected = [
        "document.process",
        "image.generate",
        "speech.synthesize",
        "text.embed",
        "text.generate",
        "video.render",
    ];
    assert_eq!(features, expected);
    let plans: Vec<_> = catalog.plans().iter().map(|p| p.id.as_str()).collect();
    assert_eq!(plans, ["payg", "free", "basic", "professional", "enterprise"]);
    assert_eq!(catalog.rate_card_name(), "demo");
}

#[test]
fn peak_prices_are_off_at_every_hour() {
    let catalog = demo();
    let (quantities, options) = (quantities(&[(Driver::Images, 1)]), Options::default());
    let start: Timestamp = "2026-03-02T00:30:00Z".parse().unwrap();
    for hour in 0..7 * 24 {
        let at = start.plus_seconds(hour * 3600);
        let ask = Ask { at, ..ask("image.generate", "sdxl", &quantities, &options) };
        assert_eq!(price(&catalog, &ask).unwrap().credits, Credits::whole(5), "{at}");
    }
}
