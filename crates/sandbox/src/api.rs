//! One call of the API: key, idempotency, dispatch, answer.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::expand::expand;
use crate::lists::list;
use crate::objects::{customer, dispute, endpoint, product, refund, session};
use crate::params::Params;
use crate::work::{Cause, Work, public};
use crate::{API_VERSION, Sandbox, ids};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";
const KEY_MAX_CHARS: usize = 255;
/// Stripe removes keys once they are at least this old (<https://docs.stripe.com/api/idempotent_requests>).
const KEY_LIFE_SECONDS: i64 = 86_400;

/// A call after its key was accepted.
struct Call<'a> {
    method: Method,
    /// Without `/v1/`.
    path: &'a str,
    params: Params,
    origin: String,
}

struct Answer {
    body: Value,
    is_replay: bool,
}

pub(crate) async fn call(
    State(sandbox): State<Sandbox>,
    method: Method,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request_id = ids::new("req_");
    let input = if method == Method::GET || method == Method::DELETE {
        query.unwrap_or_default().into_bytes()
    } else {
        body.to_vec()
    };
    let outcome = answer(&sandbox, &method, &path, &headers, &input, &request_id).await;
    let mut response = match outcome {
        Ok(answer) => json_response(StatusCode::OK, &answer.body, answer.is_replay),
        Err(error) => {
            tracing::debug!(%method, path, status = error.status.as_u16(), error.message, "sandbox refused");
            json_response(error.status, &error.body(), false)
        }
    };
    let sent = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(request_id) {
        sent.insert("request-id", id);
    }
    sent.insert("stripe-version", HeaderValue::from_static(API_VERSION));
    if let Some(key) = headers.get(IDEMPOTENCY_KEY) {
        sent.insert(IDEMPOTENCY_KEY, key.clone());
    }
    response
}

async fn answer(
    sandbox: &Sandbox,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    input: &[u8],
    request_id: &str,
) -> Result<Answer, ApiError> {
    authenticate(sandbox, headers)?;
    let params = Params::parse(input)?;
    let call = Call { method: method.clone(), path, params, origin: origin(sandbox, headers) };
    if method == Method::GET {
        let work = Work::read(sandbox).await?;
        return Ok(Answer { body: perform(&work, &call).await?, is_replay: false });
    }
    let key = idempotency_key(headers)?;
    let hash = fingerprint(method, path, input);
    let mut work = Work::write(sandbox).await?;
    work.cause = Cause { request_id: Some(request_id.to_owned()), idempotency_key: key.map(str::to_owned) };
    if let Some(first) = first_answer(&work, key, &hash).await? {
        return Ok(Answer { body: first, is_replay: true });
    }
    let body = perform(&work, &call).await?;
    if let Some(key) = key {
        let kept = json!({
            "id": name(key), "object": "idempotency", "created": work.unix_now(), "hash": hash, "body": body,
        });
        work.put(&kept).await?;
    }
    work.commit().await?;
    Ok(Answer { body, is_replay: false })
}

pub(crate) fn authenticate(sandbox: &Sandbox, headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = given.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim).unwrap_or_default();
    if key.is_empty() {
        return Err(ApiError::unauthorized(
            "You did not provide an API key. Provide your test key in the Authorization header, as Bearer.",
        ));
    }
    if key.contains("_live_") {
        return Err(ApiError::unauthorized("This is a sandbox: it refuses live keys. Use a test key."));
    }
    let is_known = match &sandbox.0.config.secret_key {
        Some(only) => only == key,
        None => key.starts_with("sk_test_") || key.starts_with("rk_test_"),
    };
    if is_known { Ok(()) } else { Err(ApiError::unauthorized("Invalid API Key provided.")) }
}

/// The answer to the same call under the same key; an error when the call was another one. A key is
/// forgotten after a day.
async fn first_answer(work: &Work<'_>, key: Option<&str>, hash: &str) -> Result<Option<Value>, ApiError> {
    let Some(key) = key else { return Ok(None) };
    let Some(mut kept) = work.find(&name(key)).await? else { return Ok(None) };
    if kept["created"].as_i64().is_none_or(|at| at + KEY_LIFE_SECONDS <= work.unix_now()) {
        return Ok(None);
    }
    if kept["hash"] != hash {
        return Err(ApiError::idempotency(
            "Keys for idempotent requests can only be used with the same parameters they were first used with.",
        ));
    }
    Ok(Some(kept["body"].take()))
}

/// The same for the same parameters, in whatever order they come.
fn fingerprint(method: &Method, path: &str, input: &[u8]) -> String {
    let mut pairs: Vec<_> = form_urlencoded::parse(input).collect();
    pairs.sort_unstable();
    let mut hash = Sha256::new();
    for part in [method.as_str(), path].into_iter().chain(pairs.iter().flat_map(|(k, v)| [&**k, &**v])) {
        hash.update(part);
        hash.update([0]);
    }
    ids::hex(&hash.finalize())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=KEY_MAX_CHARS).contains(&key.len()));
    key.map(Some).ok_or_else(|| ApiError::idempotency("The idempotency key must be 1 to 255 characters."))
}

fn name(key: &str) -> String {
    format!("idem_{}", ids::hex(&Sha256::digest(key)))
}

async fn perform(work: &Work<'_>, call: &Call<'_>) -> Result<Value, ApiError> {
    let segments: Vec<&str> = call.path.split('/').filter(|s| !s.is_empty()).collect();
    let answer = match (&call.method, segments.as_slice()) {
        (&Method::GET, segments) => read(work, call, segments).await?,
        (&Method::POST, segments) => change(work, call, segments).await?,
        (&Method::DELETE, ["customers", id]) => customer::delete(work, id).await?,
        (&Method::DELETE, ["webhook_endpoints", id]) => endpoint::delete(work, id).await?,
        _ => return Err(unrecognized(call)),
    };
    expand(work, public(&answer), &call.params.expand()).await
}

async fn read(work: &Work<'_>, call: &Call<'_>, segments: &[&str]) -> Result<Value, ApiError> {
    let (kind, rest) = collection(segments).ok_or_else(|| unrecognized(call))?;
    match rest {
        [] => list(work, kind, &format!("/v1/{}", call.path), &call.params).await,
        [id] => {
            call.params.only(&[])?;
            work.need(kind, id).await
        }
        [id, "line_items"] if kind == "checkout.session" => {
            Ok(session::line_items(&work.need(kind, id).await?))
        }
        _ => Err(unrecognized(call)),
    }
}

async fn change(work: &Work<'_>, call: &Call<'_>, segments: &[&str]) -> Result<Value, ApiError> {
    let params = &call.params;
    match segments {
        ["customers"] => customer::create(work, params).await,
        ["customers", id] => customer::update(work, id, params).await,
        ["products"] => product::create(work, params).await,
        ["prices"] => product::create_price(work, params).await,
        ["checkout", "sessions"] => session::create(work, params, &call.origin).await,
        ["checkout", "sessions", id, "expire"] => {
            params.only(&[])?;
            session::expire(work, id).await
        }
        ["refunds"] => refund::create(work, params).await,
        ["disputes", id] => dispute::update(work, id, params).await,
        ["disputes", id, "close"] => dispute::concede(work, id).await,
        ["webhook_endpoints"] => endpoint::create(work, params).await,
        _ => Err(unrecognized(call)),
    }
}

/// Which kind a path lists, and what follows.
fn collection<'a, 'b>(segments: &'a [&'b str]) -> Option<(&'static str, &'a [&'b str])> {
    let (kind, used) = match segments {
        ["customers", ..] => ("customer", 1),
        ["products", ..] => ("product", 1),
        ["prices", ..] => ("price", 1),
        ["checkout", "sessions", ..] => ("checkout.session", 2),
        ["payment_intents", ..] => ("payment_intent", 1),
        ["charges", ..] => ("charge", 1),
        ["refunds", ..] => ("refund", 1),
        ["disputes", ..] => ("dispute", 1),
        ["events", ..] => ("event", 1),
        ["webhook_endpoints", ..] => ("webhook_endpoint", 1),
        _ => return None,
    };
    segments.get(used..).map(|rest| (kind, rest))
}

fn unrecognized(call: &Call<'_>) -> ApiError {
    ApiError::invalid(format!("Unrecognized request URL ({}: /v1/{}).", call.method, call.path))
        .status(StatusCode::NOT_FOUND)
}

/// Where a browser finds the pages: as configured, else as this request names the server.
fn origin(sandbox: &Sandbox, headers: &HeaderMap) -> String {
    if let Some(origin) = &sandbox.0.config.public_origin {
        return origin.trim_end_matches('/').to_owned();
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_host = |host: &&str| {
        host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-' | b'[' | b']'))
    };
    format!("http://{}", host.filter(is_host).unwrap_or("127.0.0.1"))
}

fn json_response(status: StatusCode, body: &Value, is_replay: bool) -> Response {
    let mut response = (status, format!("{body:#}\n")).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if is_replay {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Stripe\""));
    }
    response
}
