//! `/openapi.json`, `/docs` and its style sheet, made and packed once; `/` leads to `/docs`.

use std::io::Write;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use utoipa::openapi::OpenApi;

use crate::{docs, document};

/// The documents change with the executable only; an upgrade shows after a minute.
const CACHE: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=60");

pub fn routes(openapi: &OpenApi) -> Router {
    let document = document::complete(openapi);
    let page = docs::render(&document);
    if let Err(error) = &page {
        tracing::error!(%error, "the documentation page cannot be made");
    }
    let json = File::new("application/json", document.to_string());
    let page = File::new("text/html; charset=utf-8", page.unwrap_or_default());
    let style = File::new("text/css; charset=utf-8", docs::STYLE.to_owned());
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/docs") }))
        .route("/openapi.json", get(async move |headers: HeaderMap| json.serve(&headers)))
        .route("/docs", get(async move |headers: HeaderMap| page.serve(&headers)))
        .route("/docs/docs.css", get(async move |headers: HeaderMap| style.serve(&headers)))
}

/// The same for everybody and without secrets, so it may travel packed.
#[derive(Clone)]
struct File {
    content_type: &'static str,
    plain: Bytes,
    /// Empty when it could not be packed.
    gzip: Bytes,
}

impl File {
    fn new(content_type: &'static str, text: String) -> File {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
        File { content_type, plain: Bytes::from(text), gzip: Bytes::from(packed.unwrap_or_default()) }
    }

    fn serve(&self, asked: &HeaderMap) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CONTENT_SECURITY_POLICY, docs::CONTENT_SECURITY_POLICY),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::VARY, "accept-encoding"),
            CACHE,
        ];
        if !self.gzip.is_empty() && takes_gzip(asked) {
            return (headers, [(header::CONTENT_ENCODING, "gzip")], self.gzip.clone()).into_response();
        }
        (headers, self.plain.clone()).into_response()
    }
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let lists = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, "q=1"));
        let is_refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn gzip_goes_to_those_who_ask_for_it() {
        for (asked, takes) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(asked))]);
            assert_eq!(takes_gzip(&headers), takes, "{asked}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
