//! `/openapi.json`, `/docs` and its style sheet, made once; `/` leads to `/docs`.

use axum::Router;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::OpenApi;

use crate::{docs, document};

/// The documents change with the executable only; an upgrade shows after a minute.
const CACHE: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=60");

pub fn routes(openapi: &OpenApi) -> Router {
    let document = document::complete(openapi);
    let json = Bytes::from(document.to_string());
    let page = docs::render(&document).map(Bytes::from);
    if let Err(error) = &page {
        tracing::error!(%error, "the documentation page cannot be made");
    }
    let page = page.unwrap_or_default();
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/docs") }))
        .route("/openapi.json", get(move || serve(json.clone(), "application/json")))
        .route("/docs", get(move || serve(page.clone(), "text/html; charset=utf-8")))
        .route(
            "/docs/docs.css",
            get(|| serve(Bytes::from_static(docs::STYLE.as_bytes()), "text/css; charset=utf-8")),
        )
}

async fn serve(body: Bytes, content_type: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, docs::CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        CACHE,
    ];
    (headers, body)
}
