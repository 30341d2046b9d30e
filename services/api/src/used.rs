use std::collections::BTreeSet;
use std::str::FromStr;

use app::statements::{self, Dimension, Group, Period, Sum};
use axum::extract::State;
use kernel::{Credits, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::{Instant, SignedCredits};
use crate::answer::{Answer, ok};
use crate::caller::Caller;
use crate::path::Id;
use crate::query::{Strict, parsed};
use crate::text::CustomerRef;

/// The period when none is asked for.
const PERIOD_SECONDS: i64 = 30 * 86_400;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(used))
}

/// Charges of a period, summed.
#[derive(Serialize, ToSchema)]
pub struct Used {
    #[schema(value_type = Instant)]
    from: Timestamp,
    /// Exclusive.
    #[schema(value_type = Instant)]
    to: Timestamp,
    /// Charged in all groups together.
    #[schema(value_type = SignedCredits)]
    credits: Credits,
    charges: u64,
    /// By time, then by name.
    data: Vec<UsedGroup>,
}

/// Charges that are alike in what `group_by` names. What it does not name is null, and so is what a charge
/// has not got.
#[derive(Serialize, ToSchema)]
pub struct UsedGroup {
    /// The beginning of the hour or day, UTC.
    #[schema(value_type = Option<Instant>)]
    begins_at: Option<Timestamp>,
    feature: Option<String>,
    model: Option<String>,
    subject: Option<String>,
    job: Option<String>,
    #[schema(value_type = SignedCredits)]
    credits: Credits,
    charges: u64,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// What tells groups apart, with commas between; `feature` when absent.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, required = false, nullable = false,
        pattern = "^(feature|model|subject|job|day|hour)(,(feature|model|subject|job|day|hour))*$")]
    group_by: Option<GroupBy>,
    /// 30 days before `to` when absent.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, format = DateTime, required = false, nullable = false)]
    from: Option<Timestamp>,
    /// Exclusive; now when absent.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, format = DateTime, required = false, nullable = false)]
    to: Option<Timestamp>,
}

struct GroupBy(BTreeSet<Dimension>);

impl FromStr for GroupBy {
    type Err = String;

    fn from_str(text: &str) -> Result<GroupBy, String> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(GroupBy)
    }
}

/// Sum up a customer's usage
///
/// What captures and reported usage charged, by feature, model, subject, job, day or hour. A charge that was
/// undone since counts nowhere. A period of more than 50,000 entries is refused: ask for a shorter one.
#[utoipa::path(get, path = "/v1/customers/{id}/usage", tag = "Customers", operation_id = "sum_usage",
    params(("id" = CustomerRef, Path, description = "The customer's `id` or `external_id`."), Asked),
    responses((status = 200, description = "The sums.", body = Used)))]
async fn used(
    caller: Caller,
    State(api): State<Api>,
    Id(customer): Id<CustomerRef>,
    Strict(asked): Strict<Asked>,
) -> Answer {
    let to = asked.to.unwrap_or_else(|| api.app.now());
    let from = asked.from.unwrap_or_else(|| to.plus_seconds(-PERIOD_SECONDS));
    let by = asked.group_by.map_or_else(|| [Dimension::Feature].into(), |by| by.0);
    let period = Period { from, to };
    ok(Used::from(statements::used(&api.app, &caller.0, &customer.named(), period, &by).await?))
}

impl From<statements::Used> for Used {
    fn from(used: statements::Used) -> Used {
        Used {
            from: used.period.from,
            to: used.period.to,
            credits: used.total.credits,
            charges: used.total.charges,
            data: used.groups.into_iter().map(UsedGroup::from).collect(),
        }
    }
}

impl From<(Group, Sum)> for UsedGroup {
    fn from((group, sum): (Group, Sum)) -> UsedGroup {
        UsedGroup {
            begins_at: group.begins_at,
            feature: group.feature,
            model: group.model,
            subject: group.subject,
            job: group.job,
            credits: sum.credits,
            charges: sum.charges,
        }
    }
}
