//! Successes: a status, a document, and whether it was said before.

use app::Done;
use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::problem::Problem;

/// Bytes that a receipt has room in.
const ROOM: usize = 1_536;

/// What a handler answers.
pub type Answer = Result<Response, Problem>;

pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// 200 with a document.
pub fn ok(document: impl Serialize) -> Answer {
    Ok(Json(document).into_response())
}

/// 201 for what a call made, now or at its first try.
pub fn created<T, D: From<T> + Serialize>(done: Done<T>) -> Answer {
    Ok(answer(StatusCode::CREATED, done.replayed, D::from(done.value)))
}

/// 200 for what a call changed, now or at its first try.
pub fn changed<T, D: From<T> + Serialize>(done: Done<T>) -> Answer {
    Ok(answer(StatusCode::OK, done.replayed, D::from(done.value)))
}

pub fn answer(status: StatusCode, is_replayed: bool, document: impl Serialize) -> Response {
    answer_of(1, status, is_replayed, document)
}

/// With as many receipts in it.
pub fn answer_of(
    receipts: usize,
    status: StatusCode,
    is_replayed: bool,
    document: impl Serialize,
) -> Response {
    let mut body = Vec::with_capacity(receipts * ROOM);
    if let Err(error) = serde_json::to_writer(&mut body, &document) {
        tracing::error!(%error, "an answer could not be written");
        return Problem::internal().into_response();
    }
    let json = HeaderValue::from_static("application/json");
    let mut response = (status, [(header::CONTENT_TYPE, json)], body).into_response();
    if is_replayed {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
