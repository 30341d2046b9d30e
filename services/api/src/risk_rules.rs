//! What decides about scores: thresholds, rules and limits as versions, and what rules would have done.

use std::collections::BTreeMap;

use app::risk::settings::{self, RuleState, StepUp};
use app::risk::shadow;
use axum::extract::State;
use kernel::{Credits, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::{CreditsInput, Instant, PositiveCredits, SignedCredits, present, whole};
use crate::answer::{Answer, created, ok};
use crate::body::{Changing, Input, OptionalKey};
use crate::caller::Caller;
use crate::query::{NoQuery, Strict};
use crate::risk::step_up;
use crate::text::{Reason, named, one_of};

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(current, change)).routes(routes!(report))
}

/// How fast credits may go before a customer is held for a while.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VelocityInput {
    /// In one hour, whoever it is; no limit when absent.
    credits_per_hour: Option<PositiveCredits>,
    /// So many times the customer's own usual hour, once there are seven days of history; no limit when absent.
    #[serde(default, deserialize_with = "times")]
    #[schema(value_type = Option<i64>, minimum = 2, maximum = 10000, required = false)]
    times_usual_hour: Option<u32>,
    /// The second limit is silent below this.
    least_credits: CreditsInput,
}

/// What judges, as a whole.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RiskSettingsInput {
    /// The score from which a case is opened.
    #[schema(minimum = 0.05, maximum = 1.0)]
    review: f64,
    /// The score from which new work is put on hold.
    #[schema(minimum = 0.05, maximum = 1.0)]
    restrict: f64,
    /// The score from which a person must look before new work; 1 is never reached.
    #[schema(minimum = 0.05, maximum = 1.0)]
    block: f64,
    /// A verdict is left below this part of its threshold.
    #[schema(minimum = 0.0, maximum = 1.0)]
    release: f64,
    /// The state of rules by their names, and of `reviewers`, what these taught; one that is not named is on.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, RuleStateName>, required = false)]
    rules: BTreeMap<String, RuleState>,
    #[serde(deserialize_with = "present", default)]
    #[schema(value_type = VelocityInput, required = false)]
    velocity: Option<VelocityInput>,
    /// How long a hold lasts that came by itself.
    #[serde(deserialize_with = "minutes")]
    #[schema(minimum = 1, maximum = 43200)]
    restrict_minutes: i64,
    /// How customers lift it themselves.
    #[serde(deserialize_with = "named")]
    #[schema(schema_with = step_up)]
    step_up: StepUp,
    /// Holds of customers who can spend more than this are mailed to operators at once.
    mail_above: CreditsInput,
}

/// Settings to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"settings": {"review": 0.5, "restrict": 0.9, "block": 1.0, "release": 0.6,
    "rules": {"scraper": "shadow"}, "restrict_minutes": 1440, "step_up": "verify_mail", "mail_above": "100"},
    "reason": "scrapers are watched for a month first"}))]
struct NewRiskSettings {
    settings: RiskSettingsInput,
    /// Why; kept with the version.
    reason: Reason,
}

/// How fast credits may go.
#[derive(Serialize, ToSchema)]
struct Velocity {
    #[schema(value_type = Option<SignedCredits>)]
    credits_per_hour: Option<Credits>,
    times_usual_hour: Option<u32>,
    #[schema(value_type = SignedCredits)]
    least_credits: Credits,
}

/// A version of what judges.
#[derive(Serialize, ToSchema)]
struct RiskSettings {
    /// 0 is what holds before anybody made one.
    version: i64,
    review: f64,
    restrict: f64,
    block: f64,
    release: f64,
    /// Every rule with its state.
    rules: BTreeMap<&'static str, &'static str>,
    velocity: Velocity,
    restrict_minutes: i64,
    #[schema(schema_with = step_up)]
    step_up: &'static str,
    #[schema(value_type = SignedCredits)]
    mail_above: Credits,
    author: String,
    reason: String,
    /// Null for version 0.
    #[schema(value_type = Option<Instant>)]
    created_at: Option<Timestamp>,
}

/// What a rule would have done.
#[derive(Serialize, ToSchema)]
struct ShadowRule {
    rule: &'static str,
    #[schema(schema_with = rule_state)]
    state: &'static str,
    /// Customers that it alone brings to a reviewer.
    flagged: usize,
    /// Of these, customers that no other rule that counts brings there.
    alone: usize,
    /// Of the flagged, customers whom reviewers confirmed or dismissed in this time.
    confirmed: usize,
    dismissed: usize,
}

/// The last 30 days under today's rules.
#[derive(Serialize, ToSchema)]
struct ShadowReport {
    #[schema(value_type = Instant)]
    from: Timestamp,
    #[schema(value_type = Instant)]
    until: Timestamp,
    /// Customers with use.
    customers: usize,
    /// Customers whom the rules that count bring to a reviewer.
    flagged: usize,
    rules: Vec<ShadowRule>,
    /// Thresholds that about 1 % and 0.2 % of the customers of the last week exceed; the defaults when fewer than 200
    /// used something.
    suggested_review: f64,
    suggested_restrict: f64,
}

/// Get the risk settings
///
/// The version in force.
#[utoipa::path(get, path = "/v1/risk/settings", tag = "Risk", operation_id = "get_risk_settings",
    responses((status = 200, description = "The settings.", body = RiskSettings)))]
async fn current(caller: Caller, State(api): State<Api>, _: Strict<NoQuery>) -> Answer {
    ok(RiskSettings::from(settings::current(&api.app, &caller.0).await?))
}

/// Change the risk settings
///
/// Makes a new version of all settings; it is in force at once, in other processes within five seconds.
#[utoipa::path(post, path = "/v1/risk/settings", tag = "Risk", operation_id = "change_risk_settings",
    params(OptionalKey), request_body = NewRiskSettings,
    responses((status = 201, description = "The new version.", body = RiskSettings)))]
async fn change(caller: Caller, State(api): State<Api>, sent: Changing<NewRiskSettings>) -> Answer {
    let NewRiskSettings { settings, reason } = sent.body;
    let done = settings::change(&api.app, &caller.0, (settings.into(), reason.0), sent.key.as_ref()).await?;
    created::<_, RiskSettings>(done)
}

/// Report on rules
///
/// What each rule would have flagged in the last 30 days, whether it counts or not.
#[utoipa::path(get, path = "/v1/risk/shadow", tag = "Risk", operation_id = "report_on_rules",
    responses((status = 200, description = "The report.", body = ShadowReport)))]
async fn report(caller: Caller, State(api): State<Api>, _: Strict<NoQuery>) -> Answer {
    ok(ShadowReport::from(shadow::report(&api.app, &caller.0).await?))
}

impl Input for NewRiskSettings {}

impl From<RiskSettingsInput> for settings::Settings {
    fn from(input: RiskSettingsInput) -> settings::Settings {
        let velocity =
            input.velocity.map_or_else(settings::Velocity::default, |velocity| settings::Velocity {
                credits_per_hour: velocity.credits_per_hour.map(|credits| credits.0),
                times_usual_hour: velocity.times_usual_hour,
                least_credits: velocity.least_credits.0,
            });
        settings::Settings {
            review: input.review,
            restrict: input.restrict,
            block: input.block,
            release: input.release,
            rules: input.rules,
            velocity,
            restrict_minutes: input.restrict_minutes,
            step_up: input.step_up,
            mail_above: input.mail_above.0,
        }
    }
}

impl From<settings::Version> for RiskSettings {
    fn from(version: settings::Version) -> RiskSettings {
        let rules = version.settings.states().map(|(rule, state)| (rule, state.as_str())).collect();
        let settings = version.settings;
        RiskSettings {
            version: version.version,
            review: settings.review,
            restrict: settings.restrict,
            block: settings.block,
            release: settings.release,
            rules,
            velocity: Velocity {
                credits_per_hour: settings.velocity.credits_per_hour,
                times_usual_hour: settings.velocity.times_usual_hour,
                least_credits: settings.velocity.least_credits,
            },
            restrict_minutes: settings.restrict_minutes,
            step_up: settings.step_up.as_str(),
            mail_above: settings.mail_above,
            author: version.author,
            reason: version.reason,
            created_at: version.created_at,
        }
    }
}

impl From<shadow::Report> for ShadowReport {
    fn from(report: shadow::Report) -> ShadowReport {
        let rule = |rule: shadow::Rule| ShadowRule {
            rule: rule.rule,
            state: rule.state.as_str(),
            flagged: rule.flagged,
            alone: rule.alone,
            confirmed: rule.confirmed,
            dismissed: rule.dismissed,
        };
        ShadowReport {
            from: report.from,
            until: report.until,
            customers: report.wallets,
            flagged: report.flagged,
            rules: report.rules.into_iter().map(rule).collect(),
            suggested_review: report.suggested.review,
            suggested_restrict: report.suggested.restrict,
        }
    }
}

/// The schema of a rule's state.
struct RuleStateName;

impl utoipa::PartialSchema for RuleStateName {
    fn schema() -> utoipa::openapi::RefOr<Schema> {
        rule_state().into()
    }
}

impl ToSchema for RuleStateName {}

fn minutes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    whole(deserializer, 1, 43_200)
}

fn times<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    struct Times(u32);
    impl<'de> Deserialize<'de> for Times {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Times, D::Error> {
            let times = whole(deserializer, 2, 10_000)?;
            Ok(Times(u32::try_from(times).unwrap_or(u32::MAX)))
        }
    }
    Ok(Option::<Times>::deserialize(deserializer)?.map(|times| times.0))
}

fn rule_state() -> Schema {
    one_of("Whether a rule counts, is only reported on, or is off.", ["on", "shadow", "off"])
}
