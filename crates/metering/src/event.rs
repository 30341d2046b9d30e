use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How many events one request may carry.
pub const EVENTS_MAX: usize = 1_000;
/// An event without a price is kept whole until it can be rated, so its data is bounded.
pub const DATA_MAX_BYTES: usize = 16 * 1024;
/// The longest id, source, subject or type.
pub const ATTRIBUTE_MAX_CHARS: usize = 255;

/// A usage event as reported, checked against CloudEvents 1.0 (structured mode, JSON).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// With `source` the event's identity: the same pair is the same event (rules.md, "Idempotency").
    pub id: String,
    pub source: String,
    /// The customer, by our id or theirs. Optional in CloudEvents, required by us.
    pub subject: String,
    /// CloudEvents' `type`; picks the mapping.
    #[serde(rename = "type")]
    pub kind: String,
    /// When the use occurred, if the reporter said so.
    pub time: Option<Timestamp>,
    /// `null` when the event carries none.
    pub data: Value,
}

/// One thing wrong with a request of events; any of them refuses the whole request (HTTP 400).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{field} {message}")]
pub struct EventError {
    /// `subject`, in an array `[3].subject`; `body` for the request as a whole.
    pub field: String,
    /// What to do about it; reads on after the field's name.
    pub message: String,
}

/// Reads a single event or an array of them. Errors: everything wrong with every event.
///
/// Attributes that CloudEvents does not define are extensions and do not matter here, as the
/// specification asks; only their names are checked, which finds misspelt ones such as `Subject`.
pub fn parse_events(body: &[u8]) -> Result<Vec<Event>, Vec<EventError>> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| vec![of_body(&format!("is not JSON: {error}"))])?;
    let events: Vec<Result<Event, Vec<EventError>>> = match value {
        Value::Array(items) if items.is_empty() => {
            return Err(vec![of_body("holds no event; send at least one")]);
        }
        Value::Array(items) if items.len() > EVENTS_MAX => {
            return Err(vec![of_body(&format!("holds more than {EVENTS_MAX} events; send them in parts"))]);
        }
        Value::Array(items) => {
            items.into_iter().enumerate().map(|(i, item)| Fields::read(format!("[{i}]"), item)).collect()
        }
        single => vec![Fields::read(String::new(), single)],
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Ok(event) => good.push(event),
            Err(errors) => bad.extend(errors),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

fn of_body(message: &str) -> EventError {
    EventError { field: "body".to_owned(), message: message.to_owned() }
}

/// One event while it is read; collects what is wrong with it.
struct Fields {
    at: String,
    map: Map<String, Value>,
    errors: Vec<EventError>,
}

impl Fields {
    fn read(at: String, value: Value) -> Result<Event, Vec<EventError>> {
        let Value::Object(map) = value else {
            let field = if at.is_empty() { "body".to_owned() } else { at };
            return Err(vec![EventError { field, message: "must be a CloudEvents object".to_owned() }]);
        };
        let mut fields = Fields { at, map, errors: Vec::new() };
        // In CloudEvents' JSON format an attribute that is null is an attribute that is not set.
        fields.map.retain(|_, value| !value.is_null());
        let event = fields.event();
        match event {
            Some(event) if fields.errors.is_empty() => Ok(event),
            _ => Err(fields.errors),
        }
    }

    fn event(&mut self) -> Option<Event> {
        self.check_version();
        let (id, source) = (self.required("id"), self.required("source"));
        let (subject, kind) = (self.required("subject"), self.required("type"));
        let time = self.time();
        let data = self.data();
        self.check_extensions();
        Some(Event { id: id?, source: source?, subject: subject?, kind: kind?, time, data })
    }

    fn check_version(&mut self) {
        match self.map.remove("specversion") {
            Some(Value::String(version)) if version == "1.0" => {}
            Some(_) => self.complain("specversion", "must be \"1.0\""),
            None => self.complain("specversion", "is missing; add \"1.0\""),
        }
    }

    fn required(&mut self, name: &str) -> Option<String> {
        match self.map.remove(name) {
            Some(Value::String(text)) if is_attribute(&text) => Some(text),
            Some(Value::String(_)) => {
                let rule =
                    format!("must have 1 to {ATTRIBUTE_MAX_CHARS} characters and no control characters");
                self.refuse(name, &rule)
            }
            Some(_) => self.refuse(name, "must be a string"),
            None => self.refuse(name, "is missing; add it"),
        }
    }

    fn time(&mut self) -> Option<Timestamp> {
        let value = self.map.remove("time")?;
        let time = value.as_str().and_then(read_time);
        time.or_else(|| self.refuse("time", "must be an RFC 3339 instant such as \"2026-01-31T12:00:00Z\""))
    }

    fn data(&mut self) -> Value {
        if self.map.remove("data_base64").is_some() {
            self.complain("data_base64", "is not supported; send JSON in data");
        }
        let content_type = self.map.remove("datacontenttype");
        if content_type.is_some_and(|t| !t.as_str().is_some_and(is_json_type)) {
            self.complain("datacontenttype", "must be a JSON type such as \"application/json\"");
        }
        let data = self.map.remove("data").unwrap_or_default();
        if data.to_string().len() > DATA_MAX_BYTES {
            self.complain(
                "data",
                &format!("is larger than {DATA_MAX_BYTES} bytes; send what was used, not the output"),
            );
        }
        if holds_nul(&data) {
            self.complain("data", "must not hold the character U+0000, which databases cannot store");
        }
        data
    }

    /// Extension names are lower-case letters and digits (CloudEvents 1.0, "Naming Conventions").
    fn check_extensions(&mut self) {
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let wrong: Vec<String> = self.map.keys().filter(|name| !is_name(name)).cloned().collect();
        for name in wrong {
            self.complain(&name, "is not an attribute of CloudEvents 1.0, nor a name for an extension");
        }
    }

    fn complain(&mut self, name: &str, message: &str) {
        let field = if self.at.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at) };
        self.errors.push(EventError { field, message: message.to_owned() });
    }

    fn refuse<T>(&mut self, name: &str, message: &str) -> Option<T> {
        self.complain(name, message);
        None
    }
}

fn is_attribute(text: &str) -> bool {
    let chars = text.chars().count();
    (1..=ATTRIBUTE_MAX_CHARS).contains(&chars) && !text.chars().any(char::is_control)
}

/// RFC 3339. LiteLLM on Python before 3.11 writes UTC without saying so: no offset means UTC.
fn read_time(text: &str) -> Option<Timestamp> {
    text.parse().or_else(|_| format!("{text}Z").parse()).ok()
}

fn is_json_type(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || media_type == "text/json" || media_type.ends_with("+json")
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        _ => false,
    }
}
