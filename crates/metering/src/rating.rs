use std::collections::BTreeMap;

use kernel::{Amount, AmountError, Driver, Quantities, QuantityError, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::number::read_amount;
use crate::{CONTEXT_NAMES, Event, Mapping, Measure, OPTION_NAMES, Path, Word};

/// As long as an option of the JSON API may be.
const OPTION_MAX_BYTES: usize = 255;

/// What was used, in our words. Whether the catalogue knows the feature and model is not decided here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub feature: String,
    pub model: String,
    /// Never empty.
    pub quantities: Quantities,
    /// By the names of [`OPTION_NAMES`].
    pub options: BTreeMap<String, String>,
    /// By the names of [`CONTEXT_NAMES`]; what is no text of a known name is left out, for it decides no price.
    pub context: BTreeMap<String, String>,
    /// The event's `time`; `None` leaves it to the instant of receipt.
    pub occurred_at: Option<Timestamp>,
}

/// A well-formed event that cannot be read as usage: stored, answered 204, charged nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unrated {
    pub reason: Reason,
}

/// What to mend in the settings or at the reporter, so that the event can be rated later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("no mapping is for events of type {kind:?}")]
    NoMapping { kind: String },
    #[error("no mapping of this event's type is for model {model:?}")]
    NoMappingForModel { model: String },
    #[error("the event has no text at {path}")]
    NoText { path: Path },
    #[error("the event has no object at {path}")]
    NoObject { path: Path },
    #[error("{path}.{name} {error}")]
    Quantity { path: Path, name: String, error: QuantityError },
    #[error("{path} {error}")]
    Number { path: Path, error: AmountError },
    #[error("{path} is less than what is to be taken off it")]
    BelowZero { path: Path },
    #[error("{path}.{name} is not an option with a text")]
    Option { path: Path, name: String },
    #[error("the event holds none of the quantities of its mapping")]
    NoQuantities,
}

impl From<Reason> for Unrated {
    fn from(reason: Reason) -> Unrated {
        Unrated { reason }
    }
}

/// Reads an event as usage by the first mapping that is for its type and model.
pub fn usage_of(event: &Event, mappings: &[Mapping]) -> Result<Usage, Unrated> {
    let (mapping, model) = choose(event, mappings)?;
    let feature = word(&mapping.feature, event)?.to_owned();
    let quantities = quantities(event, mapping)?;
    if quantities.is_empty() {
        return Err(Reason::NoQuantities.into());
    }
    Ok(Usage {
        feature,
        model,
        quantities,
        options: options(event, mapping)?,
        context: context(event, mapping),
        occurred_at: event.time,
    })
}

/// The event's data as it may be kept: without prompt, address and agent, wherever a mapping of its type
/// says that they stand.
pub fn without_context(event: &Event, mappings: &[Mapping]) -> Value {
    let mut data = event.data.clone();
    for path in mappings.iter().filter(|m| m.kind == event.kind).filter_map(|m| m.context_at.as_ref()) {
        if let Some(told) = path.value_in(&mut data) {
            *told = Value::Null;
        }
    }
    data
}

fn choose<'m>(event: &Event, mappings: &'m [Mapping]) -> Result<(&'m Mapping, String), Reason> {
    let mut refusal = Reason::NoMapping { kind: event.kind.clone() };
    for mapping in mappings.iter().filter(|mapping| mapping.kind == event.kind) {
        refusal = match word(&mapping.model, event).map(|reported| mapping.model_named(reported)) {
            Ok(model) if mapping.is_for(&model) => return Ok((mapping, model)),
            Ok(model) => Reason::NoMappingForModel { model },
            Err(reason) => reason,
        };
    }
    Err(refusal)
}

fn word<'a>(word: &'a Word, event: &'a Event) -> Result<&'a str, Reason> {
    match word {
        Word::Constant(text) => Ok(text),
        Word::Path(path) => path.text(event).ok_or_else(|| Reason::NoText { path: path.clone() }),
    }
}

fn quantities(event: &Event, mapping: &Mapping) -> Result<Quantities, Reason> {
    let mut quantities = match &mapping.quantities_at {
        Some(path) => own_quantities(path, object(event, path)?)?,
        None => Quantities::default(),
    };
    for (driver, measure) in &mapping.quantities {
        if let Some(amount) = measured(event, measure)? {
            quantities.set(*driver, amount);
        }
    }
    Ok(quantities)
}

/// Quantities under our own names; another name is refused as it is in a request.
fn own_quantities(path: &Path, values: &Map<String, Value>) -> Result<Quantities, Reason> {
    let read = |(name, value): (&String, &Value)| {
        let refuse = |error| Reason::Quantity { path: path.clone(), name: name.clone(), error };
        let driver: Driver = name.parse().map_err(refuse)?;
        Ok((driver, read_amount(value).map_err(|error| refuse(error.into()))?))
    };
    values.iter().filter(|(_, value)| !value.is_null()).map(read).collect()
}

/// `None` when the number is not in the event. A zero is there.
fn measured(event: &Event, measure: &Measure) -> Result<Option<Amount>, Reason> {
    let Some(amount) = number(event, &measure.path)? else { return Ok(None) };
    let below_zero = || Reason::BelowZero { path: measure.path.clone() };
    let mut rest = amount;
    for path in &measure.minus {
        let less = number(event, path)?.unwrap_or_default();
        rest = Amount::from_millionths(rest.millionths() - less.millionths()).ok_or_else(below_zero)?;
    }
    Ok(Some(rest))
}

fn number(event: &Event, path: &Path) -> Result<Option<Amount>, Reason> {
    let Some(value) = path.value(event) else { return Ok(None) };
    read_amount(value).map(Some).map_err(|error| Reason::Number { path: path.clone(), error })
}

fn options(event: &Event, mapping: &Mapping) -> Result<BTreeMap<String, String>, Reason> {
    let Some(path) = &mapping.options_at else { return Ok(BTreeMap::new()) };
    if path.value(event).is_none() {
        return Ok(BTreeMap::new());
    }
    let read = |(name, value): (&String, &Value)| match value.as_str() {
        Some(text) if OPTION_NAMES.contains(&name.as_str()) && text.len() <= OPTION_MAX_BYTES => {
            Ok((name.clone(), text.to_owned()))
        }
        _ => Err(Reason::Option { path: path.clone(), name: name.clone() }),
    };
    object(event, path)?.iter().filter(|(_, value)| !value.is_null()).map(read).collect()
}

fn context(event: &Event, mapping: &Mapping) -> BTreeMap<String, String> {
    let told = mapping.context_at.as_ref().and_then(|path| path.value(event)?.as_object());
    let read = |(name, value): (&String, &Value)| {
        let text = value.as_str().filter(|_| CONTEXT_NAMES.contains(&name.as_str()))?;
        Some((name.clone(), text.to_owned()))
    };
    told.into_iter().flatten().filter_map(read).collect()
}

fn object<'e>(event: &'e Event, path: &Path) -> Result<&'e Map<String, Value>, Reason> {
    path.value(event).and_then(Value::as_object).ok_or_else(|| Reason::NoObject { path: path.clone() })
}
