//! Prices in words: labels, line details and the one-line formula of a receipt.

use kernel::{Amount, Driver, Quantities};

use crate::multiplier::Multiplier;
use crate::rate::amount_ratio;
use crate::tally::Tally;
use crate::{Factor, Model, Rate, Ratio, Tier};

/// Digits after the point in a formula; the line's detail holds the undivided numbers.
const FORMULA_DIGITS: usize = 6;

/// `Images`, or `Pages up to 100` where the price depends on how many.
pub(crate) fn label(rate: &Rate, tier: &Tier) -> String {
    let words = words(rate.driver);
    let name = words[..1].to_uppercase() + &words[1..];
    match (rate.tiers.len(), tier.up_to) {
        (1, _) => name,
        (_, Some(end)) => format!("{name} up to {end}"),
        (_, None) => format!("{name} beyond"),
    }
}

/// The step with every number as it went in: `5 × 2 images × (512 × 512) / (1024 × 1024) × 50 / 30 steps`.
pub(crate) fn detail(rate: &Rate, tier: &Tier, part: Amount, quantities: &Quantities) -> String {
    let per = if Some(rate.per) == Amount::whole(1) { String::new() } else { format!(" / {}", rate.per) };
    let mut text = format!("{} × {part}{per} {}", tier.credits, unit(rate.driver, part));
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
    let terms: Vec<String> = model.rates.iter().flat_map(|rate| terms(rate, quantities)).collect();
    let mut text = match terms.as_slice() {
        [] => "0".to_owned(),
        [term] => term.clone(),
        _ if multipliers.is_empty() => terms.join(" + "),
        _ => format!("({})", terms.join(" + ")),
    };
    for multiplier in multipliers {
        text += &format!(" × {} ({})", multiplier.factor.decimal(FORMULA_DIGITS), multiplier.short);
    }
    if let Some(minimum) = tally.minimum {
        text += &format!(", at least {minimum} (minimum)");
    }
    let equals = if tally.is_rounded { "≈" } else { "=" };
    format!("{text} {equals} {}", tally.total)
}

fn terms(rate: &Rate, quantities: &Quantities) -> Vec<String> {
    let quantity = quantities.get(rate.driver).unwrap_or_default();
    let used = rate.slices(quantity).into_iter().filter(|(_, part)| part.millionths() > 0);
    used.map(|(tier, part)| term(rate, tier, part, quantities)).collect()
}

fn term(rate: &Rate, tier: &Tier, part: Amount, quantities: &Quantities) -> String {
    let (sizes, others): (Vec<&Factor>, Vec<&Factor>) = rate.factors.iter().partition(|f| f.is_size());
    let base = amount_ratio(part, rate.per)
        .and_then(|share| share.checked_mul(Ratio::millionths(tier.credits.micros())))
        .and_then(|base| sizes.iter().try_fold(base, |product, f| product.checked_mul(f.value(quantities)?)));
    let mut text = format!("{} ({})", decimal(base), described(rate.driver, part, &sizes, quantities));
    for factor in others {
        text += &format!(" × {} ({})", decimal(factor.value(quantities)), measured(factor, quantities));
    }
    text
}

/// `2 images, 1024 × 1024`; a single picture is told by its size alone.
fn described(driver: Driver, part: Amount, sizes: &[&Factor], quantities: &Quantities) -> String {
    let count = format!("{part} {}", unit(driver, part));
    let is_single = driver == Driver::Images && Some(part) == Amount::whole(1) && !sizes.is_empty();
    let count = if is_single { None } else { Some(count) };
    let sizes = sizes.iter().map(|factor| measured(factor, quantities));
    count.into_iter().chain(sizes).collect::<Vec<_>>().join(", ")
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
fn words(driver: Driver) -> String {
    driver.name().replace('_', " ")
}

/// The driver's name after a number: `1 image`, `2 images`.
fn unit(driver: Driver, amount: Amount) -> String {
    let words = words(driver);
    let is_single = Some(amount) == Amount::whole(1) && driver != Driver::Fps;
    match words.strip_suffix('s') {
        Some(singular) if is_single => singular.to_owned(),
        _ => words,
    }
}
