//! What things are called on pages.

use std::sync::Arc;

use app::catalogue::Version;
use app::{App, prices};
use kernel::Timestamp;
use ledger::GrantKind;
use site::{Failure, instant};

/// An instant for people and for programs.
#[derive(Clone, Debug)]
pub struct When {
    pub iso: String,
    pub shown: String,
}

impl When {
    pub fn at(at: Timestamp) -> When {
        When { iso: at.to_string(), shown: instant(at) }
    }
}

/// Names of features and models by the card in force; ids where it has none.
pub struct Names(Option<Arc<Version>>);

impl Names {
    pub async fn load(app: &App) -> Result<Names, Failure> {
        Ok(Names(prices::in_force(app).await?))
    }

    #[cfg(test)]
    pub fn of(version: Option<Version>) -> Names {
        Names(version.map(Arc::new))
    }

    /// `Image generation`
    pub fn feature<'n>(&'n self, feature: &'n str) -> &'n str {
        let known = self.0.as_ref().and_then(|version| version.catalog.feature(feature));
        known.map_or(feature, |f| f.name.as_str())
    }

    /// What can be used.
    pub fn menu(&self) -> impl Iterator<Item = &catalog::Feature> {
        self.0.iter().flat_map(|version| version.catalog.features())
    }

    /// `SDXL, Image generation`
    pub fn work(&self, feature: &str, model: &str) -> String {
        let known = self.0.as_ref().and_then(|version| version.catalog.feature(feature));
        let model_name = known.and_then(|f| f.model(model)).map_or(model, |m| m.name.as_str());
        let feature_name = known.map_or(feature, |f| f.name.as_str());
        format!("{model_name}, {feature_name}")
    }
}

pub fn grant_kind(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Purchase => "Purchase",
        GrantKind::Allotment => "Plan allotment",
        GrantKind::Trial => "Trial",
        GrantKind::Promo => "Promotion",
        GrantKind::Rollover => "Rollover",
        GrantKind::Refund => "Refund",
        GrantKind::Adjustment => "Adjustment",
    }
}
