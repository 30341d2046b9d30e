use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Event;

/// A way into an event: `subject`, `data.model`, `data.items.0.tokens`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path(String);

/// A text that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a path into an event; write id, source, subject, type or data with names after dots, such as data.model"
)]
pub struct PathError(String);

impl Path {
    /// The text at the end of the way; `None` when there is none or it is not text.
    pub(crate) fn text<'e>(&self, event: &'e Event) -> Option<&'e str> {
        match self.0.as_str() {
            "id" => Some(&event.id),
            "source" => Some(&event.source),
            "subject" => Some(&event.subject),
            "type" => Some(&event.kind),
            _ => self.value(event)?.as_str(),
        }
    }

    /// The value inside of `data`. A `null` is no value.
    pub(crate) fn value<'e>(&self, event: &'e Event) -> Option<&'e Value> {
        let mut steps = self.0.split('.');
        if steps.next() != Some("data") {
            return None;
        }
        steps.try_fold(&event.data, step).filter(|value| !value.is_null())
    }
}

impl Path {
    /// The value inside of a copy of the event's data.
    pub(crate) fn value_in<'v>(&self, data: &'v mut Value) -> Option<&'v mut Value> {
        let mut steps = self.0.split('.');
        if steps.next() != Some("data") {
            return None;
        }
        steps.try_fold(data, |value, name| match value {
            Value::Object(map) => map.get_mut(name),
            Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

fn step<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => map.get(name),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

impl TryFrom<String> for Path {
    type Error = PathError;

    fn try_from(text: String) -> Result<Path, PathError> {
        let is_attribute = ["id", "source", "subject", "type"].contains(&text.as_str());
        let mut steps = text.split('.');
        let is_data = steps.next() == Some("data") && steps.all(|step| !step.is_empty());
        if is_attribute || is_data { Ok(Path(text)) } else { Err(PathError(text)) }
    }
}

impl From<Path> for String {
    fn from(path: Path) -> String {
        path.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
