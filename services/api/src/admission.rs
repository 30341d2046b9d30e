//! How much is worked on at once. What comes on top waits a moment for its turn and is refused before any
//! work, so that the rest is answered in time; health checks and documents are always answered.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// Two full batches of the engine: enough to keep its writers busy, little enough to wait for.
const CALLS_AT_ONCE: usize = 2_048;
/// For a place; and, without one, before a caller is told to come back later: many of them come back at once,
/// and telling them so must not take the time of those who are served.
const WAIT: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub(crate) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Places {
        Places(Arc::new(Semaphore::new(CALLS_AT_ONCE)))
    }
}

pub(crate) async fn admit(State(Places(places)): State<Places>, request: Request, next: Next) -> Response {
    let place = match places.try_acquire() {
        Ok(place) => Some(place),
        Err(_) => tokio::time::timeout(WAIT, places.acquire()).await.ok().and_then(Result::ok),
    };
    let Some(place) = place else {
        metrics::counter!("scrip_api_refused_busy_total").increment(1);
        return Problem::unavailable("The server works on as much as it can. Nothing was decided.")
            .into_response();
    };
    let response = next.run(request).await;
    drop(place);
    if matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        tokio::time::sleep(WAIT).await;
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::http::header::RETRY_AFTER;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tokio::sync::Notify;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_call_beyond_all_places_waits_a_moment_and_is_refused_and_the_one_before_it_is_done() {
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tells, waits) = (begun.clone(), go_on.clone());
        let work = move || async move {
            tells.notify_one();
            waits.notified().await;
        };
        let places = Places(Arc::new(Semaphore::new(1)));
        let router: Router = Router::new().route("/", get(work)).layer(from_fn_with_state(places, admit));
        let call = || router.clone().oneshot(Request::new(Body::empty()));
        let first = tokio::spawn(call());
        begun.notified().await;
        let second = call().await.expect("an answer");
        assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(second.headers().get(RETRY_AFTER).map(|value| value.as_bytes()), Some(&b"1"[..]));
        let third = tokio::spawn(call());
        tokio::task::yield_now().await;
        go_on.notify_one();
        let first = first.await.expect("no panic").expect("an answer");
        assert_eq!(first.status(), StatusCode::OK);
        begun.notified().await;
        go_on.notify_one();
        let third = third.await.expect("no panic").expect("an answer");
        assert_eq!(third.status(), StatusCode::OK, "it got the first one's place");
    }
}
