//! `/prices`: everything that is for sale, for everybody.

use app::catalogue::Version;
use app::prices;
use askama::Template;
use axum::extract::State;
use catalog::{Feature, Model, Rate, VolumePrice};
use site::{Failure, Shell, Site, Visitor, credits, render};

use crate::Answer;
use crate::frame::public_shell;
use crate::packs::{PackCard, cards, per_credit};

#[derive(Template)]
#[template(path = "portal/prices.html")]
pub struct PricesPage {
    pub shell: Shell,
    pub packs: Vec<PackCard>,
    pub volume: Vec<String>,
    pub features: Vec<FeaturePrices>,
}

pub struct FeaturePrices {
    pub name: String,
    pub description: String,
    pub models: Vec<ModelPrice>,
}

pub struct ModelPrice {
    pub name: String,
    pub rates: Vec<String>,
    /// The calculator.
    pub path: String,
}

pub async fn page(State(site): State<Site>, visitor: Visitor) -> Answer {
    let shell = public_shell(&visitor, "Prices", "/prices").await?;
    let page = match prices::in_force(site.app()).await? {
        Some(version) => view(shell, cards(site.app(), &version).await?, &version),
        None => PricesPage { shell, packs: Vec::new(), volume: Vec::new(), features: Vec::new() },
    };
    Ok(visitor.page(render(&page)?))
}

pub fn view(shell: Shell, packs: Vec<PackCard>, version: &Version) -> PricesPage {
    PricesPage {
        shell,
        packs,
        volume: version.catalog.volume().iter().map(volume).collect(),
        features: version.catalog.features().map(feature).collect(),
    }
}

pub fn volume(volume: &VolumePrice) -> String {
    format!(
        "Any amount from {} credits: {}, valid for {} months.",
        credits(volume.from),
        per_credit(volume.price, volume.per),
        volume.expires_after_months
    )
}

fn feature(feature: &Feature) -> FeaturePrices {
    FeaturePrices {
        name: feature.name.clone(),
        description: feature.description.clone(),
        models: feature.models.values().map(|m| model(feature, m)).collect(),
    }
}

fn model(feature: &Feature, model: &Model) -> ModelPrice {
    ModelPrice {
        name: model.name.clone(),
        rates: model.rates.iter().flat_map(rate).collect(),
        path: format!("/prices/{}/{}", feature.id, model.id),
    }
}

/// `5 per image (1024 × 1024, 30 steps)`, one for each tier.
fn rate(rate: &Rate) -> Vec<String> {
    let driver = words(rate.driver);
    let base: Vec<String> = rate
        .factors
        .iter()
        .map(|factor| {
            let is_size = factor.0.len() == 2 && factor.0[0].0 == kernel::Driver::Width;
            let part = |(driver, amount): &(kernel::Driver, kernel::Amount)| {
                if is_size { amount.to_string() } else { format!("{amount} {}", words(*driver)) }
            };
            factor.0.iter().map(part).collect::<Vec<_>>().join(" × ")
        })
        .collect();
    let base = if base.is_empty() { String::new() } else { format!(" ({})", base.join(", ")) };
    let per = match Some(rate.per) == kernel::Amount::whole(1) {
        true => driver.strip_suffix('s').unwrap_or(&driver).to_owned(),
        false => format!("{} {driver}", credits_like(rate.per)),
    };
    let is_tiered = rate.tiers.len() > 1;
    let tier = |tier: &catalog::Tier| {
        let reach = match tier.up_to {
            Some(end) => format!(", for those up to {end}"),
            None if is_tiered => ", for those beyond".to_owned(),
            None => String::new(),
        };
        format!("{} per {per}{base}{reach}", tier.credits)
    };
    rate.tiers.iter().map(tier).collect()
}

/// Amounts are millionths, as credits are, so they are written alike.
fn credits_like(amount: kernel::Amount) -> String {
    credits(kernel::Credits::from_micros(amount.millionths()))
}

pub fn words(driver: kernel::Driver) -> String {
    driver.name().replace('_', " ")
}

/// For a path that names no model.
pub fn find<'v>(
    version: &'v Version,
    feature: &str,
    model: &str,
) -> Result<(&'v Feature, &'v Model), Failure> {
    let feature = version.catalog.feature(feature).ok_or(Failure::NotFound)?;
    let model = feature.model(model).ok_or(Failure::NotFound)?;
    Ok((feature, model))
}
