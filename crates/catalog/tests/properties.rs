//! Properties over random cards and random asks, against a price worked out in plain integers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use catalog::{Ask, Catalog, DEMO, Options, price};
use kernel::{Amount, Driver, Quantities, Timestamp};
use proptest::prelude::*;

/// A card whose price is small enough to be worked out in plain integers.
#[derive(Clone, Debug)]
struct Card {
    /// (millionths of a credit, per in thousandths)
    rates: Vec<(i64, i64)>,
    steps_base: i64,
    plan_percent: i64,
    minimum_micros: i64,
    round_to_micros: i64,
}

const DRIVERS: [Driver; 4] =
    [Driver::InputTokens, Driver::CachedInputTokens, Driver::OutputTokens, Driver::Seconds];

fn decimal(millionths: i64) -> String {
    format!("\"{}.{:06}\"", millionths / 1_000_000, millionths % 1_000_000)
}

impl Card {
    fn toml(&self) -> String {
        let mut text = format!(
            "[rate_card]\nname = \"t\"\nround_to = {}\n[plans.payg]\nname = \"P\"\nentitles = [\"*\"]\nprice_factor = {}\n\
             [features.f]\nname = \"F\"\n[features.f.models.m]\nminimum = {}\n",
            decimal(self.round_to_micros),
            decimal(self.plan_percent * 10_000),
            decimal(self.minimum_micros),
        );
        for (i, (credits, per)) in self.rates.iter().enumerate() {
            let factor =
                if i == 0 { format!("factors = [{{ steps = {} }}]", self.steps_base) } else { String::new() };
            text += &format!(
                "[[features.f.models.m.rates]]\ndriver = \"{}\"\ncredits = {}\nper = {}\n{factor}\n",
                DRIVERS[i],
                decimal(*credits),
                decimal(*per * 1000),
            );
        }
        text
    }

    /// The price in micro-credits: everything over one common denominator, divided once at the end.
    fn oracle(&self, amounts: &[i64], steps: i64) -> i128 {
        let common: i128 = self.rates.iter().map(|(_, per)| i128::from(*per)).product::<i128>()
            * i128::from(self.steps_base)
            * 100_000;
        let mut sum = 0i128;
        for (i, (credits, per)) in self.rates.iter().enumerate() {
            let share = common / (i128::from(*per) * i128::from(self.steps_base) * 100_000);
            let steps = if i == 0 { steps } else { self.steps_base };
            sum += i128::from(*credits)
                * i128::from(amounts[i])
                * share
                * i128::from(steps)
                * i128::from(self.plan_percent);
        }
        if sum > 0 {
            sum = sum.max(i128::from(self.minimum_micros) * common);
        }
        let step = common * i128::from(self.round_to_micros);
        (2 * sum + step) / (2 * step) * i128::from(self.round_to_micros)
    }
}

fn cards() -> impl Strategy<Value = Card> {
    let rate = (0i64..3_000_000, 1i64..2_000);
    let minimum = prop_oneof![Just(0i64), 1i64..5_000_000];
    let round_to = prop_oneof![Just(1i64), Just(1000), Just(250_000), 1i64..1_000_000];
    (prop::collection::vec(rate, 1..=4), 1i64..60, 0i64..300, minimum, round_to).prop_map(
        |(rates, steps_base, plan_percent, minimum_micros, round_to_micros)| Card {
            rates,
            steps_base,
            plan_percent,
            minimum_micros,
            round_to_micros,
        },
    )
}

fn quantities(amounts: &[i64], steps: i64) -> Quantities {
    let mut all: Quantities =
        DRIVERS.into_iter().zip(amounts.iter().map(|a| Amount::from_millionths(*a).unwrap())).collect();
    all.set(Driver::Steps, Amount::whole(steps.unsigned_abs()).unwrap());
    all
}

fn ask<'a>(quantities: &'a Quantities, options: &'a Options) -> Ask<'a> {
    let at = Timestamp::EPOCH;
    Ask { feature: "f", model: "m", quantities, options, plan: "payg", at, prompt_complexity: None }
}

fn config() -> ProptestConfig {
    let cases = if std::env::var_os("CI").is_some() { 4096 } else { 512 };
    // A failure prints its input; a found bug becomes a test of its own, not a file of seeds.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn prices_are_those_of_an_oracle_and_lines_add_up_to_them(
        card in cards(), amounts in prop::array::uniform4(0i64..5_000_000_000), steps in 0i64..100,
    ) {
        let catalog = Catalog::parse(&card.toml()).unwrap();
        let (quantities, options) = (quantities(&amounts, steps), Options::default());
        let price = price(&catalog, &ask(&quantities, &options));
        let expected = card.oracle(&amounts, steps);
        if expected > 1_000_000_000_000_000 {
            prop_assert!(price.is_err());
            return Ok(());
        }
        let price = price.unwrap();
        prop_assert_eq!(i128::from(price.credits.micros()), expected);
        let sum: i64 = price.breakdown.iter().map(|line| line.credits.micros()).sum();
        prop_assert_eq!(sum, price.credits.micros());
        prop_assert!(price.credits_max >= price.credits);
    }

    #[test]
    fn more_of_a_quantity_never_costs_less(
        card in cards(), amounts in prop::array::uniform4(0i64..2_000_000_000), which in 0usize..5,
        more in 1i64..1_000_000_000, steps in 0i64..100,
    ) {
        let catalog = Catalog::parse(&card.toml()).unwrap();
        let options = Options::default();
        let credits = |amounts: &[i64], steps| {
            price(&catalog, &ask(&quantities(amounts, steps), &options)).ok().map(|p| p.credits)
        };
        let before = credits(&amounts, steps);
        let after = match which {
            4 => credits(&amounts, steps + more % 50),
            i => {
                let mut larger = amounts;
                larger[i] += more;
                credits(&larger, steps)
            }
        };
        // Too large is more than every price.
        prop_assert!(after.is_none() || before.is_some_and(|before| Some(before) <= after));
    }

    #[test]
    fn no_quantity_makes_the_demo_panic(
        given in prop::collection::btree_map(prop::sample::select(Driver::ALL.to_vec()), 0i64..=Amount::MAX.millionths(), 0..21),
    ) {
        let catalog = Catalog::demo().unwrap();
        let quantities: Quantities =
            given.into_iter().map(|(d, a)| (d, Amount::from_millionths(a).unwrap())).collect();
        let options = Options::default();
        for feature in catalog.features() {
            for model in feature.models.keys() {
                let ask = Ask { feature: &feature.id, model, ..ask(&quantities, &options) };
                if let Ok(price) = price(&catalog, &ask) {
                    let sum: i64 = price.breakdown.iter().map(|line| line.credits.micros()).sum();
                    prop_assert_eq!(sum, price.credits.micros());
                    let _ = catalog::alternatives(&catalog, &ask, &price);
                }
            }
        }
    }

    #[test]
    fn no_mutation_of_the_document_panics(
        edits in prop::collection::vec((0usize..DEMO.len(), 0usize..40, "[\\[\\]{}=\"',.#\n0-9a-z -]{0,6}"), 1..4),
    ) {
        let mut text = DEMO.to_owned();
        for (start, len, insert) in edits {
            let start = text.floor_char_boundary(start.min(text.len()));
            let end = text.floor_char_boundary((start + len).min(text.len()));
            text.replace_range(start..end.max(start), &insert);
        }
        if let Err(errors) = Catalog::parse(&text) {
            prop_assert!(!errors.is_empty());
            prop_assert!(errors.iter().all(|e| !e.field.is_empty() && !e.message.is_empty()), "{:?}", errors);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = Catalog::parse(&text);
    }
}
