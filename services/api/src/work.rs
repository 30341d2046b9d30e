//! What is to be done or was done, and what it costs: shared by quotes, holds, usage and receipts.

use app::{Context, Priced, Work};
use catalog::{Options, PriceLine};
use kernel::{Amount, Credits, Quantities};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Number;
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

/// Quantities by name, as JSON numbers with the digits that they have.
pub struct QuantityMap(pub Quantities);

impl Serialize for QuantityMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = |amount: Amount| match amount.as_whole() {
            Some(whole) => Ok(Number::from(whole)),
            None => serde_json::from_str(&amount.to_string()).map_err(S::Error::custom),
        };
        let mut members = serializer.serialize_map(None)?;
        for (driver, amount) in self.0.iter() {
            members.serialize_entry(driver.name(), &number(amount)?)?;
        }
        members.end()
    }
}

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
