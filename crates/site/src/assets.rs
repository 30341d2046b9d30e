//! Static files, in the executable. Their names carry a hash of their content, so browsers keep them.

use std::sync::OnceLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::Failure;

const STYLE: &str = include_str!("../../../web/static/site.css");
const ICON: &str = include_str!("../../../web/static/icon.svg");
/// A year, and no question in between.
const CACHE: &str = "public, max-age=31536000, immutable";
const HASH_BYTES: usize = 8;

/// `/static/site-<hash>.css`
pub fn style_path() -> String {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| format!("/static/site-{}.css", hash(STYLE))).clone()
}

pub fn routes() -> Router {
    Router::new().route("/static/{file}", get(file)).route("/favicon.ico", get(icon))
}

async fn file(Path(name): Path<String>) -> Response {
    if format!("/static/{name}") != style_path() {
        return Failure::NotFound.into_response();
    }
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, CACHE)], STYLE)
        .into_response()
}

async fn icon() -> Response {
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, ICON).into_response()
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
}
