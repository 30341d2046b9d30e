//! What is to be done or was done, and what it costs: shared by quotes, holds, usage and receipts.

use std::collections::BTreeMap;

use app::{Context, Priced, Work};
use catalog::{Options, PriceLine};
use kernel::{Credits, Quantities};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::amount::{QuantitiesInput, SignedCredits};
use crate::text::{ContextText, FeatureName, ModelName, OptionValue, Prompt};

/// Ways to do the work that can change its price.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Options)]
pub struct OptionsInput {
    codec: Option<OptionValue>,
    style: Option<OptionValue>,
    quality: Option<OptionValue>,
    operation: Option<OptionValue>,
}

/// Where the request came from. Of the prompt only its complexity is kept.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Context)]
pub struct ContextInput {
    ip: Option<ContextText>,
    user_agent: Option<ContextText>,
    device: Option<ContextText>,
    prompt: Option<Prompt>,
}

/// One step of a price; all steps add up to the price exactly.
#[derive(Serialize, ToSchema)]
pub struct BreakdownLine {
    /// Such as `Images` or `Rounding`.
    label: String,
    /// The step with its numbers.
    detail: String,
    /// Negative for discounts and rounding down.
    #[schema(value_type = SignedCredits)]
    credits: Credits,
}

/// The version of the rate card that made a price.
#[derive(Serialize, ToSchema)]
pub struct RateCardRef {
    #[schema(value_type = String, pattern = "^card_[1-9][0-9]*$")]
    id: String,
    version: i64,
    name: String,
}

/// Quantities by name.
pub type QuantityMap = BTreeMap<&'static str, serde_json::Number>;

pub fn work(
    feature: FeatureName,
    model: ModelName,
    quantities: QuantitiesInput,
    options: Option<OptionsInput>,
) -> Work {
    Work {
        feature: feature.0,
        model: model.0,
        quantities: quantities.0,
        options: options.unwrap_or_default().into(),
    }
}

pub fn context(context: Option<ContextInput>) -> Context {
    let context = context.unwrap_or_default();
    Context {
        ip: context.ip.map(|t| t.0),
        user_agent: context.user_agent.map(|t| t.0),
        device: context.device.map(|t| t.0),
        prompt: context.prompt.map(|t| t.0),
    }
}

pub fn breakdown(lines: Vec<PriceLine>) -> Vec<BreakdownLine> {
    let line = |l: PriceLine| BreakdownLine { label: l.label, detail: l.detail, credits: l.credits };
    lines.into_iter().map(line).collect()
}

pub fn rate_card(priced: &Priced) -> RateCardRef {
    let card = &priced.rate_card;
    RateCardRef {
        id: app::catalogue::RateCardId(card.version).to_string(),
        version: card.version,
        name: card.name.clone(),
    }
}

/// As JSON numbers, written with the digits that they have.
pub fn quantities(quantities: &Quantities) -> QuantityMap {
    let number = |amount: kernel::Amount| match amount.as_whole() {
        Some(whole) => Some(whole.into()),
        None => serde_json::from_str(&amount.to_string()).ok(),
    };
    quantities.iter().filter_map(|(driver, amount)| Some((driver.name(), number(amount)?))).collect()
}

impl From<OptionsInput> for Options {
    fn from(options: OptionsInput) -> Options {
        Options {
            codec: options.codec.map(|v| v.0),
            style: options.style.map(|v| v.0),
            quality: options.quality.map(|v| v.0),
            operation: options.operation.map(|v| v.0),
        }
    }
}
