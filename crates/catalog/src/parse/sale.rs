use kernel::Credits;
use toml::Value;

use super::Names;
use super::feature::check_id;
use super::section::Section;
use super::value;
use crate::{Entitlement, Pack, Plan, Ratio, VolumePrice};

/// Packs live 12 months (rules.md, "Time").
const PACK_MONTHS: u32 = 12;

pub(super) fn read_pack(id: String, mut section: Section<'_>) -> Option<Pack> {
    check_id(&id, &section);
    let name = section.required("name", value::text);
    let credits = section.required("credits", value::positive_credits);
    let price = section.required("price", value::money);
    let expires_after_months = section.optional("expires_after_months", value::months).unwrap_or(PACK_MONTHS);
    section.finish();
    Some(Pack { id, name: name?, credits: credits?, price: price?, expires_after_months })
}

/// `[[volume]]`, rising `from`, one currency: a custom amount has one price.
pub(super) fn read_volume(root: &mut Section<'_>) -> Vec<VolumePrice> {
    let volume: Option<Vec<_>> = root.list("volume").into_iter().map(read_volume_price).collect();
    let volume = volume.unwrap_or_default();
    if !volume.is_sorted_by(|a, b| a.from < b.from) {
        root.complain("volume", "must have rising from");
    }
    if volume.iter().zip(volume.iter().skip(1)).any(|(a, b)| a.price.currency != b.price.currency) {
        root.complain("volume", "must be in one currency");
    }
    volume
}

fn read_volume_price(mut section: Section<'_>) -> Option<VolumePrice> {
    let from = section.required("from", value::positive_credits);
    let price = section.required("price", value::money);
    let per = section.optional("per", value::positive_credits).unwrap_or(Credits::whole(1));
    let expires_after_months = section.optional("expires_after_months", value::months).unwrap_or(PACK_MONTHS);
    section.finish();
    Some(VolumePrice { from: from?, price: price?, per, expires_after_months })
}

pub(super) fn read_plan(id: String, mut section: Section<'_>, names: &Names) -> Option<Plan> {
    check_id(&id, &section);
    let name = section.required("name", value::text);
    let entitlements = section.required("entitles", |value| read_entitlements(value, names));
    let credits =
        |section: &mut Section<'_>, key| section.optional(key, value::credits).unwrap_or(Credits::ZERO);
    let plan = Plan {
        id,
        name: name.unwrap_or_default(),
        description: section.optional("description", value::text).unwrap_or_default(),
        allotment: credits(&mut section, "allotment"),
        monthly_price: section.optional("monthly_price", value::money),
        annual_price: section.optional("annual_price", value::money),
        entitlements: entitlements.unwrap_or_default(),
        calls_per_minute: section.optional("calls_per_minute", value::count),
        max_open_holds: section.optional("max_open_holds", value::count),
        rollover_cap: credits(&mut section, "rollover_cap"),
        price_factor: section.optional("price_factor", value::factor).unwrap_or(Ratio::ONE),
    };
    section.finish();
    Some(plan)
}

fn read_entitlements(value: &Value, names: &Names) -> Result<Vec<Entitlement>, String> {
    value::texts(value)?.iter().map(|text| read_entitlement(text, names)).collect()
}

fn read_entitlement(text: &str, names: &Names) -> Result<Entitlement, String> {
    if text == "*" {
        return Ok(Entitlement::Everything);
    }
    let (id, model) = text
        .split_once('/')
        .ok_or_else(|| format!("has {text:?}; write \"*\", \"feature/*\" or \"feature/model\""))?;
    let unknown = |what: &str| format!("has {text:?}, which names no {what} of this document");
    let models = names.get(id).ok_or_else(|| unknown("feature"))?;
    let feature = id.to_owned();
    match model {
        "*" => Ok(Entitlement::Feature { feature }),
        _ if models.contains(model) => Ok(Entitlement::Model { feature, model: model.to_owned() }),
        _ => Err(unknown("model")),
    }
}
