use std::collections::BTreeMap;

use crate::price::fits;
use crate::{Ask, Catalog, Model, Plan, PriceError, Ratio};

/// Something that multiplies the whole sum of rates.
#[derive(Clone, Debug)]
pub(crate) struct Multiplier {
    /// The label of its line, such as `Time window: peak`.
    pub label: &'static str,
    /// Its name inside of a formula, such as `peak`.
    pub short: String,
    pub factor: Ratio,
    /// Options are part of what was asked for; plan, window and complexity are the quote's "multiplier".
    pub is_option: bool,
}

impl Multiplier {
    fn of_context(label: &'static str, short: String, factor: Ratio) -> Multiplier {
        Multiplier { label, short, factor, is_option: false }
    }
}

/// All multipliers that differ from one, in the order in which they are applied.
pub(crate) fn of(
    catalog: &Catalog,
    ask: &Ask<'_>,
    model: &Model,
    plan: &Plan,
) -> Result<Vec<Multiplier>, PriceError> {
    let mut all = of_options(ask, model)?;
    all.extend(of_complexity(ask, model));
    if !plan.price_factor.is_one() {
        all.push(Multiplier::of_context("Plan", format!("{} plan", plan.id), plan.price_factor));
    }
    all.extend(of_window(catalog, ask));
    all.retain(|multiplier| !multiplier.factor.is_one());
    Ok(all)
}

/// Plan × time window × complexity.
pub(crate) fn product(multipliers: &[Multiplier]) -> Result<Ratio, PriceError> {
    let factors = multipliers.iter().filter(|m| !m.is_option).map(|m| m.factor);
    factors.into_iter().try_fold(Ratio::ONE, |product, factor| fits(product.checked_mul(factor)))
}

fn of_options(ask: &Ask<'_>, model: &Model) -> Result<Vec<Multiplier>, PriceError> {
    let mut found = Vec::new();
    for (field, value) in ask.options.iter() {
        let (Some(value), Some(table)) = (value, model.options.get(field)) else { continue };
        let factor = option_factor(field, value, table)?;
        let short = format!("{field} {value}");
        found.push(Multiplier { label: "Option", short, factor, is_option: true });
    }
    Ok(found)
}

fn option_factor(
    field: &'static str,
    value: &str,
    table: &BTreeMap<String, Ratio>,
) -> Result<Ratio, PriceError> {
    table.get(value).copied().ok_or_else(|| PriceError::UnknownOption {
        field,
        value: value.to_owned(),
        known: table.keys().cloned().collect(),
    })
}

fn of_complexity(ask: &Ask<'_>, model: &Model) -> Option<Multiplier> {
    let score = ask.prompt_complexity?.score();
    let (_, factor) = model.complexity.iter().rfind(|(from, _)| *from <= score)?;
    Some(Multiplier::of_context("Prompt", format!("complexity {score}"), *factor))
}

/// The first window of the document that applies; windows do not add up.
fn of_window(catalog: &Catalog, ask: &Ask<'_>) -> Option<Multiplier> {
    let window = catalog.windows.iter().find(|w| w.applies(ask.feature, ask.at))?;
    if window.factor.is_one() {
        return None;
    }
    Some(Multiplier::of_context("Time window", window.name.clone(), window.factor))
}
