use kernel::{Credits, Money};

use crate::Ratio;

/// What a customer agreed to. A customer without a subscription has [`Plan::DEFAULT`].
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub id: String,
    pub name: String,
    pub description: String,
    /// Credits granted each month, on annual plans too; zero for none.
    pub allotment: Credits,
    /// `None`: not sold by the month.
    pub monthly_price: Option<Money>,
    /// `None`: not sold by the year.
    pub annual_price: Option<Money>,
    /// What the plan may use; see [`Plan::entitles`].
    pub entitlements: Vec<Entitlement>,
    /// Calls in any minute; `None` for no limit.
    pub calls_per_minute: Option<u32>,
    /// Holds open at one time; `None` for no limit.
    pub max_open_holds: Option<u32>,
    /// How much unused allotment becomes a new lot at the end of a month; zero for none.
    pub rollover_cap: Credits,
    /// Every price is multiplied by it; one for no discount.
    pub price_factor: Ratio,
}

/// One right of a plan. Written `"*"`, `"image.generate/*"` or `"image.generate/sdxl"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entitlement {
    /// Every model of every feature, those of later versions too.
    Everything,
    /// Every model of one feature.
    Feature { feature: String },
    /// One model.
    Model { feature: String, model: String },
}

impl Plan {
    /// The plan of a customer without a subscription (rules.md, "Defaults"). Every catalogue has it.
    pub const DEFAULT: &'static str = "payg";

    /// Whether the plan may use this model of this feature.
    pub fn entitles(&self, feature: &str, model: &str) -> bool {
        self.entitlements.iter().any(|right| right.covers(feature, model))
    }
}

impl Entitlement {
    fn covers(&self, feature: &str, model: &str) -> bool {
        match self {
            Entitlement::Everything => true,
            Entitlement::Feature { feature: f } => f == feature,
            Entitlement::Model { feature: f, model: m } => f == feature && m == model,
        }
    }
}
