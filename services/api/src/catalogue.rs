//! What is for sale and what can be used, as the rate card in force says.

use std::sync::Arc;

use app::catalogue::{self, Version};
use axum::extract::State;
use catalog::{Entitlement, Overage};
use kernel::Credits;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::SignedCredits;
use crate::answer::{Answer, ok};
use crate::caller::Caller;
use crate::list::{List, Paging, slice};
use crate::money::Money;
use crate::problem::Problem;
use crate::query::Strict;

/// Digits after the point of a plan's factor.
const FACTOR_DIGITS: usize = 18;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(features)).routes(routes!(packs)).routes(routes!(plans))
}

/// Something that can be used.
#[derive(Serialize, ToSchema)]
pub struct Feature {
    /// Such as `image.generate`.
    id: String,
    name: String,
    description: String,
    /// What happens to finished work that the wallet cannot pay for.
    overage: OveragePolicy,
    models: Vec<Model>,
}

/// `absorb`: the merchant bears the rest; `overdraft`: the wallet owes it, up to `limit`; `refuse`:
/// nothing is charged.
#[derive(Serialize, ToSchema)]
pub struct OveragePolicy {
    #[schema(pattern = "^(absorb|overdraft|refuse)$")]
    policy: &'static str,
    /// The debt that an `overdraft` allows; else null.
    #[schema(value_type = Option<SignedCredits>)]
    limit: Option<Credits>,
}

/// One way to do what a feature does.
#[derive(Serialize, ToSchema)]
pub struct Model {
    id: String,
    name: String,
    /// Their sum is the price, before options, complexity, plan and hour.
    rates: Vec<Rate>,
    /// The least that a request costs that used anything at all.
    #[schema(value_type = SignedCredits)]
    minimum: Credits,
}

/// What a quantity costs.
#[derive(Serialize, ToSchema)]
pub struct Rate {
    /// Such as `images` or `output_tokens`.
    quantity: &'static str,
    /// How much of the quantity a tier's credits pay for.
    #[schema(pattern = "^[0-9]+(?:\\.[0-9]{1,6})?$")]
    per: String,
    tiers: Vec<Tier>,
    /// Other quantities that the rate is multiplied by, such as `width / 1024 × height / 1024`.
    factors: Vec<String>,
}

/// The part of a quantity up to `up_to` costs `credits`; the rest belongs to the next tier.
#[derive(Serialize, ToSchema)]
pub struct Tier {
    /// Null on the last tier.
    up_to: Option<String>,
    #[schema(value_type = SignedCredits)]
    credits: Credits,
}

/// Credits sold once for a fixed price.
#[derive(Serialize, ToSchema)]
pub struct Pack {
    id: String,
    name: String,
    #[schema(value_type = SignedCredits)]
    credits: Credits,
    #[schema(value_type = Money)]
    price: kernel::Money,
    /// Months from purchase to expiry.
    expires_after_months: u32,
}

/// What a customer can agree to.
#[derive(Serialize, ToSchema)]
pub struct Plan {
    id: String,
    name: String,
    description: String,
    /// Credits granted each month.
    #[schema(value_type = SignedCredits)]
    allotment: Credits,
    #[schema(value_type = Option<Money>)]
    monthly_price: Option<kernel::Money>,
    #[schema(value_type = Option<Money>)]
    annual_price: Option<kernel::Money>,
    /// `*`, `feature/*` or `feature/model`.
    entitlements: Vec<String>,
    /// Calls in any minute; null for no limit.
    calls_per_minute: Option<u32>,
    /// Holds open at one time; null for no limit.
    max_open_holds: Option<u32>,
    /// How much unused allotment is carried into the next month.
    #[schema(value_type = SignedCredits)]
    rollover_cap: Credits,
    /// Every price is multiplied by it; `1` for no discount.
    price_factor: String,
}

/// List features
///
/// With their models and prices, by the rate card in force.
#[utoipa::path(get, path = "/v1/features", tag = "Catalogue", operation_id = "list_features",
    params(Paging), responses((status = 200, description = "A page of features.", body = List<Feature>)))]
async fn features(caller: Caller, State(api): State<Api>, Strict(paging): Strict<Paging>) -> Answer {
    let version = catalogue::shown(&api.app, &caller.0).await?;
    page(version, paging, |v| v.catalog.features().map(Feature::from).collect(), |f: &Feature| &f.id)
}

/// List packs
///
/// Credits for sale, smallest first.
#[utoipa::path(get, path = "/v1/packs", tag = "Catalogue", operation_id = "list_packs",
    params(Paging), responses((status = 200, description = "A page of packs.", body = List<Pack>)))]
async fn packs(caller: Caller, State(api): State<Api>, Strict(paging): Strict<Paging>) -> Answer {
    let version = catalogue::shown(&api.app, &caller.0).await?;
    page(version, paging, |v| v.catalog.packs().iter().map(Pack::from).collect(), |p: &Pack| &p.id)
}

/// List plans
///
/// Cheapest first. A customer without a subscription has the plan `payg`.
#[utoipa::path(get, path = "/v1/plans", tag = "Catalogue", operation_id = "list_plans",
    params(Paging), responses((status = 200, description = "A page of plans.", body = List<Plan>)))]
async fn plans(caller: Caller, State(api): State<Api>, Strict(paging): Strict<Paging>) -> Answer {
    let version = catalogue::shown(&api.app, &caller.0).await?;
    page(version, paging, |v| v.catalog.plans().iter().map(Plan::from).collect(), |p: &Plan| &p.id)
}

/// A list is empty as long as no rate card is published.
fn page<T: Serialize>(
    version: Option<Arc<Version>>,
    paging: Paging,
    read: fn(&Version) -> Vec<T>,
    id: fn(&T) -> &str,
) -> Result<axum::response::Response, Problem> {
    let items = version.map(|version| read(&version)).unwrap_or_default();
    ok(slice(items.into_iter(), paging, id)?)
}

impl From<&catalog::Feature> for Feature {
    fn from(feature: &catalog::Feature) -> Feature {
        Feature {
            id: feature.id.clone(),
            name: feature.name.clone(),
            description: feature.description.clone(),
            overage: feature.overage.into(),
            models: feature.models.values().map(Model::from).collect(),
        }
    }
}

impl From<Overage> for OveragePolicy {
    fn from(overage: Overage) -> OveragePolicy {
        match overage {
            Overage::Absorb => OveragePolicy { policy: "absorb", limit: None },
            Overage::Overdraft(limit) => OveragePolicy { policy: "overdraft", limit: Some(limit) },
            Overage::Refuse => OveragePolicy { policy: "refuse", limit: None },
        }
    }
}

impl From<&catalog::Model> for Model {
    fn from(model: &catalog::Model) -> Model {
        Model {
            id: model.id.clone(),
            name: model.name.clone(),
            rates: model.rates.iter().map(Rate::from).collect(),
            minimum: model.minimum,
        }
    }
}

impl From<&catalog::Rate> for Rate {
    fn from(rate: &catalog::Rate) -> Rate {
        let tier = |t: &catalog::Tier| Tier { up_to: t.up_to.map(|a| a.to_string()), credits: t.credits };
        let factor = |f: &catalog::Factor| {
            let parts: Vec<String> = f.0.iter().map(|(driver, base)| format!("{driver} / {base}")).collect();
            parts.join(" × ")
        };
        Rate {
            quantity: rate.driver.name(),
            per: rate.per.to_string(),
            tiers: rate.tiers.iter().map(tier).collect(),
            factors: rate.factors.iter().map(factor).collect(),
        }
    }
}

impl From<&catalog::Pack> for Pack {
    fn from(pack: &catalog::Pack) -> Pack {
        Pack {
            id: pack.id.clone(),
            name: pack.name.clone(),
            credits: pack.credits,
            price: pack.price,
            expires_after_months: pack.expires_after_months,
        }
    }
}

impl From<&catalog::Plan> for Plan {
    fn from(plan: &catalog::Plan) -> Plan {
        Plan {
            id: plan.id.clone(),
            name: plan.name.clone(),
            description: plan.description.clone(),
            allotment: plan.allotment,
            monthly_price: plan.monthly_price,
            annual_price: plan.annual_price,
            entitlements: plan.entitlements.iter().map(right).collect(),
            calls_per_minute: plan.calls_per_minute,
            max_open_holds: plan.max_open_holds,
            rollover_cap: plan.rollover_cap,
            price_factor: plan.price_factor.decimal(FACTOR_DIGITS),
        }
    }
}

fn right(entitlement: &Entitlement) -> String {
    match entitlement {
        Entitlement::Everything => "*".to_owned(),
        Entitlement::Feature { feature } => format!("{feature}/*"),
        Entitlement::Model { feature, model } => format!("{feature}/{model}"),
    }
}
