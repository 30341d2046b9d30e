//! How much is worked on at once. What comes on top is refused before any work, so that the rest is
//! answered in time; health checks and documents are always answered.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// Two full batches of the engine: enough to keep its writers busy, little enough to wait for.
const CALLS_AT_ONCE: usize = 2_048;

#[derive(Clone)]
pub(crate) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Places {
        Places(Arc::new(Semaphore::new(CALLS_AT_ONCE)))
    }
}

pub(crate) async fn admit(State(Places(places)): State<Places>, request: Request, next: Next) -> Response {
    let Ok(_place) = places.try_acquire() else {
        metrics::counter!("scrip_api_refused_busy_total").increment(1);
        return Problem::unavailable("The server works on as much as it can. Nothing was decided.").into_response();
    };
    next.run(request).await
}
