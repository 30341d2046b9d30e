use kernel::Credits;
use serde::{Deserialize, Serialize};

use crate::{Ask, Catalog, Price, price};

/// A cheaper way to do the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// Its id, of the same feature.
    pub model: String,
    /// Its expected price.
    pub credits: Credits,
}

/// Models of the same feature that cost less than `price` for the very quantities it was made of and
/// that the plan is entitled to; cheapest first, equals by id. A model that cannot price the request
/// (another quantity needed, an option it does not know) is no alternative.
pub fn alternatives(catalog: &Catalog, ask: &Ask<'_>, price_paid: &Price) -> Vec<Alternative> {
    let (Some(feature), Some(plan)) = (catalog.feature(ask.feature), catalog.plan(ask.plan)) else {
        return Vec::new();
    };
    let mut cheaper: Vec<Alternative> = feature
        .models
        .keys()
        .filter(|model| model.as_str() != ask.model && plan.entitles(&feature.id, model))
        .filter_map(|model| {
            let other = Ask { model, quantities: &price_paid.quantities, ..*ask };
            let credits = price(catalog, &other).ok()?.credits;
            (credits < price_paid.credits).then(|| Alternative { model: model.clone(), credits })
        })
        .collect();
    cheaper.sort_by(|a, b| (a.credits, &a.model).cmp(&(b.credits, &b.model)));
    cheaper
}
