//! Whether the process lives, and whether it can work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::Api;
use crate::problem::Problem;

/// GET /livez: the process answers. No I/O, so a slow database does not get it killed.
pub async fn livez() -> StatusCode {
    StatusCode::OK
}

/// GET /readyz: the database answers with its tables, and the engine runs.
pub async fn readyz(State(api): State<Api>) -> Response {
    match api.app.check_ready().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}
