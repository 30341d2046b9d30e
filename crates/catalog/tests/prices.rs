//! The parts of a price, each on a card of its own. Expected numbers are worked out by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use catalog::{Ask, Catalog, Complexity, Options, Price, PriceError, price};
use kernel::{Amount, Credits, Driver, Quantities};

const HEAD: &str = r#"
[rate_card]
name = "test"
[plans.payg]
name = "Pay as you go"
entitles = ["*"]
[plans.saver]
name = "Saver"
entitles = ["f/*"]
price_factor = "0.8"
[features.f]
name = "F"
"#;

fn card(model: &str) -> Catalog {
    let text = format!("{HEAD}\n[features.f.models.m]\n{model}");
    Catalog::parse(&text).unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"))
}

struct Case<'a> {
    quantities: &'a [(Driver, &'a str)],
    options: Options,
    plan: &'a str,
    at: &'a str,
    complexity: Option<u8>,
}

impl Default for Case<'_> {
    fn default() -> Self {
        let at = "2026-03-04T12:00:00Z";
        Case { quantities: &[], options: Options::default(), plan: "payg", at, complexity: None }
    }
}

impl Case<'_> {
    fn price(&self, catalog: &Catalog) -> Result<Price, PriceError> {
        let quantities: Quantities =
            self.quantities.iter().map(|(d, a)| (*d, a.parse::<Amount>().unwrap())).collect();
        let prompt_complexity = self.complexity.map(|score| Complexity::try_from(score).unwrap());
        let at = self.at.parse().unwrap();
        let (quantities, options) = (&quantities, &self.options);
        price(
            catalog,
            &Ask { feature: "f", model: "m", quantities, options, plan: self.plan, at, prompt_complexity },
        )
    }

    fn is(&self, catalog: &Catalog, credits: &str, formula: &str) {
        let price = self.price(catalog).unwrap_or_else(|e| panic!("{} {e}", e.field()));
        assert_eq!((price.credits.to_string().as_str(), price.formula.as_str()), (credits, formula));
        let sum: i64 = price.breakdown.iter().map(|line| line.credits.micros()).sum();
        assert_eq!(sum, price.credits.micros(), "{:#?}", price.breakdown);
    }
}

fn quantities<'a>(quantities: &'a [(Driver, &'a str)]) -> Case<'a> {
    Case { quantities, ..Case::default() }
}

const PEAK: &str = r#"
[[windows]]
name = "peak"
active = true
factor = "1.5"
days = ["mon", "tue", "wed", "thu", "fri"]
from_hour = 9
to_hour = 17
utc_offset = "+01:00"
"#;

const IMAGE: &str = r#"
defaults = { width = 1024, height = 1024, steps = 25 }
rates = [{ driver = "images", credits = 5, factors = [{ width = 1024, height = 1024 }, { steps = 25 }] }]
"#;

#[test]
fn the_receipts_formula_reads_as_the_page_shows_it() {
    let catalog = card(&format!("{IMAGE}{PEAK}"));
    let steps = [(Driver::Images, "1"), (Driver::Steps, "30")];
    quantities(&steps).is(&catalog, "9", "5 (1024 × 1024) × 1.2 (30 steps) × 1.5 (peak) = 9");
    let price = quantities(&steps).price(&catalog).unwrap();
    assert_eq!(price.multiplier, "1.5");
    let lines: Vec<_> =
        price.breakdown.iter().map(|l| (l.label.as_str(), l.detail.as_str(), l.credits)).collect();
    let base = "5 × 1 image × (1024 × 1024) / (1024 × 1024) × 30 / 25 steps";
    assert_eq!(
        lines,
        [("Images", base, Credits::whole(6)), ("Time window: peak", "× 1.5", Credits::whole(3))]
    );
}

#[test]
fn a_formula_says_when_digits_were_cut_and_the_total_rounded() {
    let catalog = card(&IMAGE.replace("25", "30"));
    let case =
        [(Driver::Images, "2"), (Driver::Width, "512"), (Driver::Height, "512"), (Driver::Steps, "50")];
    quantities(&case).is(&catalog, "4.166667", "2.5 (2 images, 512 × 512) × 1.666666… (50 steps) ≈ 4.166667");
    let last = quantities(&case).price(&catalog).unwrap().breakdown.pop().unwrap();
    assert_eq!(last.label, "Rounding");
    assert_eq!(last.detail, "4.166666666… to the nearest 0.000001");
    assert_eq!(last.credits, Credits::from_micros(1));
}

#[test]
fn a_window_holds_its_local_hours_and_days_only() {
    let catalog = card(&format!("{IMAGE}{PEAK}"));
    let cases = [
        ("2026-03-04T07:59:59.999999Z", "5"),
        ("2026-03-04T08:00:00Z", "7.5"),
        ("2026-03-04T15:59:59Z", "7.5"),
        ("2026-03-04T16:00:00Z", "5"),
        ("2026-03-06T12:00:00Z", "7.5"),
        ("2026-03-07T12:00:00Z", "5"),
    ];
    for (at, credits) in cases {
        let price = Case { at, ..quantities(&[(Driver::Images, "1")]) }.price(&catalog).unwrap();
        assert_eq!(price.credits.to_string(), credits, "{at}");
    }
}

#[test]
fn the_first_window_wins_and_others_do_not_add_up() {
    let second = PEAK.replace("1.5", "3").replace("peak", "rush");
    let case = quantities(&[(Driver::Images, "1")]);
    assert_eq!(case.price(&card(&format!("{IMAGE}{PEAK}{second}"))).unwrap().multiplier, "1.5");
    assert_eq!(case.price(&card(&format!("{IMAGE}{second}{PEAK}"))).unwrap().multiplier, "3");
    let off = PEAK.replace("active = true", "active = false");
    assert_eq!(case.price(&card(&format!("{IMAGE}{off}{second}"))).unwrap().multiplier, "3");
    let elsewhere =
        format!("{PEAK}features = [\"g\"]\n[features.g]\nname = \"G\"\n[features.g.models.m]\n{IMAGE}");
    assert_eq!(case.price(&card(&format!("{IMAGE}{elsewhere}"))).unwrap().multiplier, "1");
}

const OPTIONS: &str = r#"
rates = [{ driver = "seconds", credits = 2, per = 10 }]
options.codec = { h264 = 1, av1 = "1.5" }
options.quality = { draft = "0.5", final = 2 }
"#;

#[test]
fn options_multiply_and_unknown_values_are_refused_by_name() {
    let catalog = card(OPTIONS);
    let with = |codec: &str, quality: &str| {
        let (codec, quality) = (Some(codec.to_owned()), Some(quality.to_owned()));
        let options = Options { codec, quality, style: Some("ignored".to_owned()), ..Options::default() };
        Case { options, ..quantities(&[(Driver::Seconds, "15")]) }
    };
    quantities(&[(Driver::Seconds, "15")]).is(&catalog, "3", "3 (15 seconds) = 3");
    with("av1", "final").is(&catalog, "9", "3 (15 seconds) × 1.5 (codec av1) × 2 (quality final) = 9");
    with("h264", "draft").is(&catalog, "1.5", "3 (15 seconds) × 0.5 (quality draft) = 1.5");
    assert_eq!(
        with("av1", "final").price(&catalog).unwrap().multiplier,
        "1",
        "options are not the multiplier"
    );
    let error = with("vp8", "final").price(&catalog).unwrap_err();
    assert_eq!(error.field(), "options.codec");
    assert_eq!(error.to_string(), "has no value \"vp8\" for this model; known are av1, h264");
}

#[test]
fn rates_add_up_and_plan_and_complexity_multiply_the_sum() {
    let catalog = card(
        r#"
        defaults = { cached_input_tokens = 0 }
        rates = [
            { driver = "input_tokens", credits = "0.3", per = 1000 },
            { driver = "cached_input_tokens", credits = "0.03", per = 1000 },
            { driver = "output_tokens", credits = "1.5", per = 1000 },
        ]
        complexity = [{ from = 30, factor = "1.1" }, { from = 60, factor = "1.25" }]
        "#,
    );
    let tokens =
        [(Driver::InputTokens, "1000"), (Driver::CachedInputTokens, "2000"), (Driver::OutputTokens, "200")];
    let sum = "0.3 (1000 input tokens) + 0.06 (2000 cached input tokens) + 0.3 (200 output tokens)";
    quantities(&tokens).is(&catalog, "0.66", &format!("{sum} = 0.66"));
    let case = Case { plan: "saver", complexity: Some(75), ..quantities(&tokens) };
    case.is(&catalog, "0.66", &format!("({sum}) × 1.25 (complexity 75) × 0.8 (saver plan) = 0.66"));
    let case = Case { plan: "saver", complexity: Some(59), ..quantities(&tokens) };
    assert_eq!(case.price(&catalog).unwrap().multiplier, "0.88");
    let case = Case { complexity: Some(29), ..quantities(&tokens) };
    assert_eq!(case.price(&catalog).unwrap().multiplier, "1");
    let missing = quantities(&tokens[..2]).price(&catalog).unwrap_err();
    assert_eq!(missing.field(), "quantities.output_tokens", "no default: must be said");
}

#[test]
fn tiers_are_graduated_within_one_request() {
    let catalog = card(
        r#"
        minimum = "0.5"
        [[features.f.models.m.rates]]
        driver = "pages"
        tiers = [{ up_to = 10, credits = "0.2" }, { up_to = 100, credits = "0.1" }, { credits = "0.05" }]
        "#,
    );
    let pages = |n: &'static str, credits: &str, formula: &str| {
        quantities(&[(Driver::Pages, n)]).is(&catalog, credits, formula);
    };
    pages("0", "0", "0 = 0");
    pages("1", "0.5", "0.2 (1 page), at least 0.5 (minimum) = 0.5");
    pages("10", "2", "2 (10 pages) = 2");
    pages("11", "2.1", "2 (10 pages) + 0.1 (1 page) = 2.1");
    pages("100", "11", "2 (10 pages) + 9 (90 pages) = 11");
    pages("300", "21", "2 (10 pages) + 9 (90 pages) + 10 (200 pages) = 21");
    let labels = quantities(&[(Driver::Pages, "300")]).price(&catalog).unwrap().breakdown;
    let labels: Vec<_> = labels.into_iter().map(|line| line.label).collect();
    assert_eq!(labels, ["Pages up to 10", "Pages up to 100", "Pages beyond"]);
}

#[test]
fn rule_rounding_happens_once_half_away_from_zero() {
    // Two lines of half a micro-credit each are one micro-credit; rounded one by one they would be two.
    let catalog = card(
        r#"
        defaults = { images = 0 }
        rates = [
            { driver = "pages", credits = "0.000001", per = 2 },
            { driver = "images", credits = "0.000001", per = 2 },
        ]
        "#,
    );
    quantities(&[(Driver::Pages, "1")]).is(&catalog, "0.000001", "0.000000… (1 page) ≈ 0.000001");
    let both = [(Driver::Pages, "1"), (Driver::Images, "1")];
    let price = quantities(&both).price(&catalog).unwrap();
    assert_eq!(price.credits, Credits::from_micros(1));
    assert!(price.breakdown.iter().all(|line| line.label != "Rounding"), "nothing was rounded");
}

#[test]
fn a_coarser_step_is_the_cards() {
    let text =
        format!("{HEAD}[features.f.models.m]\nrates = [{{ driver = \"pages\", credits = \"0.125\" }}]");
    let catalog =
        Catalog::parse(&text.replace("name = \"test\"", "name = \"test\"\nround_to = \"0.25\"")).unwrap();
    let pages = |n: &'static str, credits: &str, formula: &str| {
        quantities(&[(Driver::Pages, n)]).is(&catalog, credits, formula);
    };
    pages("1", "0.25", "0.125 (1 page) ≈ 0.25");
    pages("2", "0.25", "0.25 (2 pages) = 0.25");
    pages("0.9", "0", "0.1125 (0.9 pages) ≈ 0");
    let last = quantities(&[(Driver::Pages, "0.9")]).price(&catalog).unwrap().breakdown.pop().unwrap();
    assert_eq!((last.label.as_str(), last.credits), ("Rounding", Credits::from_micros(-112_500)));
}

#[test]
fn a_request_is_one_request_without_saying_so() {
    let catalog = card("rates = [{ driver = \"requests\", credits = 3 }]\nmax_factor = \"2.5\"");
    let price = quantities(&[]).price(&catalog).unwrap();
    assert_eq!(price.formula, "3 (1 request) = 3");
    assert_eq!((price.credits, price.credits_max), (Credits::whole(3), "7.5".parse().unwrap()));
    quantities(&[(Driver::Requests, "4")]).is(&catalog, "12", "12 (4 requests) = 12");
}

#[test]
fn a_price_that_does_not_fit_is_an_error_that_says_so() {
    let catalog = card(
        r#"
        rates = [{ driver = "frames", credits = 1000000000, per = "0.000001", factors = [
            { width = "0.000001", height = "0.000001" }, { fps = "0.000003" }, { steps = 7 },
        ] }]
        "#,
    );
    let most = ["1000000000000"; 5];
    let drivers = [Driver::Frames, Driver::Width, Driver::Height, Driver::Fps, Driver::Steps];
    let case: Vec<_> = drivers.into_iter().zip(most).collect();
    assert_eq!(quantities(&case).price(&catalog), Err(PriceError::TooLarge));
    let plain = card("rates = [{ driver = \"images\", credits = 1 }]");
    let price = |n| quantities(&[(Driver::Images, n)]).price(&plain).map(|p| p.credits);
    assert_eq!(price("1000000000"), Ok(Credits::INPUT_MAX));
    assert_eq!(price("1000000000.000001"), Err(PriceError::TooLarge));
    assert_eq!(PriceError::TooLarge.field(), "quantities");
}

#[test]
fn a_price_is_stored_and_read_back_as_it_was() {
    let catalog = card(&format!("{IMAGE}{PEAK}"));
    let price = quantities(&[(Driver::Images, "1")]).price(&catalog).unwrap();
    assert_eq!(toml::from_str::<Price>(&toml::to_string(&price).unwrap()).unwrap(), price);
}
