use app::grants;
use axum::extract::State;
use kernel::{Credits, Timestamp};
use ledger::GrantKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::{Instant, PositiveCredits, Priority, SignedCredits};
use crate::answer::{Answer, changed, created};
use crate::body::{Input, Moving, Nothing, RequiredKey};
use crate::caller::Caller;
use crate::json::optional_object;
use crate::money::{Money, MoneyInput};
use crate::path::Id;
use crate::text::{self, CustomerRef, Reason, named};
use crate::wallets::grant_kind;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(void))
}

/// A grant to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"customer": "acme-1", "credits": "100", "kind": "promo", "reason": "welcome"}))]
pub struct NewGrant {
    customer: CustomerRef,
    credits: PositiveCredits,
    #[serde(deserialize_with = "named")]
    #[schema(schema_with = grant_kind)]
    kind: GrantKind,
    /// From this instant on the credits are gone. Purchases live twelve months when absent, other grants
    /// for ever.
    #[serde(default)]
    #[schema(value_type = Option<Instant>)]
    expires_at: Option<Timestamp>,
    priority: Option<Priority>,
    reason: Option<Reason>,
    /// Money paid for all of it, in the customer's currency: the cost basis of its lot.
    #[serde(default, deserialize_with = "optional_object")]
    paid: Option<MoneyInput>,
}

/// Credits given.
#[derive(Serialize, ToSchema)]
pub struct Grant {
    #[schema(value_type = text::GrantId)]
    id: kernel::GrantId,
    #[schema(value_type = text::CustomerId)]
    customer: kernel::CustomerId,
    #[schema(value_type = SignedCredits)]
    credits: Credits,
    #[schema(schema_with = grant_kind)]
    kind: &'static str,
    priority: i16,
    #[schema(value_type = Option<Instant>)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<Money>)]
    paid: Option<kernel::Money>,
    reason: Option<String>,
    /// The part that paid debt at once.
    #[schema(value_type = SignedCredits)]
    paid_debt: Credits,
    voided: bool,
    /// What the void took back.
    #[schema(value_type = SignedCredits)]
    revoked: Credits,
    #[schema(value_type = Instant)]
    created_at: Timestamp,
}

/// Grant credits
///
/// Debt is paid first; the rest is a lot of its own.
#[utoipa::path(post, path = "/v1/grants", tag = "Grants", operation_id = "create_grant",
    params(RequiredKey), request_body = NewGrant,
    responses((status = 201, description = "The grant.", body = Grant)))]
async fn create(caller: Caller, State(api): State<Api>, sent: Moving<NewGrant>) -> Answer {
    created::<_, Grant>(grants::create(&api.app, &caller.0, sent.body.into(), &sent.key).await?)
}

/// Void a grant
///
/// Takes back what is left of it. What open holds have set aside follows when they end; what is used
/// stays used.
#[utoipa::path(post, path = "/v1/grants/{id}/void", tag = "Grants", operation_id = "void_grant",
    params(("id" = text::GrantId, Path, description = "The grant's `id`."), RequiredKey),
    responses((status = 200, description = "The voided grant.", body = Grant)))]
async fn void(
    caller: Caller,
    State(api): State<Api>,
    Id(id): Id<kernel::GrantId>,
    sent: Moving<Nothing>,
) -> Answer {
    changed::<_, Grant>(grants::void(&api.app, &caller.0, id, &sent.key).await?)
}

impl Input for NewGrant {}

impl From<NewGrant> for grants::NewGrant {
    fn from(new: NewGrant) -> grants::NewGrant {
        grants::NewGrant {
            customer: new.customer.named(),
            credits: new.credits.0,
            kind: new.kind,
            expires_at: new.expires_at,
            // Its reader keeps it inside of an i16.
            priority: new.priority.and_then(|priority| i16::try_from(priority.0).ok()),
            reason: new.reason.map(|reason| reason.0),
            paid: new.paid.map(kernel::Money::from),
        }
    }
}

impl From<grants::Grant> for Grant {
    fn from(grant: grants::Grant) -> Grant {
        Grant {
            id: grant.id,
            customer: grant.customer,
            credits: grant.credits,
            kind: grant.kind.as_str(),
            priority: grant.priority,
            expires_at: grant.expires_at,
            paid: grant.paid,
            reason: grant.reason,
            paid_debt: grant.paid_debt,
            voided: grant.voided,
            revoked: grant.revoked,
            created_at: grant.created_at,
        }
    }
}
