//! Versions of the risk settings, each with what it changed.

use std::collections::BTreeMap;

use app::risk::settings::{Settings, Version};
use serde_json::Value;
use site::instant;

pub struct VersionRow {
    pub version: i64,
    pub at: String,
    pub author: String,
    pub reason: String,
    pub changes: Vec<String>,
}

/// The newest first, each with what it changed; the last of the page only tells itself.
pub fn version_rows(versions: &[Version]) -> Vec<VersionRow> {
    let defaults = Settings::default();
    let row = |(i, version): (usize, &Version)| {
        let before = match versions.get(i + 1) {
            Some(before) => Some(&before.settings),
            None if version.version == 1 => Some(&defaults),
            None => None,
        };
        VersionRow {
            version: version.version,
            at: version.created_at.map(instant).unwrap_or_default(),
            author: version.author.clone(),
            reason: version.reason.clone(),
            changes: before.map(|before| differences(before, &version.settings)).unwrap_or_default(),
        }
    };
    versions.iter().enumerate().map(row).collect()
}

/// `review 0.5 → 0.6`, a line for each value that differs. A rule that nobody named is on.
fn differences(before: &Settings, after: &Settings) -> Vec<String> {
    let (old, new) = (leaves(before), leaves(after));
    let names = old.keys().chain(new.keys()).collect::<std::collections::BTreeSet<_>>();
    let line = |name: &&String| {
        let is_rule = name.starts_with("rules ");
        let value = |of: &BTreeMap<String, String>| {
            let absent = if is_rule { "on" } else { "none" };
            of.get(*name).cloned().unwrap_or_else(|| absent.to_owned())
        };
        let (was, is) = (value(&old), value(&new));
        (was != is).then(|| format!("{name} {was} \u{2192} {is}"))
    };
    names.iter().filter_map(line).collect()
}

fn leaves(settings: &Settings) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Ok(Value::Object(members)) = serde_json::to_value(settings) else { return found };
    for (name, value) in members {
        match value {
            Value::Object(inner) => {
                found.extend(inner.into_iter().map(|(leaf, value)| (format!("{name} {leaf}"), text(&value))));
            }
            value => drop(found.insert(name, text(&value))),
        }
    }
    found
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use app::risk::settings::RuleState;

    use super::*;

    #[test]
    fn a_version_tells_what_it_changed() {
        let before = Settings::default();
        let mut after = before.clone();
        after.review = before.review / 2.0;
        after.rules.insert("scraper".to_owned(), RuleState::Shadow);
        after.rules.insert("disputed".to_owned(), RuleState::On);
        after.velocity.times_usual_hour = None;
        let lines = differences(&before, &after);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines.contains(&"rules scraper on \u{2192} shadow".to_owned()), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("velocity times_usual_hour 50 ")), "{lines:?}");
        assert!(differences(&before, &before).is_empty());
    }
}
