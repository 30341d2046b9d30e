//! Keeping new work of a customer out, and letting it in again.

use app::restrictions::{self, Actor};
use axum::extract::State;
use kernel::Timestamp;
use ledger::StepUp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::Instant;
use crate::answer::{Answer, changed};
use crate::body::{Changing, Input, OptionalKey};
use crate::caller::Caller;
use crate::path::Id;
use crate::text::{self, CustomerRef, Reason, named, one_of};

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(restrict)).routes(routes!(release))
}

/// What keeps new work out.
#[derive(Serialize, ToSchema)]
pub struct Restriction {
    #[schema(value_type = Instant)]
    since: Timestamp,
    /// From this instant on work is let in again; null until it is released.
    #[schema(value_type = Option<Instant>)]
    until: Option<Timestamp>,
    #[schema(schema_with = step_up)]
    step_up: &'static str,
}

/// A restriction to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "card reported stolen", "step_up": "review"}))]
struct NewRestriction {
    /// From this instant on work is let in again; until it is released when absent.
    #[serde(default)]
    #[schema(value_type = Option<Instant>)]
    until: Option<Timestamp>,
    /// For operators; the customer does not see it.
    reason: Reason,
    /// What the customer can do about it; `review` when absent.
    #[serde(default = "review", deserialize_with = "named")]
    #[schema(schema_with = step_up, required = false)]
    step_up: StepUp,
}

/// The end of a restriction.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "the customer called"}))]
struct NewRelease {
    /// For operators; the customer does not see it.
    reason: Reason,
}

/// Whether a customer's new work is let in from now on.
#[derive(Serialize, ToSchema)]
struct RestrictionChange {
    #[schema(value_type = text::CustomerId)]
    customer: kernel::CustomerId,
    /// Null after a release.
    restriction: Option<Restriction>,
    reason: String,
    /// Its place in the customer's statement.
    seq: kernel::Seq,
    #[schema(value_type = Instant)]
    created_at: Timestamp,
}

/// Put a customer on hold
///
/// New holds and reported usage are refused (403 `restricted`). Open holds can still be captured or voided,
/// reported events are charged, and credits can be bought. A restriction that ends later than the one in
/// force replaces it; one that would end sooner is refused.
#[utoipa::path(post, path = "/v1/customers/{id}/restrict", tag = "Customers", operation_id = "restrict_customer",
    params(("id" = CustomerRef, Path, description = "The customer's `id` or `external_id`."), OptionalKey),
    request_body = NewRestriction,
    responses((status = 200, description = "The restriction.", body = RestrictionChange)))]
async fn restrict(
    caller: Caller,
    State(api): State<Api>,
    Id(customer): Id<CustomerRef>,
    sent: Changing<NewRestriction>,
) -> Answer {
    let NewRestriction { until, reason, step_up } = sent.body;
    let new = restrictions::NewRestriction { until, step_up, reason: reason.0 };
    let by = Actor::Key(&caller.0);
    changed::<_, RestrictionChange>(
        restrictions::restrict(&api.app, by, &customer.named(), new, sent.key.as_ref()).await?,
    )
}

/// Take a customer off hold
///
/// New work is let in again.
#[utoipa::path(post, path = "/v1/customers/{id}/release", tag = "Customers", operation_id = "release_customer",
    params(("id" = CustomerRef, Path, description = "The customer's `id` or `external_id`."), OptionalKey),
    request_body = NewRelease,
    responses((status = 200, description = "The release.", body = RestrictionChange)))]
async fn release(
    caller: Caller,
    State(api): State<Api>,
    Id(customer): Id<CustomerRef>,
    sent: Changing<NewRelease>,
) -> Answer {
    let new = restrictions::NewRelease { restriction: None, reason: sent.body.reason.0 };
    let by = Actor::Key(&caller.0);
    changed::<_, RestrictionChange>(
        restrictions::release(&api.app, by, &customer.named(), new, sent.key.as_ref()).await?,
    )
}

impl Input for NewRestriction {}
impl Input for NewRelease {}

impl From<ledger::Restriction> for Restriction {
    fn from(made: ledger::Restriction) -> Restriction {
        Restriction { since: made.since, until: made.until, step_up: made.step_up.as_str() }
    }
}

impl From<restrictions::Changed> for RestrictionChange {
    fn from(changed: restrictions::Changed) -> RestrictionChange {
        RestrictionChange {
            customer: changed.customer,
            restriction: changed.restriction.map(Restriction::from),
            reason: changed.reason,
            seq: changed.seq,
            created_at: changed.created_at,
        }
    }
}

fn review() -> StepUp {
    StepUp::Review
}

fn step_up() -> Schema {
    one_of("What ends it before its time.", StepUp::ALL.iter().map(|step_up| step_up.as_str()))
}
