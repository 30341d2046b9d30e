use toml::Value;

use super::section::Section;
use super::{model, value};
use crate::{Feature, Overage};

/// The longest id of a feature, model, pack or plan.
const ID_MAX_CHARS: usize = 100;

pub(super) fn read_feature(id: &str, mut section: Section<'_>) -> Option<Feature> {
    check_id(id, &section);
    let name = section.required("name", value::text);
    let description = section.optional("description", value::text).unwrap_or_default();
    let overage = section.optional("overage", read_overage).unwrap_or_default();
    let models = section.named("models");
    if models.is_empty() {
        section.complain("models", "is empty; a feature needs at least one model with a price");
    }
    let read = |(id, section): (String, Section<'_>)| model::read_model(&id, section).map(|m| (id, m));
    let models = models.into_iter().filter_map(read).collect();
    section.finish();
    Some(Feature { id: id.to_owned(), name: name?, description, overage, models })
}

/// Ids stand in URLs, formulas and entitlements, so they are short and plain.
pub(super) fn check_id(id: &str, section: &Section<'_>) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    check_id_of(id, section, is_plain, "letters, digits, '.', '_' and '-'");
}

/// Models are called what their vendors call them, `openai/gpt-4:latest` included.
pub(super) fn check_model_id(id: &str, section: &Section<'_>) {
    check_id_of(id, section, |c| c.is_ascii_graphic() && c != '*', "visible ASCII characters without '*'");
}

fn check_id_of(id: &str, section: &Section<'_>, is_allowed: impl Fn(char) -> bool, allowed: &str) {
    if id.is_empty() || id.len() > ID_MAX_CHARS || !id.chars().all(is_allowed) {
        section.complain_here(&format!("must be named with 1 to {ID_MAX_CHARS} {allowed}"));
    }
}

/// `"absorb"`, `"refuse"` or `{ overdraft = 50 }`.
fn read_overage(value: &Value) -> Result<Overage, String> {
    let wrong = || "must be \"absorb\", \"refuse\" or { overdraft = 50 }".to_owned();
    match value {
        Value::String(text) if text == "absorb" => Ok(Overage::Absorb),
        Value::String(text) if text == "refuse" => Ok(Overage::Refuse),
        Value::Table(table) if table.len() == 1 => {
            let limit = table.get("overdraft").ok_or_else(wrong)?;
            value::positive_credits(limit).map(Overage::Overdraft)
        }
        _ => Err(wrong()),
    }
}
