//! A hold as it is answered.

use app::holds;
use kernel::{Credits, Timestamp};
use ledger::HoldState;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

use crate::amount::{Instant, SignedCredits};
use crate::text::{self, one_of};
use crate::work::{BreakdownLine, RateCardRef, breakdown, rate_card};

/// Credits set aside.
#[derive(Serialize, ToSchema)]
pub struct Hold {
    #[schema(value_type = text::HoldId)]
    id: kernel::HoldId,
    #[schema(value_type = text::CustomerId)]
    customer: kernel::CustomerId,
    #[schema(schema_with = state)]
    state: &'static str,
    /// All that was ever set aside for it.
    #[schema(value_type = SignedCredits)]
    credits: Credits,
    /// Charged so far.
    #[schema(value_type = SignedCredits)]
    captured: Credits,
    /// How many captures there were.
    captures: u32,
    /// Still set aside.
    #[schema(value_type = SignedCredits)]
    remaining: Credits,
    /// From this instant on the hold has lapsed.
    #[schema(value_type = Instant)]
    expires_at: Timestamp,
    #[schema(value_type = Option<text::QuoteId>)]
    quote: Option<kernel::QuoteId>,
    /// Null for a hold of plain credits, as are the price's other members.
    feature: Option<String>,
    model: Option<String>,
    formula: Option<String>,
    /// Adds up to the price that was expected.
    breakdown: Vec<BreakdownLine>,
    rate_card: Option<RateCardRef>,
    multiplier: Option<String>,
    job: Option<String>,
    subject: Option<String>,
    #[schema(value_type = Instant)]
    created_at: Timestamp,
}

impl From<holds::Hold> for Hold {
    fn from(hold: holds::Hold) -> Hold {
        let rate_card = hold.priced.as_ref().map(rate_card);
        let (feature, model) = hold.priced.as_ref().map(|p| (p.feature.clone(), p.model.clone())).unzip();
        let price = hold.priced.map(|priced| priced.price);
        let (formula, multiplier) = price.as_ref().map(|p| (p.formula.clone(), p.multiplier.clone())).unzip();
        Hold {
            id: hold.id,
            customer: hold.customer,
            state: hold.state.as_str(),
            credits: hold.authorized,
            captured: hold.captured,
            captures: hold.captures,
            remaining: hold.remaining,
            expires_at: hold.expires_at,
            quote: hold.quote,
            feature,
            model,
            formula,
            breakdown: price.map(|price| breakdown(price.breakdown)).unwrap_or_default(),
            rate_card,
            multiplier,
            job: hold.job,
            subject: hold.subject,
            created_at: hold.created_at,
        }
    }
}

fn state() -> Schema {
    one_of("What became of it.", HoldState::ALL.iter().map(|state| state.as_str()))
}
