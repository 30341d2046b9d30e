//! Prices in words: labels, line details and the one-line formula of a receipt.

use std::sync::LazyLock;

use kernel::{Amount, Driver, Quantities};

use crate::multiplier::Multiplier;
use crate::rate::amount_ratio;
use crate::tally::Tally;
use crate::{Factor, Model, Rate, Ratio, Tier};

/// Digits after the point in a formula; the line's detail holds the undivided numbers.
const FORMULA_DIGITS: usize = 6;
/// What most details have room in.
const ROOM: usize = 64;

/// `Images`, or `Pages up to 100` where the price depends on how many.
pub(crate) fn label(rate: &Rate, tier: &Tier) -> String {
    let mut name = words(rate.driver).to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    match (rate.tiers.len(), tier.up_to) {
        (1, _) => {}
        (_, Some(end)) => {
            name += " up to ";
            end.push_to(&mut name);
        }
        (_, None) => name += " beyond",
    }
    name
}

/// The step with every number as it went in: `5 × 2 images × (512 × 512) / (1024 × 1024) × 50 / 30 steps`.
pub(crate) fn detail(rate: &Rate, tier: &Tier, part: Amount, quantities: &Quantities) -> String {
    let mut text = String::with_capacity(ROOM);
    tier.credits.push_to(&mut text);
    text += " × ";
    part.push_to(&mut text);
    if Some(rate.per) != Amount::whole(1) {
        text += " / ";
        rate.per.push_to(&mut text);
    }
    text += " ";
    text += unit(rate.driver, part);
    for factor in &rate.factors {
        text += " × ";
        text += &factor_detail(factor, quantities);
    }
    text
}

/// `5 (1024 × 1024) × 1.2 (30 steps) × 1.5 (peak) = 9`; `≈` where the total was rounded.
pub(crate) fn of(
    model: &Model,
    quantities: &Quantities,
    multipliers: &[Multiplier],
    tally: &Tally,
) -> String {
    let mut text = String::with_capacity(2 * ROOM);
    let mut terms = 0;
    for rate in &model.rates {
        terms += add_terms(&mut text, rate, quantities);
    }
    match terms {
        0 => text += "0",
        2.. if !multipliers.is_empty() => text = format!("({text})"),
        _ => {}
    }
    for multiplier in multipliers {
        text.extend([" × ", &multiplier.factor.decimal(FORMULA_DIGITS), " (", &multiplier.short, ")"]);
    }
    if let Some(minimum) = tally.minimum {
        text += ", at least ";
        minimum.push_to(&mut text);
        text += " (minimum)";
    }
    text += if tally.is_rounded { " ≈ " } else { " = " };
    tally.total.push_to(&mut text);
    text
}

/// Adds a term for each tier that the quantity reaches, with a plus before all but the first of the text;
/// answers how many.
fn add_terms(text: &mut String, rate: &Rate, quantities: &Quantities) -> usize {
    let quantity = quantities.get(rate.driver).unwrap_or_default();
    let used = rate.slices(quantity).filter(|(_, part)| part.millionths() > 0);
    used.map(|(tier, part)| {
        if !text.is_empty() {
            *text += " + ";
        }
        add_term(text, rate, tier, part, quantities);
    })
    .count()
}

fn add_term(text: &mut String, rate: &Rate, tier: &Tier, part: Amount, quantities: &Quantities) {
    let (sizes, others): (Vec<&Factor>, Vec<&Factor>) = rate.factors.iter().partition(|f| f.is_size());
    let base = amount_ratio(part, rate.per)
        .and_then(|share| share.checked_mul(Ratio::millionths(tier.credits.micros())))
        .and_then(|base| sizes.iter().try_fold(base, |product, f| product.checked_mul(f.value(quantities)?)));
    text.extend([decimal(base).as_str(), " ("]);
    describe(text, rate.driver, part, &sizes, quantities);
    *text += ")";
    for factor in others {
        text.extend([" × ", &decimal(factor.value(quantities)), " (", &measured(factor, quantities), ")"]);
    }
}

/// Adds `2 images, 1024 × 1024`; a single picture is told by its size alone.
fn describe(text: &mut String, driver: Driver, part: Amount, sizes: &[&Factor], quantities: &Quantities) {
    let is_single = driver == Driver::Images && Some(part) == Amount::whole(1) && !sizes.is_empty();
    if !is_single {
        part.push_to(text);
        text.extend([" ", unit(driver, part)]);
    }
    for (n, factor) in sizes.iter().enumerate() {
        *text += if n == 0 && is_single { "" } else { ", " };
        *text += &measured(factor, quantities);
    }
}

/// `1024 × 1024`, `30 steps`.
fn measured(factor: &Factor, quantities: &Quantities) -> String {
    let amount = |driver: Driver| quantities.get(driver).unwrap_or_default();
    if factor.is_size() {
        return format!("{} × {}", amount(Driver::Width), amount(Driver::Height));
    }
    let parts =
        factor.0.iter().map(|(driver, _)| format!("{} {}", amount(*driver), unit(*driver, amount(*driver))));
    parts.collect::<Vec<_>>().join(" × ")
}

/// `(512 × 512) / (1024 × 1024)`, `50 / 30 steps`.
fn factor_detail(factor: &Factor, quantities: &Quantities) -> String {
    let amount = |driver: Driver| quantities.get(driver).unwrap_or_default();
    if factor.is_size() {
        let bases: Vec<String> = factor.0.iter().map(|(_, base)| base.to_string()).collect();
        return format!("({}) / ({})", measured(factor, quantities), bases.join(" × "));
    }
    let ratio =
        |(driver, base): &(Driver, Amount)| format!("{} / {base} {}", amount(*driver), words(*driver));
    factor.0.iter().map(ratio).collect::<Vec<_>>().join(" × ")
}

fn decimal(value: Option<Ratio>) -> String {
    value.map_or_else(|| "…".to_owned(), |v| v.decimal(FORMULA_DIGITS))
}

/// The driver's name in words, plural as it is listed: `input tokens`.
fn words(driver: Driver) -> &'static str {
    static WORDS: LazyLock<[String; Driver::ALL.len()]> =
        LazyLock::new(|| Driver::ALL.map(|d| d.name().replace('_', " ")));
    WORDS.get(driver as usize).map_or(driver.name(), String::as_str)
}

/// The driver's name after a number: `1 image`, `2 images`.
fn unit(driver: Driver, amount: Amount) -> &'static str {
    let words = words(driver);
    let is_single = Some(amount) == Amount::whole(1) && driver != Driver::Fps;
    words.strip_suffix('s').filter(|_| is_single).unwrap_or(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_told_by_its_own_name() {
        for driver in Driver::ALL {
            assert_eq!(words(driver), driver.name().replace('_', " "));
        }
    }
}
