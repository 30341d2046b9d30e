//! Scores, cases and what decides them.

mod exceptions;

use std::collections::BTreeMap;

use app::risk::cases::{self, Decision, Ruling};
use app::risk::score;
use app::risk::settings::StepUp;
use axum::extract::State;
use kernel::{Credits, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::{Instant, SignedCredits};
use crate::answer::{Answer, changed, ok};
use crate::body::{Changing, Input, OptionalKey};
use crate::caller::Caller;
use crate::list::{Limit, List, page};
use crate::path::Id;
use crate::query::{NoQuery, Strict, parsed};
use crate::text::{self, CustomerRef, Reason, named, one_of};

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(score_customer))
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(decide))
        .merge(exceptions::routes())
}

/// Whom to score.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"customer": "acme-1"}))]
struct Scoring {
    customer: CustomerRef,
}

/// One contribution to a score.
#[derive(Serialize, ToSchema)]
struct RiskReason {
    /// A rule's name, `velocity` or `unusual`.
    name: String,
    /// 0 to 1.
    strength: f64,
    /// What was seen, with its numbers.
    sentence: String,
}

/// How suspicious a customer's use is at this moment.
#[derive(Serialize, ToSchema)]
struct RiskScore {
    #[schema(value_type = text::CustomerId)]
    customer: kernel::CustomerId,
    /// 0 to 1; 0 for a customer of whom nothing is known.
    score: f64,
    #[schema(schema_with = verdict)]
    verdict: String,
    /// The strongest first.
    reasons: Vec<RiskReason>,
    /// By their names; empty for a customer of whom nothing is known.
    features: BTreeMap<String, f64>,
    /// The models that spoke, joined by ` + `; null before the first was fitted.
    model: Option<String>,
    /// The version of the settings that judged.
    settings: i64,
    /// The customer is scored and never acted on.
    is_allowed: bool,
    /// What happened before this instant is in it.
    #[schema(value_type = Instant)]
    as_of: Timestamp,
}

/// A customer whose use looks like abuse, and what a person decided.
#[derive(Serialize, ToSchema)]
struct RiskCase {
    #[schema(value_type = text::CaseId)]
    id: kernel::CaseId,
    #[schema(value_type = text::CustomerId)]
    customer: kernel::CustomerId,
    #[schema(schema_with = case_state)]
    state: &'static str,
    /// The strictest so far.
    #[schema(schema_with = verdict)]
    verdict: String,
    /// The highest so far, 0 to 1, with its reasons and features.
    score: f64,
    reasons: Vec<RiskReason>,
    features: BTreeMap<String, f64>,
    model: Option<String>,
    settings: i64,
    /// What the wallet could still spend at that moment.
    #[schema(value_type = SignedCredits)]
    at_risk: Credits,
    /// New work is on hold because of this case.
    is_restricted: bool,
    /// When the last hold ends or ended by itself; null without one, or when only a person ends it.
    #[schema(value_type = Option<Instant>)]
    restricted_until: Option<Timestamp>,
    #[schema(schema_with = step_up)]
    step_up: String,
    #[schema(value_type = Instant)]
    opened_at: Timestamp,
    #[schema(value_type = Instant)]
    seen_at: Timestamp,
    /// `confirmed` or `dismissed`; null while it is open.
    decision: Option<&'static str>,
    note: Option<String>,
    decided_by: Option<String>,
    /// When it was decided last.
    #[schema(value_type = Option<Instant>)]
    closed_at: Option<Timestamp>,
    /// All decisions, the oldest first; the last one counts, those before it were corrected.
    decisions: Vec<CaseDecision>,
    /// What the customer said last.
    appeal: Option<String>,
}

/// What was decided about a case once.
#[derive(Serialize, ToSchema)]
struct CaseDecision {
    #[schema(schema_with = decision)]
    decision: &'static str,
    note: Option<String>,
    decided_by: String,
    #[schema(value_type = Instant)]
    decided_at: Timestamp,
}

/// A person's decision about a case.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"verdict": "dismissed", "note": "a batch of theirs, they called"}))]
struct CaseVerdict {
    #[serde(deserialize_with = "named")]
    #[schema(schema_with = decision)]
    verdict: Decision,
    /// Kept with the case; the customer does not see it.
    note: Option<Reason>,
    /// Whether the customer may begin new work again. When absent: yes if dismissed, no if confirmed.
    release: Option<bool>,
}

/// Filters of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only cases in this state.
    #[serde(default, deserialize_with = "parsed")]
    #[param(schema_with = case_state, required = false, nullable = false)]
    state: Option<String>,
    /// How many items, 20 when absent.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100, required = false, nullable = false)]
    limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, required = false, nullable = false)]
    cursor: Option<String>,
}

/// Score a customer
///
/// From memory, as of some seconds ago. It changes nothing.
#[utoipa::path(post, path = "/v1/risk/score", tag = "Risk", operation_id = "score_customer",
    request_body = Scoring, responses((status = 200, description = "The score.", body = RiskScore)))]
async fn score_customer(caller: Caller, State(api): State<Api>, sent: Changing<Scoring>) -> Answer {
    ok(RiskScore::from(score::score(&api.app, &caller.0, &sent.body.customer.named()).await?))
}

/// List cases
///
/// Newest first.
#[utoipa::path(get, path = "/v1/risk/cases", tag = "Risk", operation_id = "list_cases",
    params(Filter), responses((status = 200, description = "A page of cases.", body = List<RiskCase>)))]
async fn list(caller: Caller, State(api): State<Api>, Strict(filter): Strict<Filter>) -> Answer {
    let page = page(filter.limit, filter.cursor);
    ok(List::<RiskCase>::of(cases::list(&api.app, &caller.0, filter.state.as_deref(), &page).await?))
}

/// Get a case
///
/// With its reasons and features.
#[utoipa::path(get, path = "/v1/risk/cases/{id}", tag = "Risk", operation_id = "get_case",
    params(("id" = text::CaseId, Path, description = "The case's `id`.")),
    responses((status = 200, description = "The case.", body = RiskCase)))]
async fn get(
    caller: Caller,
    State(api): State<Api>,
    Id(id): Id<kernel::CaseId>,
    _: Strict<NoQuery>,
) -> Answer {
    ok(RiskCase::from(cases::get(&api.app, &caller.0, id).await?))
}

/// Decide a case, or correct its decision
///
/// A dismissal silences for a week what spoke about this customer, limits of speed as well, and ends the case's hold, no
/// later one; a confirmation keeps the customer on hold until somebody releases them.
///
/// The other verdict about a decided case corrects it: the same follows as from a first one, and a confirmation ends what
/// the dismissal silenced. From then on only the new verdict counts, also in what the next night's training learns;
/// `decisions` keeps the one before. A case is corrected at most 20 times, then it is `wrong_state`. The same verdict
/// again changes nothing, neither the note nor the hold. Send an `Idempotency-Key`: a repeat without one that comes after
/// somebody's correction is a correction of its own.
///
/// A case in which the customer wrote about the hold of a confirmed one stands for it: dismissing it also corrects that
/// one, and confirming it after all corrects that back.
#[utoipa::path(post, path = "/v1/risk/cases/{id}/verdict", tag = "Risk", operation_id = "decide_case",
    params(("id" = text::CaseId, Path, description = "The case's `id`."), OptionalKey),
    request_body = CaseVerdict,
    responses((status = 200, description = "The decided case.", body = RiskCase)))]
async fn decide(
    caller: Caller,
    State(api): State<Api>,
    Id(id): Id<kernel::CaseId>,
    sent: Changing<CaseVerdict>,
) -> Answer {
    let CaseVerdict { verdict, note, release } = sent.body;
    let ruling = Ruling { decision: verdict, note: note.map(|note| note.0), release, seen: None };
    changed::<_, RiskCase>(cases::decide(&api.app, &caller.0, id, ruling, sent.key.as_ref()).await?)
}

impl Input for Scoring {}
impl Input for CaseVerdict {}

impl From<score::Scored> for RiskScore {
    fn from(scored: score::Scored) -> RiskScore {
        RiskScore {
            customer: scored.customer,
            score: scored.score,
            verdict: scored.verdict,
            reasons: scored.reasons.into_iter().map(RiskReason::from).collect(),
            features: scored.features,
            model: scored.model,
            settings: scored.settings,
            is_allowed: scored.is_allowed,
            as_of: scored.as_of,
        }
    }
}

impl From<cases::Reason> for RiskReason {
    fn from(reason: cases::Reason) -> RiskReason {
        RiskReason { name: reason.name, strength: reason.strength, sentence: reason.sentence }
    }
}

impl From<cases::Decided> for CaseDecision {
    fn from(decided: cases::Decided) -> CaseDecision {
        CaseDecision {
            decision: decided.decision.as_str(),
            note: decided.note,
            decided_by: decided.by,
            decided_at: decided.at,
        }
    }
}

impl From<cases::Case> for RiskCase {
    fn from(case: cases::Case) -> RiskCase {
        RiskCase {
            id: case.id,
            customer: case.customer,
            state: if case.is_open { "open" } else { "closed" },
            verdict: case.verdict,
            score: case.score,
            reasons: case.reasons.into_iter().map(RiskReason::from).collect(),
            features: case.features,
            model: case.model,
            settings: case.settings,
            at_risk: case.at_risk,
            is_restricted: case.is_restricted,
            restricted_until: case.restricted_until,
            step_up: case.step_up,
            opened_at: case.opened_at,
            seen_at: case.seen_at,
            decision: case.decision.map(Decision::as_str),
            note: case.note,
            decided_by: case.decided_by,
            closed_at: case.closed_at,
            decisions: case.decisions.into_iter().map(CaseDecision::from).collect(),
            appeal: case.appeal,
        }
    }
}

fn verdict() -> Schema {
    one_of("What follows from the score.", ["allow", "review", "restrict", "block"])
}

fn case_state() -> Schema {
    one_of("Whether somebody still has to decide.", cases::STATES)
}

fn decision() -> Schema {
    one_of("What a person found.", ["confirmed", "dismissed"])
}

pub fn step_up() -> Schema {
    one_of("How the customer may lift a hold.", StepUp::ALL.iter().map(|step| step.as_str()))
}
