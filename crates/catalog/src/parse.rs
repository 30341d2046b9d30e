//! From a TOML document to a [`Catalog`]: every problem is collected with the path of its field.

mod feature;
mod model;
mod sale;
mod section;
mod value;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use kernel::Credits;
use toml::{Table, Value};

use self::section::Section;
use crate::window::{Weekday, Window};
use crate::{Catalog, Feature, FieldError, MAX_DOCUMENT_BYTES, Plan};

/// The field name of errors that are about the document as a whole.
const DOCUMENT: &str = "document";

pub(crate) fn parse(toml: &str) -> Result<Catalog, Vec<FieldError>> {
    let errors = RefCell::new(Vec::new());
    let table = read_table(toml).map_err(|error| vec![error])?;
    let names = names_of(&table);
    let catalog = read_catalog(Section::root(table, &errors), &names);
    match (catalog, errors.into_inner()) {
        (Some(catalog), errors) if errors.is_empty() => Ok(catalog),
        (_, errors) => Err(errors),
    }
}

fn read_table(toml: &str) -> Result<Table, FieldError> {
    let refuse = |message: String| FieldError { field: DOCUMENT.to_owned(), message };
    if toml.len() > MAX_DOCUMENT_BYTES {
        return Err(refuse(format!("is longer than {MAX_DOCUMENT_BYTES} bytes; split the card")));
    }
    toml.parse()
        .map_err(|error: toml::de::Error| refuse(format!("is not TOML: {}", error.to_string().trim())))
}

/// The models of each feature as the document names them, right or wrong otherwise,
/// so that one mistake in a feature is not reported again by everything that refers to it.
type Names = BTreeMap<String, BTreeSet<String>>;

fn names_of(document: &Table) -> Names {
    let table = |value: Option<&Value>| value.and_then(Value::as_table).cloned().unwrap_or_default();
    let features = table(document.get("features"));
    features
        .into_iter()
        .map(|(id, feature)| (id, table(feature.get("models")).into_iter().map(|m| m.0).collect()))
        .collect()
}

fn read_catalog(mut root: Section<'_>, names: &Names) -> Option<Catalog> {
    let card = root.section("rate_card").map(read_card);
    let features = read_features(&mut root);
    let windows = root.list("windows").into_iter().map(|w| read_window(w, names)).collect::<Vec<_>>();
    let mut packs: Vec<_> =
        root.named("packs").into_iter().filter_map(|(id, section)| sale::read_pack(id, section)).collect();
    packs.sort_by_key(|pack| pack.credits);
    let volume = sale::read_volume(&mut root);
    let plans = read_plans(&mut root, names);
    root.finish();
    let (rate_card_name, round_to) = card??;
    let windows = windows.into_iter().collect::<Option<Vec<_>>>()?;
    Some(Catalog { rate_card_name, round_to, features, windows, packs, volume, plans })
}

fn read_card(mut card: Section<'_>) -> Option<(String, Credits)> {
    let name = card.required("name", value::text);
    let round_to = card.optional("round_to", value::positive_credits);
    card.finish();
    Some((name?, round_to.unwrap_or(Credits::from_micros(1))))
}

fn read_features(root: &mut Section<'_>) -> BTreeMap<String, Feature> {
    let sections = root.named("features");
    if sections.is_empty() {
        root.complain(
            "features",
            "is empty; describe at least one feature, such as [features.\"text.generate\"]",
        );
    }
    let read = |(id, section): (String, Section<'_>)| {
        feature::read_feature(&id, section).map(|feature| (id, feature))
    };
    sections.into_iter().filter_map(read).collect()
}

fn read_plans(root: &mut Section<'_>, names: &Names) -> Vec<Plan> {
    let sections = root.named("plans");
    if !sections.iter().any(|(id, _)| id == Plan::DEFAULT) {
        root.complain("plans", "needs a plan `payg`: customers without a subscription have it");
    }
    let read = |(id, section)| sale::read_plan(id, section, names);
    let mut plans: Vec<Plan> = sections.into_iter().filter_map(read).collect();
    // Stable: plans that cost the same stay in the order of their ids.
    plans.sort_by_key(|plan| (plan.monthly_price.map(|price| price.amount), plan.allotment));
    plans
}

fn read_window(mut section: Section<'_>, names: &Names) -> Option<Window> {
    let name = section.required("name", value::text);
    let active = section.required("active", value::boolean);
    let factor = section.required("factor", value::factor);
    let days = section.required("days", read_days);
    let from_hour = section.required("from_hour", |v| value::hour(v, 0, 23));
    let to_hour = section.required("to_hour", |v| value::hour(v, 1, 24));
    let utc_offset_minutes = section.optional("utc_offset", value::utc_offset).unwrap_or(0);
    let only = section.optional("features", |v| read_feature_names(v, names)).unwrap_or_default();
    if from_hour >= to_hour && to_hour.is_some() {
        section.complain(
            "to_hour",
            "must be later than from_hour; write two windows for one that crosses midnight",
        );
    }
    section.finish();
    let (from_hour, to_hour) = (from_hour?, to_hour?);
    let (name, active, factor, days) = (name?, active?, factor?, days?);
    Some(Window { name, active, factor, days, from_hour, to_hour, utc_offset_minutes, features: only })
}

fn read_days(value: &Value) -> Result<Vec<Weekday>, String> {
    let names = value::texts(value)?;
    let day = |name: &String| Weekday::ALL.into_iter().find(|day| day.name() == name);
    let days: Option<Vec<Weekday>> = names.iter().map(day).collect();
    days.filter(|days| !days.is_empty()).ok_or_else(|| {
        "must list days out of \"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"".to_owned()
    })
}

fn read_feature_names(value: &Value, known: &Names) -> Result<Vec<String>, String> {
    let names = value::texts(value)?;
    match names.iter().find(|name| !known.contains_key(*name)) {
        Some(name) => Err(format!("names {name:?}, which is not a feature of this document")),
        None => Ok(names),
    }
}
