//! Customers that are set apart: rules that are silent about one, and those who are never acted on.

use app::risk::exceptions::{self, Change};
use axum::extract::State;
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::{Instant, whole};
use crate::answer::{Answer, changed, ok};
use crate::body::{Changing, Input, OptionalKey};
use crate::caller::Caller;
use crate::list::{List, Paging, slice};
use crate::query::Strict;
use crate::text::{self, CustomerRef, Reason, one_of};

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(of_customer))
        .routes(routes!(snooze))
        .routes(routes!(list_allowed))
        .routes(routes!(allow))
}

/// A rule that is to be silent about a customer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"customer": "acme-1", "rule": "scraper", "days": 30, "reason": "they index their own shop"}))]
struct NewSnooze {
    customer: CustomerRef,
    #[serde(deserialize_with = "rule_name")]
    #[schema(schema_with = rule)]
    rule: String,
    /// 0 lets it count again.
    #[serde(deserialize_with = "days")]
    #[schema(value_type = i64, minimum = 0, maximum = 365)]
    days: i64,
    reason: Reason,
}

/// Whether a customer is never acted on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"customer": "acme-1", "is_allowed": true, "reason": "our own load test"}))]
struct NewAllowance {
    customer: CustomerRef,
    is_allowed: bool,
    reason: Reason,
}

/// A rule that does not count for a customer.
#[derive(Serialize, ToSchema)]
struct RiskSnooze {
    #[schema(schema_with = rule)]
    rule: String,
    /// Exclusive.
    #[schema(value_type = Instant)]
    until: Timestamp,
    author: String,
    reason: String,
    #[schema(value_type = Instant)]
    created_at: Timestamp,
}

/// A customer that is scored and never acted on.
#[derive(Serialize, ToSchema)]
struct RiskAllowance {
    #[schema(value_type = text::CustomerId)]
    customer: kernel::CustomerId,
    author: String,
    reason: String,
    #[schema(value_type = Instant)]
    created_at: Timestamp,
}

/// What sets a customer apart.
#[derive(Serialize, ToSchema)]
struct RiskExceptions {
    #[schema(value_type = text::CustomerId)]
    customer: kernel::CustomerId,
    /// Null for a customer on whom verdicts are acted.
    #[schema(required = true)]
    allowance: Option<RiskAllowance>,
    /// Rules that are silent now.
    snoozes: Vec<RiskSnooze>,
}

/// Whose exceptions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Whose {
    /// A customer: `cus_…` or an external_id.
    customer: CustomerRef,
}

/// Get a customer's exceptions
///
/// The rules that are silent about them, and whether they are never acted on.
#[utoipa::path(get, path = "/v1/risk/exceptions", tag = "Risk", operation_id = "get_risk_exceptions",
    params(Whose), responses((status = 200, description = "What sets the customer apart.", body = RiskExceptions)))]
async fn of_customer(caller: Caller, State(api): State<Api>, Strict(whose): Strict<Whose>) -> Answer {
    let found = exceptions::of_customer(&api.app, &caller.0, &whose.customer.named()).await?;
    ok(RiskExceptions::from(found))
}

/// Snooze a rule
///
/// It does not count for this customer for so many days; all others hold. Of a rule that is silent already the time and
/// the reason are replaced.
#[utoipa::path(post, path = "/v1/risk/snoozes", tag = "Risk", operation_id = "snooze_rule",
    params(OptionalKey), request_body = NewSnooze,
    responses((status = 200, description = "What sets the customer apart now.", body = RiskExceptions)))]
async fn snooze(caller: Caller, State(api): State<Api>, sent: Changing<NewSnooze>) -> Answer {
    let NewSnooze { customer, rule, days, reason } = sent.body;
    let change = (Change::Snooze { rule, days }, reason.0);
    let key = sent.key.as_ref();
    changed::<_, RiskExceptions>(
        exceptions::change(&api.app, &caller.0, &customer.named(), change, key).await?,
    )
}

/// List customers who are never acted on
///
/// Newest first.
#[utoipa::path(get, path = "/v1/risk/allowances", tag = "Risk", operation_id = "list_risk_allowances",
    params(Paging), responses((status = 200, description = "A page of allowances.", body = List<RiskAllowance>)))]
async fn list_allowed(caller: Caller, State(api): State<Api>, Strict(paging): Strict<Paging>) -> Answer {
    let all = exceptions::allowed_customers(&api.app, &caller.0).await?;
    let all = all.into_iter().map(|allowed| (allowed.customer.to_string(), RiskAllowance::from(allowed)));
    let List { data, has_more, next_cursor } = slice(all, paging, |(id, _)| id)?;
    ok(List { data: data.into_iter().map(|(_, shown)| shown).collect(), has_more, next_cursor })
}

/// Allow a customer
///
/// Who is on this list is scored as everybody, and nothing follows from it. A hold that stands is not ended by it.
#[utoipa::path(post, path = "/v1/risk/allowances", tag = "Risk", operation_id = "allow_customer",
    params(OptionalKey), request_body = NewAllowance,
    responses((status = 200, description = "What sets the customer apart now.", body = RiskExceptions)))]
async fn allow(caller: Caller, State(api): State<Api>, sent: Changing<NewAllowance>) -> Answer {
    let NewAllowance { customer, is_allowed, reason } = sent.body;
    let change = (Change::Allow { is_allowed }, reason.0);
    let key = sent.key.as_ref();
    changed::<_, RiskExceptions>(
        exceptions::change(&api.app, &caller.0, &customer.named(), change, key).await?,
    )
}

impl Input for NewSnooze {}
impl Input for NewAllowance {}

impl From<exceptions::Exceptions> for RiskExceptions {
    fn from(of: exceptions::Exceptions) -> RiskExceptions {
        RiskExceptions {
            customer: of.customer,
            allowance: of.allowed.map(RiskAllowance::from),
            snoozes: of.snoozes.into_iter().map(RiskSnooze::from).collect(),
        }
    }
}

impl From<exceptions::Allowed> for RiskAllowance {
    fn from(allowed: exceptions::Allowed) -> RiskAllowance {
        RiskAllowance {
            customer: allowed.customer,
            author: allowed.author,
            reason: allowed.reason,
            created_at: allowed.created_at,
        }
    }
}

impl From<exceptions::Snooze> for RiskSnooze {
    fn from(snooze: exceptions::Snooze) -> RiskSnooze {
        RiskSnooze {
            rule: snooze.rule,
            until: snooze.until,
            author: snooze.author,
            reason: snooze.reason,
            created_at: snooze.created_at,
        }
    }
}

fn rule() -> Schema {
    one_of("A rule's name, `velocity`, or `reviewers`.", exceptions::rules())
}

fn rule_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if exceptions::rules().any(|rule| rule == text) {
        Ok(text)
    } else {
        Err(serde::de::Error::custom("is not a rule"))
    }
}

fn days<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    whole(deserializer, 0, exceptions::SNOOZE_DAYS_MAX)
}
