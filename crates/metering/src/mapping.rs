use std::collections::BTreeMap;

use kernel::Driver;
use serde::{Deserialize, Serialize};

use crate::Path;

/// The options that a price can depend on (rules.md, "Quantities, context, options").
pub const OPTION_NAMES: [&str; 4] = ["codec", "style", "quality", "operation"];

/// What a reporter may tell of a call (rules.md, "Quantities, context, options").
pub const CONTEXT_NAMES: [&str; 4] = ["ip", "user_agent", "device", "prompt"];

/// How events of one type become a feature, a model and quantities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The events' `type`, exactly.
    #[serde(rename = "type")]
    pub kind: String,
    /// Models, after prefix and aliases, that this mapping is for; a `*` at the end fits any rest.
    /// Empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    pub feature: Word,
    pub model: Word,
    /// Reads `openai/gpt-4` as `gpt-4`: all up to the last `/` goes.
    #[serde(default)]
    pub strip_model_prefix: bool,
    /// Reported name → name in the catalogue; looked up as reported first, then without prefix.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub model_aliases: BTreeMap<String, String>,
    /// Where each quantity stands. One that is not in the event is left out, which is not the same as 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quantities: BTreeMap<Driver, Measure>,
    /// An object of quantities by our own names; `quantities` above win over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantities_at: Option<Path>,
    /// An object of options by our own names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options_at: Option<Path>,
    /// An object with what the reporter tells of the call: `ip`, `user_agent`, `device`, `prompt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_at: Option<Path>,
}

/// A text that is the same for every event, or stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The text itself.
    Constant(String),
    /// Where in the event the text stands.
    Path(Path),
}

/// The number at `path` less the numbers at `minus`, of which those that are not there count as 0:
/// reporters count cached tokens among the prompt's, our `input_tokens` do not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    pub path: Path,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minus: Vec<Path>,
}

/// Reads `[[mappings]]` tables. Errors say line and field.
pub fn parse_mappings(toml: &str) -> Result<Vec<Mapping>, toml::de::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Document {
        mappings: Vec<Mapping>,
    }
    toml::from_str(toml).map(|document: Document| document.mappings)
}

impl Mapping {
    /// The catalogue's name of a reported model.
    pub(crate) fn model_named(&self, reported: &str) -> String {
        let alias = |name: &str| self.model_aliases.get(name).cloned();
        let bare = match reported.rsplit_once('/') {
            Some((_, bare)) if self.strip_model_prefix => bare,
            _ => reported,
        };
        alias(reported).or_else(|| alias(bare)).unwrap_or_else(|| bare.to_owned())
    }

    pub(crate) fn is_for(&self, model: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => model.starts_with(start),
            None => model == pattern,
        };
        self.models.is_empty() || self.models.iter().any(fits)
    }
}
