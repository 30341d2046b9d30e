use app::quotes;
use axum::extract::State;
use kernel::{Credits, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::{Instant, QuantitiesInput, SignedCredits};
use crate::answer::{Answer, created};
use crate::body::{Changing, Input, OptionalKey};
use crate::caller::Caller;
use crate::json::optional_object;
use crate::text::{self, CustomerRef, FeatureName, ModelName, one_of};
use crate::work::{
    BreakdownLine, ContextInput, OptionsInput, QuantityMap, RateCardRef, breakdown, context, rate_card, work,
};

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Work whose price is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"customer": "acme-1", "feature": "image.generate", "model": "sdxl", "quantities": {"images": 1}}))]
pub struct NewQuote {
    customer: CustomerRef,
    feature: FeatureName,
    model: ModelName,
    quantities: QuantitiesInput,
    #[serde(default, deserialize_with = "optional_object")]
    options: Option<OptionsInput>,
    #[serde(default, deserialize_with = "optional_object")]
    context: Option<ContextInput>,
}

/// A price before the work, frozen until `valid_until`.
#[derive(Serialize, ToSchema)]
pub struct Quote {
    #[schema(value_type = text::QuoteId)]
    id: kernel::QuoteId,
    #[schema(value_type = text::CustomerId)]
    customer: kernel::CustomerId,
    feature: String,
    model: String,
    /// What was asked, with the rate card's defaults filled in.
    #[schema(value_type = QuantitiesInput)]
    quantities: QuantityMap,
    /// The expected price.
    #[schema(value_type = SignedCredits)]
    credits: Credits,
    /// The worst case that the rate card knows of.
    #[schema(value_type = SignedCredits)]
    credits_max: Credits,
    /// Adds up to `credits`.
    breakdown: Vec<BreakdownLine>,
    formula: String,
    rate_card: RateCardRef,
    /// Plan × time window × complexity; `1` when none applies.
    multiplier: String,
    /// From this instant on the quote is refused.
    #[schema(value_type = Instant)]
    valid_until: Timestamp,
    /// Cheaper models of the same feature, cheapest first.
    alternatives: Vec<Alternative>,
    admission: Admission,
    #[schema(value_type = Instant)]
    created_at: Timestamp,
}

/// A cheaper way to do the same.
#[derive(Serialize, ToSchema)]
pub struct Alternative {
    model: String,
    #[schema(value_type = SignedCredits)]
    credits: Credits,
}

/// Whether the work would be let in at this moment.
#[derive(Serialize, ToSchema)]
pub struct Admission {
    #[schema(schema_with = verdict)]
    verdict: &'static str,
    /// The plan includes the feature and model.
    entitled: bool,
    /// The wallet can set `credits` aside.
    affordable: bool,
    #[schema(value_type = SignedCredits)]
    available: Credits,
    /// When a restriction ends by itself; null when there is none, or none that does.
    #[schema(value_type = Option<Instant>)]
    restricted_until: Option<Timestamp>,
}

/// Quote a price
///
/// Moves nothing. A hold that names the quote gets exactly this price.
#[utoipa::path(post, path = "/v1/quotes", tag = "Quotes", operation_id = "create_quote",
    params(OptionalKey), request_body = NewQuote,
    responses((status = 201, description = "The quote.", body = Quote), (status = 404, description = "")))]
async fn create(caller: Caller, State(api): State<Api>, sent: Changing<NewQuote>) -> Answer {
    created::<_, Quote>(quotes::create(&api.app, &caller.0, sent.body.into(), sent.key.as_ref()).await?)
}

impl Input for NewQuote {}

impl From<NewQuote> for quotes::NewQuote {
    fn from(new: NewQuote) -> quotes::NewQuote {
        quotes::NewQuote {
            customer: new.customer.named(),
            work: work(new.feature, new.model, new.quantities, new.options),
            context: context(new.context),
        }
    }
}

impl From<quotes::Quote> for Quote {
    fn from(quote: quotes::Quote) -> Quote {
        let rate_card = rate_card(&quote.priced);
        let (priced, price) = (quote.priced.clone(), quote.priced.price);
        Quote {
            id: quote.id,
            customer: quote.customer,
            feature: priced.feature,
            model: priced.model,
            quantities: QuantityMap(price.quantities),
            credits: price.credits,
            credits_max: price.credits_max,
            breakdown: breakdown(price.breakdown),
            formula: price.formula,
            rate_card,
            multiplier: price.multiplier,
            valid_until: quote.valid_until,
            alternatives: quote.alternatives.into_iter().map(Alternative::from).collect(),
            admission: quote.admission.into(),
            created_at: quote.created_at,
        }
    }
}

impl From<catalog::Alternative> for Alternative {
    fn from(alternative: catalog::Alternative) -> Alternative {
        Alternative { model: alternative.model, credits: alternative.credits }
    }
}

impl From<quotes::Admission> for Admission {
    fn from(admission: quotes::Admission) -> Admission {
        Admission {
            verdict: match admission.verdict {
                quotes::Verdict::Allow => "allow",
                quotes::Verdict::Review => "review",
                quotes::Verdict::Restrict => "restrict",
                quotes::Verdict::Block => "block",
            },
            entitled: admission.entitled,
            affordable: admission.affordable,
            available: admission.available,
            restricted_until: admission.restricted_until,
        }
    }
}

fn verdict() -> Schema {
    one_of("What the risk rules say.", ["allow", "review", "restrict", "block"])
}
