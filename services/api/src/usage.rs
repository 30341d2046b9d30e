use app::usage;
use axum::extract::State;
use kernel::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::{Instant, QuantitiesInput};
use crate::answer::{Answer, created};
use crate::body::{Input, Moving, RequiredKey};
use crate::caller::Caller;
use crate::json::{self, optional_object};
use crate::problem::FieldProblem;
use crate::receipts::Receipt;
use crate::text::{CustomerRef, FeatureName, Job, ModelName, Subject, VendorTransaction};
use crate::work::{ContextInput, OptionsInput, context, work};
use crate::{batches, events};

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create)).merge(batches::routes()).merge(events::routes())
}

/// Work that is done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"customer": "acme-1", "feature": "text.generate", "model": "gpt-4", "quantities": {"input_tokens": 1500, "output_tokens": 500}}))]
pub struct NewUsage {
    customer: CustomerRef,
    feature: FeatureName,
    model: ModelName,
    quantities: QuantitiesInput,
    #[serde(default, deserialize_with = "optional_object")]
    options: Option<OptionsInput>,
    #[serde(default, deserialize_with = "optional_object")]
    context: Option<ContextInput>,
    job: Option<Job>,
    subject: Option<Subject>,
    vendor_transaction: Option<VendorTransaction>,
    /// Late usage is priced by the rate card of this instant and drawn from the lots of now.
    #[serde(default)]
    #[schema(value_type = Option<Instant>)]
    occurred_at: Option<Timestamp>,
}

/// Report usage
///
/// Charges work in one step, or refuses and changes nothing.
#[utoipa::path(post, path = "/v1/usage", tag = "Usage", operation_id = "report_usage",
    params(RequiredKey), request_body = NewUsage,
    responses((status = 201, description = "The receipt.", body = Receipt),
        (status = 402, description = ""), (status = 429, description = "")))]
async fn create(caller: Caller, State(api): State<Api>, sent: Moving<NewUsage>) -> Answer {
    created::<_, Receipt>(usage::report(&api.app, &caller.0, sent.body.into(), &sent.key).await?)
}

impl Input for NewUsage {
    const READ: fn(&[u8]) -> Result<NewUsage, FieldProblem> = json::read_once;
}

impl From<NewUsage> for usage::NewUsage {
    fn from(new: NewUsage) -> usage::NewUsage {
        usage::NewUsage {
            customer: new.customer.named(),
            work: work(new.feature, new.model, new.quantities, new.options),
            context: context(new.context),
            job: new.job.map(|job| job.0),
            subject: new.subject.map(|subject| subject.0),
            vendor_transaction: new.vendor_transaction.map(|t| t.0),
            occurred_at: new.occurred_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_twice_or_has_a_zero_character_is_refused_in_every_object() {
        let body = |members: &str| {
            format!(r#"{{"feature": "text.generate", "model": "gpt-4", "customer": "a", {members}}}"#)
        };
        let read = |members: &str| NewUsage::READ(body(members).as_bytes());
        assert!(
            read(r#""quantities": {"images": 1, "steps": 2}, "job": "n\u00e4chste"}"#).is_err(),
            "a second end"
        );
        assert!(read(r#""quantities": {"images": 1, "steps": 2}, "job": "n\u00e4chste""#).is_ok());
        for twice in [
            r#""quantities": {}, "customer": "b""#,
            r#""quantities": {}, "quantities": {}"#,
            r#""quantities": {"images": 1, "images": 1}"#,
            r#""quantities": {}, "options": {"style": "x", "style": "x"}"#,
            r#""quantities": {}, "context": {"ip": "10.0.0.1", "ip": "10.0.0.1"}"#,
            r#""quantities": {}, "context": {"prompt": "a\nb", "prompt": "a"}"#,
        ] {
            let Err(error) = read(twice) else { panic!("{twice} was taken") };
            assert!(error.message.ends_with("twice"), "{twice}: {}", error.message);
        }
        let Err(error) = read(r#""quantities": {}, "job": "a\u0000b""#) else { panic!("it was taken") };
        assert_eq!(error.field, "job");
    }
}
