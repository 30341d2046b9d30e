//! What every page gets: an id, a deadline, one log line, security headers, and an error page when it
//! fails, whoever made the failure.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use askama::Template;
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;

use crate::{Failure, Shell};

/// How long a page may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Posts lead on to the gateway's hosted checkout; browsers hold redirects of forms to this list.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     form-action 'self' https://checkout.stripe.com; base-uri 'none'; frame-ancestors 'none'";
/// Paths of programs, which read problem documents.
const PROGRAMS_PATHS: [&str; 4] = ["/v1/", "/api/", "/webhooks/", "/sandbox/"];

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    advice: String,
    request_id: String,
}

/// Around all pages of a service.
pub fn frame(pages: Router) -> Router {
    pages.layer(from_fn(observe))
}

/// Around everything that one address serves: a browser that asks for what is not there sees a page,
/// programs see the problem document that they would see without us.
pub fn browsers_see_pages(all: Router) -> Router {
    all.layer(from_fn(show_page))
}

async fn show_page(request: Request, next: Next) -> Response {
    let wants_page = request.method() == Method::GET
        && accepts_html(request.headers())
        && !PROGRAMS_PATHS.iter().any(|path| request.uri().path().starts_with(path));
    let response = next.run(request).await;
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if wants_page && response.status() == StatusCode::NOT_FOUND && !is_page {
        let id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let id = id.to_owned();
        return secured(error_page(&Failure::NotFound, &id), &id);
    }
    response
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.contains("text/html"))
}

async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = kernel::new_request_id();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("page", request_id = %request_id);
    async move {
        let response = secured(finish(answer(request, next).await, &request_id), &request_id);
        let (status, duration_ms) = (response.status().as_u16(), started.elapsed().as_secs_f64() * 1000.0);
        tracing::info!(%method, route, status, duration_ms, "page");
        let labels = [("route", route), ("status", status.to_string())];
        metrics::counter!("pages_total", &labels).increment(1);
        metrics::histogram!("page_duration_seconds", &labels[..1]).record(duration_ms / 1000.0);
        response
    }
    .instrument(span)
    .await
}

/// Runs the handler; a panic or a deadline is an answer too.
async fn answer(request: Request, next: Next) -> Response {
    let handler = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(REQUEST_TIMEOUT, handler).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => Failure::Broken("a handler panicked, see above".to_owned()).into_response(),
        Err(_elapsed) => Failure::BUSY.into_response(),
    }
}

fn finish(mut response: Response, request_id: &str) -> Response {
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    let is_written = response.headers().contains_key(header::CONTENT_TYPE);
    let failure = response.extensions_mut().remove::<Failure>();
    match failure.or_else(|| (failed && !is_written).then(|| Failure::of_status(status))) {
        Some(failure) => error_page(&failure, request_id),
        None => response,
    }
}

fn error_page(failure: &Failure, request_id: &str) -> Response {
    if let Failure::Broken(what) = failure {
        tracing::error!(what, "a page failed");
    }
    let html = written(failure, request_id).unwrap_or_else(|_| failure.title().to_owned());
    let mut response = (failure.status(), Html(html)).into_response();
    if let Failure::Busy { retry_after_seconds } = failure {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
    }
    response
}

fn written(failure: &Failure, request_id: &str) -> askama::Result<String> {
    let (shell, request_id) = (Shell::plain(failure.title()), request_id.to_owned());
    ErrorPage { shell, advice: failure.advice(), request_id }.render()
}

/// The headers that every answer of a page has.
fn secured(mut response: Response, request_id: &str) -> Response {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_page_and_tells_nothing_of_the_inside() {
        let script = "<script>alert(1)</script>".to_owned();
        for (failure, status) in [
            (Failure::NotFound, 404),
            (Failure::ForeignForm, 403),
            (Failure::UnreadableForm, 400),
            (Failure::Invalid(script.clone()), 400),
            (Failure::BUSY, 503),
            (Failure::Broken(script), 500),
        ] {
            let html = written(&failure, "req_1").unwrap();
            assert_eq!(failure.status().as_u16(), status);
            assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"), "{html}");
            let heading = format!("<h1>{}</h1>", failure.title());
            assert!(
                html.contains(&heading) && html.contains("req_1") && html.contains("href=\"/\""),
                "{html}"
            );
            assert!(!html.contains("<script") && !html.contains("{{") && !html.contains("{%"), "{html}");
            let is_told = html.contains("&#60;script&#62;");
            assert_eq!(is_told, matches!(failure, Failure::Invalid(_)), "{failure:?}: {html}");
        }
        assert!(!written(&Failure::NotFound, "").unwrap().contains("Number of this request"));
    }
}
