use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::form;

/// The parameters of one call, with Stripe's words for what is wrong with them.
pub(crate) struct Params(Value);

const METADATA_MAX: usize = 50;
const TEXT_MAX_CHARS: usize = 5_000;

impl Params {
    pub fn parse(text: &[u8]) -> Result<Params, ApiError> {
        Ok(Params(Value::Object(form::parse(text)?)))
    }

    /// Refuses parameters that this call does not read, so that nothing is ignored in silence.
    pub fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let unknown = self
            .0
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
            .find(|name| !known.contains(&name.as_str()) && *name != "expand");
        match unknown {
            None => Ok(()),
            Some(name) => Err(ApiError::invalid(format!("Received unknown parameter: {name}"))
                .code("parameter_unknown")
                .param(name)),
        }
    }

    /// The text at a JSON pointer; an empty one counts as missing.
    pub fn text(&self, pointer: &str) -> Result<Option<&str>, ApiError> {
        match self.0.pointer(pointer) {
            None => Ok(None),
            Some(Value::String(text)) if text.chars().count() > TEXT_MAX_CHARS => {
                Err(ApiError::bad_param(&name(pointer), "too long"))
            }
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(ApiError::bad_param(&name(pointer), "must be a string")),
        }
    }

    pub fn need_text(&self, pointer: &str) -> Result<&str, ApiError> {
        self.text(pointer)?.ok_or_else(|| ApiError::missing_param(&name(pointer)))
    }

    pub fn integer(&self, pointer: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(pointer)? else { return Ok(None) };
        let number = text.parse().map_err(|_| {
            ApiError::invalid(format!("Invalid integer: {text}"))
                .code("parameter_invalid_integer")
                .param(name(pointer))
        });
        number.map(Some)
    }

    pub fn boolean(&self, pointer: &str) -> Result<Option<bool>, ApiError> {
        match self.text(pointer)? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::bad_param(&name(pointer), "must be true or false")),
        }
    }

    pub fn currency(&self, pointer: &str) -> Result<&str, ApiError> {
        let text = self.need_text(pointer)?;
        let fits = text.parse::<kernel::Currency>().is_ok();
        if fits { Ok(text) } else { Err(ApiError::bad_param(&name(pointer), "not a currency")) }
    }

    /// Texts under texts; empty when absent.
    pub fn metadata(&self, pointer: &str) -> Result<Value, ApiError> {
        let Some(given) = self.0.pointer(pointer) else { return Ok(Value::Object(Map::new())) };
        let pairs = given.as_object().filter(|pairs| pairs.len() <= METADATA_MAX);
        let pairs = pairs.filter(|pairs| pairs.values().all(Value::is_string));
        pairs
            .map(|pairs| Value::Object(pairs.clone()))
            .ok_or_else(|| ApiError::bad_param(&name(pointer), "must be up to 50 keys with strings"))
    }

    pub fn list(&self, pointer: &str) -> &[Value] {
        self.0.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub fn has(&self, pointer: &str) -> bool {
        self.0.pointer(pointer).is_some()
    }

    /// Paths to expand.
    pub fn expand(&self) -> Vec<String> {
        self.list("/expand").iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// `/line_items/0/price` as Stripe writes it: `line_items[0][price]`.
fn name(pointer: &str) -> String {
    let mut parts = pointer.trim_start_matches('/').split('/');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| format!("{name}[{part}]"))
}
