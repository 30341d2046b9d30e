use serde::{Deserialize, Serialize};

/// How webhooks misbehave. All off by default; they act on events made while they are set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// How many more times each event is sent.
    pub duplicate: u8,
    /// Seconds on the clock between an event and its first delivery.
    pub delay_seconds: u32,
    /// What is due together is sent last first.
    pub reorder: bool,
    /// Events are made and listed, but never sent.
    pub drop: bool,
    /// Events are rendered as this version of the API writes them.
    pub api_version: Option<String>,
}

impl Knobs {
    pub(crate) const DUPLICATE_MAX: u8 = 20;
}
