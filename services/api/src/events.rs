use app::events;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use bytes::Bytes;
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::Instant;
use crate::answer::Answer;
use crate::body::{BATCH_MAX_BYTES, read_bytes, require_media_type};
use crate::caller::Caller;
use crate::json;
use crate::problem::Problem;
use crate::query::{self, NoQuery};
use crate::text::one_of;

/// As `metering` bounds them.
const EVENTS_MAX: usize = 1_000;
const SINGLE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
const EITHER: &str = "application/json";

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(ingest))
}

/// A CloudEvents 1.0 event in JSON. Names of extensions are lower-case letters and digits.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the schema of metering::Event, which knows nothing of OpenAPI")]
#[schema(example = json!({"specversion": "1.0", "id": "1", "source": "litellm-proxy", "type": "litellm_tokens", "subject": "acme-1", "data": {"model": "gpt-4", "prompt_tokens": 1500, "completion_tokens": 500}}))]
pub struct CloudEvent {
    #[schema(schema_with = version)]
    specversion: String,
    /// With `source` the event's identity: the same pair is charged once.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    id: String,
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    source: String,
    /// The customer, by our id or yours.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    subject: String,
    /// Picks the mapping to a feature, a model and quantities.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    r#type: String,
    /// When the use occurred; the instant of receipt when absent.
    #[schema(value_type = Option<Instant>)]
    time: Option<String>,
    /// A JSON type.
    #[schema(pattern = r"^application/json$")]
    datacontenttype: Option<String>,
    /// What the mapping reads.
    data: Option<serde_json::Value>,
}

/// The schema of many events.
pub struct EventArray;

impl PartialSchema for EventArray {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(Ref::from_schema_name("CloudEvent"))
            .min_items(Some(1))
            .max_items(Some(EVENTS_MAX))
            .description(Some("Events of one or several customers."))
            .into()
    }
}

impl ToSchema for EventArray {}

/// One event or an array of them.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(examples(json!({"specversion": "1.0", "id": "1", "source": "litellm-proxy", "type": "litellm_tokens", "subject": "acme-1", "data": {"model": "gpt-4", "prompt_tokens": 1500, "completion_tokens": 500}})))]
#[allow(dead_code, reason = "a schema")]
pub enum CloudEvents {
    One(CloudEvent),
    Many(EventArray),
}

/// Report events
///
/// Takes CloudEvents as OpenMeter's clients and LiteLLM's `openmeter` callback send them. An event is
/// charged once by its `source` and `id`, whatever its body. The work is done, so what the wallet cannot
/// pay follows the feature's overage policy, and an event without a price is stored as unrated. A
/// malformed event or an unknown subject refuses the whole request.
#[utoipa::path(post, path = "/api/v1/events", tag = "Usage", operation_id = "ingest_events",
    request_body(content(
        (CloudEvent = "application/cloudevents+json"),
        (EventArray = "application/cloudevents-batch+json"),
        (CloudEvents = "application/json"))),
    responses((status = 204, description = "Every event is stored and charged.")))]
async fn ingest(caller: Caller, State(api): State<Api>, Reported(body): Reported) -> Answer {
    events::ingest(&api.app, &caller.0, &body).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The body of a report: JSON whose shape fits its content type.
struct Reported(Bytes);

impl<S: Send + Sync> FromRequest<S> for Reported {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Reported, Problem> {
        let (parts, body) = request.into_parts();
        query::read::<NoQuery>(&parts)?;
        let media_type = require_media_type(&parts.headers, &[SINGLE, BATCH, EITHER])?;
        let bytes = read_bytes(&parts, body, BATCH_MAX_BYTES).await?;
        json::check(&bytes).map_err(|error| Problem::fields(vec![error]))?;
        let is_array = bytes.trim_ascii_start().starts_with(b"[");
        match (media_type, is_array) {
            (SINGLE, true) => {
                Err(Problem::field("", format!("the body must be one event; send arrays as {BATCH}")))
            }
            (BATCH, false) => Err(Problem::field("", "the body must be an array of events")),
            _ => Ok(Reported(bytes)),
        }
    }
}

fn version() -> Schema {
    one_of("The version of CloudEvents.", ["1.0"])
}
