//! What every request gets: an id, a span, a deadline, one log line, metrics, and a problem document
//! when it fails, whoever made the failure.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use metrics::{Counter, Histogram};
use tracing::Instrument;

use crate::problem::{Links, MEDIA_TYPE, Problem, ProblemBody};

/// How long a request may take, its body's arrival included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests whose durations are kept one by one when nobody reads `/metrics`.
const REQUESTS_BEFORE_TIDYING: u32 = 16_384;
static REQUESTS: AtomicU32 = AtomicU32::new(0);
/// The label of requests for paths that do not exist, so that strangers cannot make new time series.
const NO_ROUTE: &str = "unmatched";

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of this request, made here; none is accepted from outside.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Filled in by authentication: whose key it is, for the log line.
#[derive(Clone, Debug, Default)]
pub struct Principal(Arc<OnceLock<String>>);

impl Principal {
    pub fn is(&self, owner: String) {
        // A request has one key; a second call says the same.
        let _ = self.0.set(owner);
    }
}

/// The outermost layer of the router.
pub async fn observe(State(links): State<Links>, mut request: Request, next: Next) -> Response {
    let (started, seen) = (Instant::now(), Seen::of(&request));
    request.extensions_mut().insert(RequestId(seen.request_id.clone()));
    request.extensions_mut().insert(seen.principal.clone());
    let span = tracing::info_span!("request", request_id = %seen.request_id);
    async move {
        let response = finish(answer(request, next).await, &seen.request_id, &links);
        seen.report(&response, started.elapsed());
        response
    }
    .instrument(span)
    .await
}

/// What the log line and the metrics say of a request.
struct Seen {
    method: Method,
    route: Option<MatchedPath>,
    request_id: String,
    principal: Principal,
}

impl Seen {
    fn of(request: &Request) -> Seen {
        let route = request.extensions().get::<MatchedPath>().cloned();
        Seen {
            method: request.method().clone(),
            route,
            request_id: kernel::new_request_id(),
            principal: Principal::default(),
        }
    }

    fn report(self, response: &Response, took: Duration) {
        let status = response.status().as_u16();
        // To the microsecond; more digits would be noise.
        let duration_ms = (took.as_secs_f64() * 1e6).round() / 1e3;
        let principal = self.principal.0.get().map_or("", String::as_str);
        let route = self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        tracing::info!(method = %self.method, route, status, duration_ms, request_id = %self.request_id, principal, "request");
        let series = series(method_label(&self.method), route, status);
        series.requests.increment(1);
        series.seconds.record(took.as_secs_f64());
        if REQUESTS.fetch_add(1, Ordering::Relaxed).is_multiple_of(REQUESTS_BEFORE_TIDYING) {
            crate::metrics::tidy();
        }
    }
}

/// Where requests of one method and status on one route are counted.
#[derive(Clone)]
struct Series {
    requests: Counter,
    seconds: Histogram,
}

/// Made once for each route, method and status: a look-up by labels makes texts, sorts and hashes them.
fn series(method: &'static str, route: &str, status: u16) -> Series {
    type Known = BTreeMap<(u16, &'static str), BTreeMap<String, Series>>;
    static KNOWN: RwLock<Known> = RwLock::new(BTreeMap::new());
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(series) = known.get(&(status, method)).and_then(|routes| routes.get(route)) {
        return series.clone();
    }
    drop(known);
    let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
    let series = Series {
        requests: metrics::counter!("http_requests_total", &labels),
        seconds: metrics::histogram!("http_request_duration_seconds", &labels[..2]),
    };
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.entry((status, method)).or_default().insert(route.to_owned(), series.clone());
    series
}

/// Runs the handler; a panic or a deadline is an answer too.
async fn answer(request: Request, next: Next) -> Response {
    let handler = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(REQUEST_TIMEOUT, handler).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            tracing::error!("a handler panicked; the panic's message and place stand above");
            Problem::internal().into_response()
        }
        Err(_elapsed) => Problem::unavailable(
            "The request took too long. Whether it took effect, a retry with the same Idempotency-Key tells.",
        )
        .into_response(),
    }
}

/// Writes the problem document of a failure and the headers that every answer has.
fn finish(mut response: Response, request_id: &str, links: &Links) -> Response {
    let failed = response.status().is_client_error() || response.status().is_server_error();
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = problem.or_else(|| failed.then(|| Problem::of_status(response.status()))) {
        response = as_document(&response, problem.body(request_id, links));
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn as_document(failure: &Response, document: ProblemBody) -> Response {
    let mut response = (failure.status(), Json(document)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    for name in [header::ALLOW, header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
        if let Some(value) = failure.headers().get(&name) {
            headers.insert(name, value.clone());
        }
    }
    response
}

/// Methods that strangers invent share one label.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
