use app::catalogue::{self, RateCardId};
use axum::extract::State;
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::Instant;
use crate::answer::{Answer, changed, created, ok};
use crate::body::{Changing, Input, Nothing, OptionalKey};
use crate::caller::Caller;
use crate::list::{List, Paging};
use crate::path::Id;
use crate::query::{NoQuery, Strict};
use crate::text::CatalogueText;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get)).routes(routes!(publish))
}

/// A rate card to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"document": "[rate_card]\nname = \"spring\"\n"}))]
pub struct NewRateCard {
    /// The whole catalogue: rate card, features, packs, plans.
    document: CatalogueText,
}

/// One immutable version of the catalogue.
#[derive(Serialize, ToSchema)]
pub struct RateCard {
    /// `card_` and the version.
    #[schema(value_type = String, pattern = "^card_[1-9][0-9]*$")]
    id: String,
    version: i64,
    name: String,
    #[schema(value_type = Instant)]
    created_at: Timestamp,
    /// From when on it is in force; null for a draft.
    #[schema(value_type = Option<Instant>)]
    published_at: Option<Timestamp>,
}

/// A version with its document.
#[derive(Serialize, ToSchema)]
pub struct RateCardDocument {
    #[schema(value_type = String, pattern = "^card_[1-9][0-9]*$")]
    id: String,
    version: i64,
    name: String,
    #[schema(value_type = Instant)]
    created_at: Timestamp,
    #[schema(value_type = Option<Instant>)]
    published_at: Option<Timestamp>,
    /// The TOML document as it was sent.
    document: String,
}

/// Draft a rate card
///
/// The document is checked as a whole; a 400 names every field that is wrong. A draft prices nothing
/// until it is published.
#[utoipa::path(post, path = "/v1/rate-cards", tag = "Catalogue", operation_id = "create_rate_card",
    params(OptionalKey), request_body = NewRateCard,
    responses((status = 201, description = "The draft.", body = RateCard)))]
async fn create(caller: Caller, State(api): State<Api>, sent: Changing<NewRateCard>) -> Answer {
    let done = catalogue::create(&api.app, &caller.0, sent.body.document.0, sent.key.as_ref()).await?;
    created::<_, RateCard>(done)
}

/// List rate cards
///
/// All versions, newest first.
#[utoipa::path(get, path = "/v1/rate-cards", tag = "Catalogue", operation_id = "list_rate_cards",
    params(Paging), responses((status = 200, description = "A page of rate cards.", body = List<RateCard>)))]
async fn list(caller: Caller, State(api): State<Api>, Strict(paging): Strict<Paging>) -> Answer {
    ok(List::<RateCard>::of(catalogue::rate_cards(&api.app, &caller.0, &paging.request()).await?))
}

/// Get a rate card
///
/// With its document.
#[utoipa::path(get, path = "/v1/rate-cards/{id}", tag = "Catalogue", operation_id = "get_rate_card",
    params(("id" = String, Path, description = "The version's `id`.", pattern = "^card_[1-9][0-9]*$")),
    responses((status = 200, description = "The rate card.", body = RateCardDocument)))]
async fn get(caller: Caller, State(api): State<Api>, Id(id): Id<RateCardId>, _: Strict<NoQuery>) -> Answer {
    let (card, document) = catalogue::rate_card_document(&api.app, &caller.0, id).await?;
    let RateCard { id, version, name, created_at, published_at } = card.into();
    ok(RateCardDocument { id, version, name, created_at, published_at, document })
}

/// Publish a rate card
///
/// It is in force from now on. Publishing it again changes nothing.
#[utoipa::path(post, path = "/v1/rate-cards/{id}/publish", tag = "Catalogue", operation_id = "publish_rate_card",
    params(("id" = String, Path, description = "The version's `id`.", pattern = "^card_[1-9][0-9]*$"), OptionalKey),
    responses((status = 200, description = "The published rate card.", body = RateCard)))]
async fn publish(
    caller: Caller,
    State(api): State<Api>,
    Id(id): Id<RateCardId>,
    sent: Changing<Nothing>,
) -> Answer {
    changed::<_, RateCard>(catalogue::publish(&api.app, &caller.0, id, sent.key.as_ref()).await?)
}

impl Input for NewRateCard {}

impl From<catalogue::RateCard> for RateCard {
    fn from(card: catalogue::RateCard) -> RateCard {
        RateCard {
            id: RateCardId(card.version).to_string(),
            version: card.version,
            name: card.name,
            created_at: card.created_at,
            published_at: card.published_at,
        }
    }
}
