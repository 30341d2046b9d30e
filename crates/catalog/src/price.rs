use kernel::{Credits, Quantities, Timestamp};
use serde::{Deserialize, Serialize};

use crate::multiplier::{self, Multiplier};
use crate::tally::Tally;
use crate::{Catalog, Complexity, Feature, Model, Plan, PriceError, Ratio, formula};

/// What is to be priced. Whether the plan may use the model is not asked here ([`Plan::entitles`]).
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub feature: &'a str,
    pub model: &'a str,
    /// Quantities that the model's price does not use are ignored: one usage report serves many cards.
    pub quantities: &'a Quantities,
    pub options: &'a Options,
    pub plan: &'a str,
    /// Decides the time window; for late usage the instant at which it occurred.
    pub at: Timestamp,
    /// Only used by models with a complexity table.
    pub prompt_complexity: Option<Complexity>,
}

/// Ways to do the work that can change its price. An option that the model has no table for is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub style: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// A price that explains itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// The expected price; zero to [`Credits::INPUT_MAX`].
    pub credits: Credits,
    /// The worst case that the card knows of; equal to `credits` when it knows none, never less.
    pub credits_max: Credits,
    /// Adds up to `credits` exactly.
    pub breakdown: Vec<PriceLine>,
    /// Plan × time window × complexity as decimal text, `"1"` when none applies.
    pub multiplier: String,
    /// Such as `5 (1024 × 1024) × 1.2 (30 steps) × 1.5 (peak) = 9`.
    pub formula: String,
    /// What was given, with the card's defaults filled in.
    pub quantities: Quantities,
}

/// One step of a price, in whole micro-credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceLine {
    /// Such as `Images` or `Rounding`.
    pub label: String,
    /// The step with its numbers.
    pub detail: String,
    /// Negative for discounts and rounding down.
    pub credits: Credits,
}

impl Options {
    /// Name and value of each, in the order of [`crate::OPTION_NAMES`].
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        let values = [&self.codec, &self.style, &self.quality, &self.operation];
        crate::OPTION_NAMES.into_iter().zip(values.map(|value| value.as_deref()))
    }

    /// Sets the option of that name; `false` when there is none.
    pub fn set(&mut self, name: &str, value: String) -> bool {
        let slot = match name {
            "codec" => &mut self.codec,
            "style" => &mut self.style,
            "quality" => &mut self.quality,
            "operation" => &mut self.operation,
            _ => return false,
        };
        *slot = Some(value);
        true
    }
}

/// The price of a request.
///
/// Exact fractions all the way and one rounding, at the total, half away from zero, to the card's step
/// (rules.md, "Rounding"). Errors name the member of the request to mend.
pub fn price(catalog: &Catalog, ask: &Ask<'_>) -> Result<Price, PriceError> {
    let (_, model, plan) = find(catalog, ask)?;
    let quantities = model.fill(ask.quantities)?;
    let multipliers = multiplier::of(catalog, ask, model, plan)?;
    let mut tally = tally(Tally::with_lines(), model, &quantities, &multipliers, Ratio::ONE)?;
    let credits = tally.round(catalog.round_to)?;
    Ok(Price {
        credits,
        credits_max: worst_case(catalog, ask, model, &quantities, &multipliers)?.max(credits),
        multiplier: multiplier::product(&multipliers)?.decimal(18),
        formula: formula::of(model, &quantities, &multipliers, &tally),
        breakdown: tally.into_lines(),
        quantities,
    })
}

fn find<'c>(catalog: &'c Catalog, ask: &Ask<'_>) -> Result<(&'c Feature, &'c Model, &'c Plan), PriceError> {
    let known_features = || catalog.features().map(|f| f.id.clone()).collect();
    let known_plans = || catalog.plans().iter().map(|p| p.id.clone()).collect();
    let feature =
        catalog.feature(ask.feature).ok_or_else(|| PriceError::UnknownFeature { known: known_features() })?;
    let model = feature
        .model(ask.model)
        .ok_or_else(|| PriceError::UnknownModel { known: feature.models.keys().cloned().collect() })?;
    let plan = catalog.plan(ask.plan).ok_or_else(|| PriceError::UnknownPlan { known: known_plans() })?;
    Ok((feature, model, plan))
}

fn tally(
    mut tally: Tally,
    model: &Model,
    quantities: &Quantities,
    multipliers: &[Multiplier],
    headroom: Ratio,
) -> Result<Tally, PriceError> {
    for rate in &model.rates {
        tally.add_rate(rate, quantities)?;
    }
    for multiplier in multipliers {
        tally.multiply(multiplier)?;
    }
    tally.scale(headroom)?;
    tally.raise_to(model.minimum)?;
    Ok(tally)
}

/// The rounded total with every quantity that was left out at its largest, times the card's `max_factor`.
fn worst_case(
    catalog: &Catalog,
    ask: &Ask<'_>,
    model: &Model,
    expected: &Quantities,
    multipliers: &[Multiplier],
) -> Result<Credits, PriceError> {
    if model.max_factor.is_one() && model.max.iter().all(|(driver, _)| ask.quantities.get(driver).is_some()) {
        return Ok(Credits::ZERO);
    }
    let worst = model.fill_worst(ask.quantities, expected);
    tally(Tally::default(), model, &worst, multipliers, model.max_factor)?.round(catalog.round_to)
}

/// A step that did not fit.
pub(crate) fn fits(value: Option<Ratio>) -> Result<Ratio, PriceError> {
    value.ok_or(PriceError::TooLarge)
}
