//! How much is worked on at once. What comes on top waits a moment for its turn and is refused before any
//! work, so that the rest is answered in time; health checks and documents are always answered.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::body::{BATCH_MAX_BYTES, announced, unread};
use crate::problem::Problem;

/// Two full batches of the engine: enough to keep its writers busy, little enough to wait for.
const CALLS_AT_ONCE: usize = 2_048;
/// For a place; and, without one, before a caller is told to come back later: many of them come back at once,
/// and telling them so must not take the time of those who are served.
const WAIT: Duration = Duration::from_millis(500);
/// For a body, with a place. Whoever sends more slowly waits without one.
const BODY_WAIT: Duration = Duration::from_millis(100);
/// What all bodies on their way may have together, and the smallest part of it that one takes.
const BODIES_BYTES: usize = 256 * 1024 * 1024;
const PART_BYTES: usize = 64 * 1024;

#[derive(Clone)]
pub(crate) struct Places {
    calls: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Places {
        Places::of(CALLS_AT_ONCE)
    }
}

impl Places {
    fn of(calls: usize) -> Places {
        let bodies = Semaphore::new(BODIES_BYTES / PART_BYTES);
        Places { calls: Arc::new(Semaphore::new(calls)), bodies: Arc::new(bodies) }
    }

    /// The request with all of its body, and a place for it.
    async fn take_in(&self, request: Request) -> Result<(Request, SemaphorePermit<'_>), Problem> {
        let mut place = take(&self.calls, 1).await?;
        if request.body().is_end_stream() {
            return Ok((request, place));
        }
        let (parts, body) = request.into_parts();
        let room = announced(&parts.headers, BATCH_MAX_BYTES)?.unwrap_or(BATCH_MAX_BYTES);
        let room = u32::try_from(room.div_ceil(PART_BYTES).max(1)).unwrap_or(u32::MAX);
        let mut coming = pin!(Limited::new(body, BATCH_MAX_BYTES).collect());
        let collected = match timeout(BODY_WAIT, &mut coming).await {
            Ok(collected) => collected,
            Err(_) => {
                drop(place);
                let room = take(&self.bodies, room).await?;
                let collected = coming.await;
                drop(room);
                place = take(&self.calls, 1).await?;
                collected
            }
        };
        let bytes = collected.map_err(|error| unread(&*error, BATCH_MAX_BYTES))?.to_bytes();
        Ok((Request::from_parts(parts, Body::from(bytes)), place))
    }
}

async fn take(places: &Semaphore, count: u32) -> Result<SemaphorePermit<'_>, Problem> {
    let taken = match places.try_acquire_many(count) {
        Ok(taken) => Some(taken),
        Err(_) => timeout(WAIT, places.acquire_many(count)).await.ok().and_then(Result::ok),
    };
    taken.ok_or_else(|| {
        metrics::counter!("scrip_api_refused_busy_total").increment(1);
        Problem::unavailable("The server works on as much as it can. Nothing was decided.")
    })
}

pub(crate) async fn admit(State(places): State<Places>, request: Request, next: Next) -> Response {
    let (request, place) = match places.take_in(request).await {
        Ok(taken) => taken,
        Err(problem) => return problem.into_response(),
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
    use std::convert::Infallible;

    use axum::Router;
    use axum::http::header::RETRY_AFTER;
    use axum::middleware::from_fn_with_state;
    use axum::routing::{get, post};
    use bytes::Bytes;
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
        let places = Places::of(1);
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

    /// Answers with what it was sent.
    fn echo(places: Places) -> Router {
        let work = |body: Bytes| async move { body };
        Router::new().route("/", post(work)).layer(from_fn_with_state(places, admit))
    }

    fn sent(body: Body) -> Request {
        Request::post("/").body(body).expect("a request")
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_keeps_no_place_and_is_heard_when_it_does() {
        let router = echo(Places::of(1));
        let (mut pieces, comes) = futures::channel::mpsc::unbounded::<Result<Bytes, Infallible>>();
        let slow = tokio::spawn(router.clone().oneshot(sent(Body::from_stream(comes))));
        pieces.start_send(Ok(Bytes::from("late "))).expect("somebody listens");
        for _ in 0..3 {
            let quick = router.clone().oneshot(sent(Body::from("now"))).await.expect("an answer");
            assert_eq!(quick.status(), StatusCode::OK, "the only place is free again");
        }
        assert!(!slow.is_finished());
        pieces.start_send(Ok(Bytes::from("but whole"))).expect("somebody listens");
        drop(pieces);
        let late = slow.await.expect("no panic").expect("an answer");
        let heard = late.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(heard, "late but whole");
    }

    #[tokio::test]
    async fn a_body_without_an_end_is_too_large_and_bodies_on_their_way_have_a_bound() {
        let places = Places::of(1);
        let router = echo(places.clone());
        let endless =
            futures::stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b'x'; PART_BYTES])));
        let answer = router.clone().oneshot(sent(Body::from_stream(endless))).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);

        let all = u32::try_from(BODIES_BYTES / PART_BYTES).expect("a count");
        let _others = places.bodies.acquire_many(all).await.expect("nobody has any");
        let never = futures::stream::pending::<Result<Bytes, Infallible>>();
        let answer = router.clone().oneshot(sent(Body::from_stream(never))).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let quick = router.oneshot(sent(Body::from("now"))).await.expect("an answer");
        assert_eq!(quick.status(), StatusCode::OK);
    }
}
