//! Successes: a status, a document, and whether it was said before.

use app::Done;
use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::problem::Problem;

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
    let mut response = (status, Json(document)).into_response();
    if is_replayed {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
