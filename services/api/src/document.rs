//! The OpenAPI document: what the handlers say of themselves, completed by what is true of every call.

use serde_json::{Map, Value, json};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, ContactBuilder, Info, License, OpenApi, OpenApiBuilder, Tag};

use crate::choices;
use crate::problem::{FieldProblem, KINDS, MEDIA_TYPE, ProblemBody};

/// The sections of the documentation, in the order in which an integration meets them.
pub const TAGS: [(&str, &str); 10] = [
    ("Customers", "Who spends credits: a person or an organisation, with one wallet each."),
    ("Grants", "Credits given: a purchase, a promotion, an adjustment."),
    ("Quotes", "What something costs, before it runs."),
    ("Holds", "Credits set aside before the work, charged or given back after it."),
    ("Usage", "Work that is done: charged in one step, or reported as events."),
    ("Receipts", "The proof of every charge, with its formula."),
    ("Payments", "Buying credits on the gateway's page, and what the gateway told about it."),
    ("Catalogue", "Features, plans, packs and rate cards."),
    ("Risk", "Whose use looks like abuse, why, and what a person decided."),
    ("API keys", "Secrets that programs use."),
];

/// More codes of one status would only repeat the list of errors at every operation.
const CODES_LISTED_MAX: usize = 3;

const INTRODUCTION: &str = "Credits for AI products: quote, hold, capture and report usage.\n\n\
    Every call carries `Authorization: Bearer <API key>`. Credits are decimal strings such as `\"12.5\"`; \
    instants are RFC 3339 in UTC; money is in minor units. Lists answer `data`, `has_more` and \
    `next_cursor`. Every error is an `application/problem+json` document with a stable `code`. \
    Changes that move credits need an `Idempotency-Key`: a retry with the same key is safe at any time.";

/// The document before any route is added.
pub fn empty() -> OpenApi {
    let key = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A merchant's key (`sk_…`) or a customer's (`ck_…`)."))
        .build();
    let mut info = Info::new("Scrip API", env!("CARGO_PKG_VERSION"));
    info.description = Some(INTRODUCTION.to_owned());
    info.license = Some(License::builder().name("Apache-2.0").identifier(Some("Apache-2.0")).build());
    info.contact = Some(ContactBuilder::new().name(Some("The operator of this installation")).build());
    let tags = TAGS.iter().map(|(name, description)| {
        let mut tag = Tag::new(*name);
        tag.description = Some((*description).to_owned());
        tag
    });
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(tags))
        .security(Some([utoipa::openapi::SecurityRequirement::new("api_key", Vec::<String>::new())]))
        .components(Some(
            ComponentsBuilder::new()
                .security_scheme("api_key", SecurityScheme::Http(key))
                .schema_from::<FieldProblem>()
                .schema_from::<ProblemBody>()
                .build(),
        ))
        .build()
}

/// The document as it is served: each operation with the errors that any call can meet.
pub fn complete(openapi: &OpenApi) -> Value {
    let mut document = serde_json::to_value(openapi).unwrap_or_default();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for item in paths.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        for (method, operation) in item.iter_mut() {
            name_replays(operation);
            name_errors(method, operation);
        }
    }
    choices::add(&mut document);
    document
}

/// Describes the errors that the operation names by their status, and those that its shape brings along.
fn name_errors(method: &str, operation: &mut Value) {
    // Without a key nobody is refused for lack of one, and a foreign body may be of any type.
    let is_open = operation.get("security").is_some_and(|security| *security == json!([{}]));
    let mut statuses = vec!["400", "500", "503"];
    if !is_open {
        statuses.extend(["401", "403"]);
    }
    if has_parameter(operation, "in", "path") {
        statuses.push("404");
    }
    if method == "post" {
        statuses.push("413");
    }
    if method == "post" && !is_open {
        statuses.push("415");
    }
    if has_parameter(operation, "name", "Idempotency-Key") {
        statuses.push("422");
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for status in statuses {
        responses.entry(status).or_insert(Value::Null);
    }
    for (status, response) in responses.iter_mut().filter(|(status, _)| !status.starts_with('2')) {
        *response = problem_response(status);
    }
}

fn has_parameter(operation: &Value, member: &str, value: &str) -> bool {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    parameters.is_some_and(|all| all.iter().any(|p| p.get(member).is_some_and(|v| v == value)))
}

/// Says on every success that has a key that it may be a replay.
fn name_replays(operation: &mut Value) {
    if !has_parameter(operation, "name", "Idempotency-Key") {
        return;
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
        response["headers"]["Idempotent-Replayed"] = json!({
            "description": "`true` when this is the answer to an earlier request with the same key.",
            "schema": {"type": "string", "enum": ["true"]},
        });
    }
}

/// A problem response; its description lists the codes of the status.
fn problem_response(status: &str) -> Value {
    let kinds = KINDS.iter().filter(|kind| kind.status.to_string() == status);
    let mut codes: Vec<String> = kinds.map(|kind| format!("`{}`: {}.", kind.code, kind.title)).collect();
    if codes.len() > CODES_LISTED_MAX {
        codes = vec!["The request cannot be done as it is; `code` and `errors` say why.".to_owned()];
    }
    let mut response = json!({
        "description": codes.join(" "),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    if matches!(status, "429" | "503") {
        response["headers"] = json!({
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
        });
    }
    response
}
