//! Bodies of requests: content type, size, strict JSON and the idempotency key, in that order.

use std::error::Error;

use app::Keyed;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use crate::json;
use crate::problem::{
    BODY_TOO_LARGE, FieldProblem, IDEMPOTENCY_KEY_REQUIRED, Problem, UNSUPPORTED_MEDIA_TYPE,
};
use crate::query::{self, NoQuery};

/// The largest body of an ordinary request.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;
/// The largest body of a batch.
pub const BATCH_MAX_BYTES: usize = 8 * 1024 * 1024;

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What a handler reads from a JSON body.
pub trait Input: DeserializeOwned {
    const MAX_BYTES: usize = BODY_MAX_BYTES;
    /// An absent body means `{}`.
    const IS_OPTIONAL: bool = false;
    /// How it is read from the body's text.
    const READ: fn(&[u8]) -> Result<Self, FieldProblem> = json::read::<Self>;
}

/// For calls whose path says all: no body, or an empty object.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl Input for Nothing {
    const IS_OPTIONAL: bool = true;
}

/// A change that moves credits: the caller's key is required.
pub struct Moving<T> {
    pub body: T,
    pub key: Keyed,
}

/// Another change: a key is taken when it is sent.
pub struct Changing<T> {
    pub body: T,
    pub key: Option<Keyed>,
}

impl<S: Send + Sync, T: Input> FromRequest<S> for Moving<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Moving<T>, Problem> {
        let Changing { body, key } = Changing::from_request(request, state).await?;
        let key = key.ok_or_else(|| {
            Problem::new(
                IDEMPOTENCY_KEY_REQUIRED,
                "Send an Idempotency-Key header, and the same one with every retry.",
            )
        })?;
        Ok(Moving { body, key })
    }
}

impl<S: Send + Sync, T: Input> FromRequest<S> for Changing<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Changing<T>, Problem> {
        let (parts, body) = request.into_parts();
        query::read::<NoQuery>(&parts)?;
        // A body that may be absent has no content type then.
        if !T::IS_OPTIONAL || parts.headers.contains_key(header::CONTENT_TYPE) {
            require_media_type(&parts.headers, &["application/json"])?;
        }
        let bytes = read_bytes(&parts, body, T::MAX_BYTES).await?;
        let body = if bytes.is_empty() && T::IS_OPTIONAL { read_json(b"{}")? } else { read_json(&bytes)? };
        let hash = input_hash(parts.method.as_str(), parts.uri.path(), &bytes);
        Ok(Changing { body, key: key_of(&parts.headers, hash)? })
    }
}

fn read_json<T: Input>(bytes: &[u8]) -> Result<T, Problem> {
    (T::READ)(bytes).map_err(|error| {
        let is_body = error.field.is_empty();
        let message =
            if is_body { format!("the body is not as expected: {}", error.message) } else { error.message };
        Problem::field(error.field, message)
    })
}

/// All of the body, at most `max_bytes` of it.
pub async fn read_bytes(parts: &Parts, body: Body, max_bytes: usize) -> Result<Bytes, Problem> {
    announced(&parts.headers, max_bytes)?;
    let collected = Limited::new(body, max_bytes).collect().await;
    Ok(collected.map_err(|error| unread(&*error, max_bytes))?.to_bytes())
}

/// The length that a body of at most `max_bytes` says it has, if it says one.
pub(crate) fn announced(headers: &HeaderMap, max_bytes: usize) -> Result<Option<usize>, Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let length = length.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if length.is_some_and(|bytes| bytes > max_bytes) { Err(too_large(max_bytes)) } else { Ok(length) }
}

/// Why a body of at most `max_bytes` was not read.
pub(crate) fn unread(error: &(dyn Error + Send + Sync + 'static), max_bytes: usize) -> Problem {
    match error.is::<LengthLimitError>() {
        true => too_large(max_bytes),
        false => Problem::field("", "the body ended before it was complete"),
    }
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(BODY_TOO_LARGE, format!("A body may have at most {max_bytes} bytes here."))
}

/// The one of `known` that the request has; parameters such as a charset do not matter, JSON is UTF-8.
pub fn require_media_type(headers: &HeaderMap, known: &[&'static str]) -> Result<&'static str, Problem> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    known.iter().copied().find(|k| essence.eq_ignore_ascii_case(k)).ok_or_else(|| {
        Problem::new(UNSUPPORTED_MEDIA_TYPE, format!("The content type must be {}.", known.join(" or ")))
    })
}

/// rules.md, "Idempotency": the hash is over method, path and body.
pub fn input_hash(method: &str, path: &str, body: &[u8]) -> ledger::InputHash {
    let mut hash = Sha256::new();
    for part in [method.as_bytes(), path.as_bytes()] {
        hash.update(part);
        // Neither contains a zero byte, so the parts cannot be shifted.
        hash.update([0]);
    }
    hash.update(body);
    hash.finalize().into()
}

fn key_of(headers: &HeaderMap, hash: ledger::InputHash) -> Result<Option<Keyed>, Problem> {
    let mut sent = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(value) = sent.next() else { return Ok(None) };
    let invalid = |message: String| Problem::field("Idempotency-Key", message);
    if sent.next().is_some() {
        return Err(invalid("is sent twice".to_owned()));
    }
    let text = value.to_str().unwrap_or_default();
    Keyed::sent(text, hash).map(Some).map_err(invalid)
}

/// The header of changes that move credits.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "documents what `Moving` reads")]
pub struct RequiredKey {
    /// Your name for this change. The same key with the same request answers what the first try
    /// answered and moves nothing again; with another request it is refused (422).
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$",
        example = "order-42"
    )]
    key: String,
}

/// The header of other changes.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "documents what `Changing` reads")]
pub struct OptionalKey {
    /// Your name for this change. The same key with the same request answers what the first try
    /// answered; with another request it is refused (422).
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$",
        required = false,
        nullable = false
    )]
    key: Option<String>,
}
