use std::collections::BTreeSet;

use app::{Scope, keys};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use kernel::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::Instant;
use crate::answer::{Answer, created, ok};
use crate::body::{Changing, Input, OptionalKey};
use crate::caller::Caller;
use crate::list::{List, Paging};
use crate::path::Id;
use crate::query::{NoQuery, Strict};
use crate::text::{self, CustomerRef, DisplayName, named, one_of};

/// More scopes than there are need not be read.
const SCOPES_MAX: usize = Scope::ALL.len();

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// An API key to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "backend", "scopes": ["read", "usage"]}))]
pub struct NewApiKey {
    name: DisplayName,
    /// What a merchant's key may do; none for a customer's key.
    #[serde(default)]
    #[schema(schema_with = scopes)]
    scopes: Scopes,
    /// Makes a customer's key (`ck_…`): reads, quotes and jobs of this customer, nothing else. It ends the
    /// holds that such a key began, not those of the merchant.
    customer: Option<CustomerRef>,
    /// Makes an `sk_live_…` key; `false` when absent.
    #[serde(default)]
    livemode: bool,
}

/// An API key.
#[derive(Serialize, ToSchema)]
pub struct ApiKey {
    #[schema(value_type = text::ApiKeyId)]
    id: kernel::ApiKeyId,
    name: String,
    scopes: Vec<String>,
    /// Whose key it is; null for a merchant's.
    #[schema(value_type = Option<text::CustomerId>)]
    customer: Option<kernel::CustomerId>,
    livemode: bool,
    #[schema(value_type = Instant)]
    created_at: Timestamp,
    /// Null while it works.
    #[schema(value_type = Option<Instant>)]
    revoked_at: Option<Timestamp>,
    /// The key itself. Shown once, in the answer that made it: it is stored hashed, so lists and a replay have
    /// null.
    secret: Option<String>,
}

/// List API keys
///
/// Newest first, revoked ones too.
#[utoipa::path(get, path = "/v1/api-keys", tag = "API keys", operation_id = "list_api_keys",
    params(Paging), responses((status = 200, description = "A page of keys.", body = List<ApiKey>)))]
async fn list(caller: Caller, State(api): State<Api>, Strict(paging): Strict<Paging>) -> Answer {
    ok(List::<ApiKey>::of(keys::page(&api.app, &caller.0, &paging.request()).await?))
}

/// Create an API key
///
/// The secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/api-keys", tag = "API keys", operation_id = "create_api_key",
    params(OptionalKey), request_body = NewApiKey,
    responses((status = 201, description = "The key with its secret.", body = ApiKey)))]
async fn create(caller: Caller, State(api): State<Api>, sent: Changing<NewApiKey>) -> Answer {
    created::<_, ApiKey>(keys::create(&api.app, &caller.0, sent.body.into(), sent.key.as_ref()).await?)
}

/// Revoke an API key
///
/// It works no more, everywhere within a second. Revoking it again changes nothing.
#[utoipa::path(delete, path = "/v1/api-keys/{id}", tag = "API keys", operation_id = "revoke_api_key",
    params(("id" = text::ApiKeyId, Path, description = "The key's `id`.")),
    responses((status = 204, description = "It is revoked.")))]
async fn revoke(
    caller: Caller,
    State(api): State<Api>,
    Id(key): Id<kernel::ApiKeyId>,
    _: Strict<NoQuery>,
) -> Answer {
    keys::revoke(&api.app, &caller.0, key).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl Input for NewApiKey {}

#[derive(Default)]
struct Scopes(BTreeSet<Scope>);

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scopes, D::Error> {
        let named: Vec<Named> = Vec::deserialize(deserializer)?;
        if named.len() > SCOPES_MAX {
            return Err(serde::de::Error::custom("names a scope twice"));
        }
        Ok(Scopes(named.into_iter().map(|scope| scope.0).collect()))
    }
}

struct Named(Scope);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named, D::Error> {
        named(deserializer).map(Named)
    }
}

impl From<NewApiKey> for keys::NewApiKey {
    fn from(new: NewApiKey) -> keys::NewApiKey {
        keys::NewApiKey {
            name: new.name.0,
            scopes: new.scopes.0,
            customer: new.customer.map(|customer| customer.named()),
            livemode: new.livemode,
        }
    }
}

impl From<keys::CreatedApiKey> for ApiKey {
    fn from(created: keys::CreatedApiKey) -> ApiKey {
        ApiKey { secret: created.secret, ..ApiKey::of(created.key, None) }
    }
}

impl From<keys::ListedApiKey> for ApiKey {
    fn from(listed: keys::ListedApiKey) -> ApiKey {
        ApiKey::of(listed.key, listed.revoked_at)
    }
}

impl ApiKey {
    fn of(key: keys::ApiKey, revoked_at: Option<Timestamp>) -> ApiKey {
        ApiKey {
            id: key.id,
            name: key.name,
            scopes: key.scopes,
            customer: key.customer,
            livemode: key.livemode,
            created_at: key.created_at,
            revoked_at,
            secret: None,
        }
    }
}

fn scopes() -> Schema {
    let scope = one_of("A right.", Scope::ALL.map(Scope::name));
    ArrayBuilder::new()
        .items(RefOr::T(scope))
        .max_items(Some(SCOPES_MAX))
        .description(Some("What a merchant's key may do; none for a customer's key."))
        .into()
}
