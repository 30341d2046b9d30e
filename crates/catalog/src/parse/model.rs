use std::collections::BTreeMap;

use kernel::{Amount, Credits, Driver, Quantities};
use toml::{Table, Value};

use super::feature::check_model_id;
use super::section::Section;
use super::value;
use crate::{Complexity, Factor, Model, OPTION_NAMES, Rate, Ratio, Tier};

pub(super) fn read_model(id: &str, mut section: Section<'_>) -> Option<Model> {
    check_model_id(id, &section);
    let name = section.optional("name", value::text).unwrap_or_else(|| id.to_owned());
    let rates = read_rates(&mut section);
    let defaults = section.optional("defaults", read_quantities).unwrap_or_default();
    let max = section.optional("max", read_quantities).unwrap_or_default();
    let max_factor = section.optional("max_factor", read_max_factor).unwrap_or(Ratio::ONE);
    let minimum = section.optional("minimum", value::credits).unwrap_or(Credits::ZERO);
    let options = read_options(&mut section);
    let complexity = read_complexity(&mut section);
    let model = Model {
        id: id.to_owned(),
        name,
        rates: rates?,
        defaults,
        max,
        max_factor,
        minimum,
        options,
        complexity,
    };
    check_drivers(&section, &model);
    section.finish();
    Some(model)
}

fn read_rates(section: &mut Section<'_>) -> Option<Vec<Rate>> {
    let rates: Vec<Option<Rate>> = section.list("rates").into_iter().map(read_rate).collect();
    if rates.is_empty() {
        section.complain("rates", "is empty; a price needs at least one rate");
        return None;
    }
    rates.into_iter().collect()
}

fn read_rate(mut section: Section<'_>) -> Option<Rate> {
    let driver = section.required("driver", read_driver);
    let per = section.optional("per", value::positive_amount).or(Amount::whole(1));
    let tiers = read_tiers(&mut section);
    let factors = read_factors(&mut section);
    let uses_own_driver = factors.iter().flatten().flat_map(|f| &f.0).any(|(used, _)| Some(*used) == driver);
    if uses_own_driver {
        section.complain("factors", "must not repeat the rate's own driver");
    }
    section.finish();
    Some(Rate { driver: driver?, per: per?, tiers: tiers?, factors: factors? })
}

/// Either `credits = 5`, or graduated `tiers`.
fn read_tiers(section: &mut Section<'_>) -> Option<Vec<Tier>> {
    let (has_credits, has_tiers) = (section.has("credits"), section.has("tiers"));
    let tiers: Option<Vec<Tier>> = section.list("tiers").into_iter().map(read_tier).collect();
    if !has_tiers {
        let credits = section.required("credits", value::credits)?;
        return Some(vec![Tier { up_to: None, credits }]);
    }
    if has_credits {
        section.optional("credits", value::credits);
        section.complain("tiers", "must not stand beside credits; keep one of them");
        return None;
    }
    check_tiers(section, tiers?)
}

fn check_tiers(section: &Section<'_>, tiers: Vec<Tier>) -> Option<Vec<Tier>> {
    let ends = || tiers.iter().map(|tier| tier.up_to);
    let is_ascending = ends().zip(ends().skip(1)).all(|(a, b)| b.is_none() || a < b);
    let is_open = ends().next_back() == Some(None) && ends().filter(Option::is_none).count() == 1;
    if is_ascending && is_open {
        return Some(tiers);
    }
    section.complain("tiers", "must have rising up_to, and none in the last tier only");
    None
}

fn read_tier(mut section: Section<'_>) -> Option<Tier> {
    let up_to = section.optional("up_to", value::positive_amount);
    let credits = section.required("credits", value::credits);
    section.finish();
    Some(Tier { up_to, credits: credits? })
}

/// `factors = [{ width = 1024, height = 1024 }, { steps = 30 }]`
fn read_factors(section: &mut Section<'_>) -> Option<Vec<Factor>> {
    let read = |value: &Value| {
        let tables = value.as_array().ok_or("must be a list such as [{ steps = 30 }]")?;
        tables.iter().map(read_factor).collect::<Result<Vec<Factor>, String>>()
    };
    section.or_default("factors", read)
}

fn read_factor(value: &Value) -> Result<Factor, String> {
    let table =
        value.as_table().filter(|t| !t.is_empty()).ok_or("must hold tables such as { steps = 30 }")?;
    let read = |(name, base): (&String, &Value)| {
        let base = value::positive_amount(base).map_err(|message| format!("has {name}, which {message}"))?;
        Ok((driver_named(name)?, base))
    };
    let mut bases = table.iter().map(read).collect::<Result<Vec<_>, String>>()?;
    bases.sort();
    Ok(Factor(bases))
}

fn read_driver(value: &Value) -> Result<Driver, String> {
    driver_named(value.as_str().ok_or("must be the name of a quantity")?)
}

fn driver_named(name: &str) -> Result<Driver, String> {
    name.parse().map_err(|error| format!("names {name:?}, which {error}"))
}

fn read_quantities(value: &Value) -> Result<Quantities, String> {
    let table = value.as_table().ok_or("must be a table such as { steps = 30 }")?;
    let read = |(name, amount): (&String, &Value)| {
        let amount = value::amount(amount).map_err(|message| format!("has {name}, which {message}"))?;
        Ok((driver_named(name)?, amount))
    };
    table.iter().map(read).collect()
}

fn read_max_factor(value: &Value) -> Result<Ratio, String> {
    let factor = value::amount(value)?;
    if Some(factor) < Amount::whole(1) {
        return Err("must be 1 or more: the worst case is not cheaper than the expected one".to_owned());
    }
    Ok(Ratio::millionths(factor.millionths()))
}

/// `options.quality = { standard = 1, hd = 2 }`
fn read_options(section: &mut Section<'_>) -> BTreeMap<&'static str, BTreeMap<String, Ratio>> {
    let mut options = BTreeMap::new();
    for (name, value) in section.entries("options") {
        let path = format!("options.{name}");
        let Some(field) = OPTION_NAMES.into_iter().find(|known| *known == name) else {
            section.complain(&path, &format!("is not an option; known are {}", OPTION_NAMES.join(", ")));
            continue;
        };
        match read_option_factors(&value) {
            Ok(factors) => drop(options.insert(field, factors)),
            Err(message) => section.complain(&path, &message),
        }
    }
    options
}

fn read_option_factors(value: &Value) -> Result<BTreeMap<String, Ratio>, String> {
    let wrong = "must be a table of factors such as { standard = 1, hd = 2 }";
    let table: &Table = value.as_table().filter(|t| !t.is_empty()).ok_or(wrong)?;
    let read = |(name, factor): (&String, &Value)| {
        let factor = value::factor(factor).map_err(|message| format!("has {name}, which {message}"))?;
        Ok((name.clone(), factor))
    };
    table.iter().map(read).collect()
}

/// `complexity = [{ from = 40, factor = "1.2" }]`; below the first step the factor is one.
fn read_complexity(section: &mut Section<'_>) -> Vec<(u8, Ratio)> {
    let steps: Option<Vec<_>> = section.list("complexity").into_iter().map(read_complexity_step).collect();
    let steps = steps.unwrap_or_default();
    if !steps.is_sorted_by(|a, b| a.0 < b.0) {
        section.complain("complexity", "must have rising from");
    }
    steps
}

fn read_complexity_step(mut section: Section<'_>) -> Option<(u8, Ratio)> {
    let read_score = |value: &Value| {
        let score = value.as_integer().and_then(|n| u8::try_from(n).ok());
        let score = score.and_then(|n| Complexity::try_from(n).ok());
        score.map(Complexity::score).ok_or_else(|| "must be a whole number from 0 to 100".to_owned())
    };
    let from = section.required("from", read_score);
    let factor = section.required("factor", value::factor);
    section.finish();
    Some((from?, factor?))
}

/// A default or maximum that no rate looks at is a mistake in the card.
fn check_drivers(section: &Section<'_>, model: &Model) {
    for (field, quantities) in [("defaults", &model.defaults), ("max", &model.max)] {
        for (driver, _) in quantities.iter().filter(|(d, _)| !model.drivers().any(|used| used == *d)) {
            section
                .complain(&format!("{field}.{driver}"), "is not used by any rate of this model; remove it");
        }
    }
}
