use std::collections::BTreeMap;

use kernel::Credits;
use serde::{Deserialize, Serialize};

use crate::parse::parse;
use crate::{DEMO, FieldError, Model, Pack, Plan, VolumePrice, Window};

/// A rate card with everything that refers to it. Made by [`Catalog::parse`] only, so that every
/// reference inside of it holds. Immutable: a change is a new version with a new document.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalog {
    pub(crate) rate_card_name: String,
    /// Totals are rounded to this; a micro-credit unless the card is coarser.
    pub(crate) round_to: Credits,
    pub(crate) features: BTreeMap<String, Feature>,
    pub(crate) windows: Vec<Window>,
    pub(crate) packs: Vec<Pack>,
    pub(crate) volume: Vec<VolumePrice>,
    pub(crate) plans: Vec<Plan>,
}

/// Something that can be used, and the models that do it.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Such as `image.generate`.
    pub id: String,
    pub name: String,
    pub description: String,
    /// What happens to finished work that the wallet cannot pay for.
    pub overage: Overage,
    /// By id; never empty.
    pub models: BTreeMap<String, Model>,
}

/// What happens to use beyond credits (rules.md, "Not enough credits").
/// Written `"absorb"`, `{"overdraft": "50"}` or `"refuse"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overage {
    /// The merchant bears the rest: a line "uncovered" on the receipt.
    #[default]
    Absorb,
    /// The wallet owes the rest, up to this debt.
    Overdraft(Credits),
    /// Nothing is charged; the work is stored as unbilled.
    Refuse,
}

impl Catalog {
    /// Reads one TOML document. Errors: all that is wrong with it, each with its field.
    pub fn parse(toml: &str) -> Result<Catalog, Vec<FieldError>> {
        parse(toml)
    }

    /// The demo catalogue of `contract.md`. A test proves that the shipped document is right, so that
    /// callers may pass an error on without a plan for it.
    pub fn demo() -> Result<Catalog, Vec<FieldError>> {
        parse(DEMO)
    }

    /// The operator's name for the card; its version is counted by whoever stores it.
    pub fn rate_card_name(&self) -> &str {
        &self.rate_card_name
    }

    /// The step that totals are rounded to.
    pub fn round_to(&self) -> Credits {
        self.round_to
    }

    /// All features by id.
    pub fn features(&self) -> impl Iterator<Item = &Feature> {
        self.features.values()
    }

    /// `None` when the catalogue has no such feature.
    pub fn feature(&self, id: &str) -> Option<&Feature> {
        self.features.get(id)
    }

    /// Time windows in the order of the document, switched off ones included.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// All packs, smallest first.
    pub fn packs(&self) -> &[Pack] {
        &self.packs
    }

    /// `None` when the catalogue has no such pack.
    pub fn pack(&self, id: &str) -> Option<&Pack> {
        self.packs.iter().find(|pack| pack.id == id)
    }

    /// Prices of custom amounts, smallest first.
    pub fn volume(&self) -> &[VolumePrice] {
        &self.volume
    }

    /// All plans, cheapest first.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// `None` when the catalogue has no such plan.
    pub fn plan(&self, id: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id == id)
    }
}

impl Feature {
    /// `None` when the feature has no such model.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.get(id)
    }
}
