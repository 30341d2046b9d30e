use app::holds::{self, Basis, Charge};
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::{CreditsInput, PositiveCredits, QuantitiesInput, TtlSeconds, present};
use crate::answer::{Answer, changed, created, ok};
use crate::body::{Input, Moving, Nothing, RequiredKey};
use crate::caller::Caller;
use crate::hold::Hold;
use crate::json::{self, optional_object};
use crate::path::Id;
use crate::problem::{FieldProblem, Problem};
use crate::query::{NoQuery, Strict};
use crate::receipts::Receipt;
use crate::text::{self, CustomerRef, FeatureName, Job, ModelName, Subject, VendorTransaction};
use crate::work::{ContextInput, OptionsInput, context, work};

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(get))
        .routes(routes!(extend))
        .routes(routes!(capture))
        .routes(routes!(void))
}

/// A hold to be. Its amount comes from a `quote`, from `feature`, `model` and `quantities`, or from
/// plain `credits`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"customer": "acme-1", "feature": "image.generate", "model": "sdxl", "quantities": {"images": 1}}))]
pub struct NewHold {
    customer: CustomerRef,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<text::QuoteId>, nullable = false)]
    quote: Option<kernel::QuoteId>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    feature: Option<FeatureName>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    model: Option<ModelName>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    quantities: Option<QuantitiesInput>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    credits: Option<PositiveCredits>,
    #[serde(default, deserialize_with = "optional_object")]
    options: Option<OptionsInput>,
    #[serde(default, deserialize_with = "optional_object")]
    context: Option<ContextInput>,
    /// 900 when absent.
    ttl_seconds: Option<TtlSeconds>,
    job: Option<Job>,
    subject: Option<Subject>,
}

/// More credits, more time, or both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ttl_seconds": 900}))]
pub struct Extension {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    credits: Option<PositiveCredits>,
    /// From now on; it never shortens the hold.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    ttl_seconds: Option<TtlSeconds>,
}

/// What the work used since the last capture: either `quantities`, priced as the hold was, or plain
/// `credits`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"quantities": {"images": 1}}))]
pub struct Capture {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    quantities: Option<QuantitiesInput>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    credits: Option<CreditsInput>,
    /// Releases what is left; `true` when absent.
    #[serde(rename = "final")]
    is_final: Option<bool>,
    vendor_transaction: Option<VendorTransaction>,
}

/// Authorize a hold
///
/// Sets credits aside before the work begins, or refuses and changes nothing.
#[utoipa::path(post, path = "/v1/holds", tag = "Holds", operation_id = "create_hold",
    params(RequiredKey), request_body = NewHold,
    responses((status = 201, description = "The hold.", body = Hold),
        (status = 402, description = ""), (status = 429, description = "")))]
async fn create(caller: Caller, State(api): State<Api>, sent: Moving<NewHold>) -> Answer {
    created::<_, Hold>(holds::authorize(&api.app, &caller.0, sent.body.try_into()?, &sent.key).await?)
}

/// Get a hold
///
/// As it is now.
#[utoipa::path(get, path = "/v1/holds/{id}", tag = "Holds", operation_id = "get_hold",
    params(("id" = text::HoldId, Path, description = "The hold's `id`.")),
    responses((status = 200, description = "The hold.", body = Hold)))]
async fn get(
    caller: Caller,
    State(api): State<Api>,
    Id(id): Id<kernel::HoldId>,
    _: Strict<NoQuery>,
) -> Answer {
    ok(Hold::from(holds::get(&api.app, &caller.0, id).await?))
}

/// Extend a hold
///
/// Sets more credits aside or gives it more time, for work that turns out longer.
#[utoipa::path(post, path = "/v1/holds/{id}/extend", tag = "Holds", operation_id = "extend_hold",
    params(("id" = text::HoldId, Path, description = "The hold's `id`."), RequiredKey), request_body = Extension,
    responses((status = 200, description = "The hold.", body = Hold), (status = 402, description = "")))]
async fn extend(
    caller: Caller,
    State(api): State<Api>,
    Id(id): Id<kernel::HoldId>,
    sent: Moving<Extension>,
) -> Answer {
    changed::<_, Hold>(holds::extend(&api.app, &caller.0, id, sent.body.into(), &sent.key).await?)
}

/// Capture a hold
///
/// Charges what the work used. Beyond the hold it takes what is available; the feature's overage policy
/// decides about the rest. A lapsed hold is charged at its frozen price.
#[utoipa::path(post, path = "/v1/holds/{id}/capture", tag = "Holds", operation_id = "capture_hold",
    params(("id" = text::HoldId, Path, description = "The hold's `id`."), RequiredKey), request_body = Capture,
    responses((status = 200, description = "The receipt.", body = Receipt), (status = 402, description = "")))]
async fn capture(
    caller: Caller,
    State(api): State<Api>,
    Id(id): Id<kernel::HoldId>,
    sent: Moving<Capture>,
) -> Answer {
    changed::<_, Receipt>(holds::capture(&api.app, &caller.0, id, sent.body.try_into()?, &sent.key).await?)
}

/// Void a hold
///
/// Gives the credits back to their very lots: the work failed or was not needed, and costs nothing.
#[utoipa::path(post, path = "/v1/holds/{id}/void", tag = "Holds", operation_id = "void_hold",
    params(("id" = text::HoldId, Path, description = "The hold's `id`."), RequiredKey),
    responses((status = 200, description = "The voided hold.", body = Hold)))]
async fn void(
    caller: Caller,
    State(api): State<Api>,
    Id(id): Id<kernel::HoldId>,
    sent: Moving<Nothing>,
) -> Answer {
    changed::<_, Hold>(holds::void(&api.app, &caller.0, id, &sent.key).await?)
}

impl Input for NewHold {
    const READ: fn(&[u8]) -> Result<NewHold, FieldProblem> = json::read_once;
}

impl Input for Extension {}

impl Input for Capture {
    const READ: fn(&[u8]) -> Result<Capture, FieldProblem> = json::read_once;
}

impl TryFrom<NewHold> for holds::NewHold {
    type Error = Problem;

    fn try_from(new: NewHold) -> Result<holds::NewHold, Problem> {
        let options = new.options;
        let basis = match (new.quote, new.feature, new.model, new.quantities, new.credits) {
            (Some(quote), None, None, None, None) if options.is_none() => Basis::Quote(quote),
            (None, Some(feature), Some(model), Some(quantities), None) => {
                Basis::Work(work(feature, model, quantities, options))
            }
            (None, None, None, None, Some(credits)) if options.is_none() => Basis::Credits(credits.0),
            _ => return Err(ambiguous("quote; feature, model and quantities (with options); or credits")),
        };
        Ok(holds::NewHold {
            customer: new.customer.named(),
            basis,
            ttl_seconds: new.ttl_seconds.map(|ttl| ttl.0),
            job: new.job.map(|job| job.0),
            subject: new.subject.map(|subject| subject.0),
            context: context(new.context),
        })
    }
}

impl From<Extension> for holds::Extension {
    fn from(extension: Extension) -> holds::Extension {
        holds::Extension {
            credits: extension.credits.map(|credits| credits.0),
            ttl_seconds: extension.ttl_seconds.map(|ttl| ttl.0),
        }
    }
}

impl TryFrom<Capture> for holds::Capture {
    type Error = Problem;

    fn try_from(capture: Capture) -> Result<holds::Capture, Problem> {
        let charge = match (capture.quantities, capture.credits) {
            (Some(quantities), None) => Charge::Quantities(quantities.0),
            (None, Some(credits)) => Charge::Credits(credits.0),
            _ => return Err(ambiguous("quantities or credits")),
        };
        Ok(holds::Capture {
            charge,
            is_final: capture.is_final.unwrap_or(true),
            vendor_transaction: capture.vendor_transaction.map(|t| t.0),
        })
    }
}

fn ambiguous(choices: &str) -> Problem {
    Problem::field("", format!("the body must have exactly one of: {choices}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw_of<T: Input>(body: &str) -> String {
        T::READ(body.as_bytes()).map_or_else(|error| error.message, |_| "none".to_owned())
    }

    #[test]
    fn what_comes_twice_is_refused_in_every_object() {
        let hold = |members: &str| flaw_of::<NewHold>(&format!(r#"{{"customer": "a", {members}}}"#));
        assert_eq!(hold(r#""quantities": {"images": 1}, "options": {"style": "x"}"#), "none");
        for twice in [
            r#""customer": "a""#,
            r#""credits": "1", "credits": "1""#,
            r#""quantities": {"images": 1, "images": 1}"#,
            r#""options": {"style": "x", "style": "x"}"#,
            r#""context": {"ip": "10.0.0.1", "ip": "10.0.0.1"}"#,
        ] {
            assert!(hold(twice).ends_with("twice"), "{twice}: {}", hold(twice));
        }
        assert_eq!(flaw_of::<Capture>(r#"{"quantities": {"images": 1}, "final": true}"#), "none");
        for twice in [r#"{"final": true, "final": true}"#, r#"{"quantities": {"images": 1, "images": 1}}"#] {
            let flaw = flaw_of::<Capture>(twice);
            assert!(flaw.ends_with("twice"), "{twice}: {flaw}");
        }
    }
}
