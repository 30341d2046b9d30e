//! A posted form, read only when it came from one of our own pages.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::visitor::form_token;
use crate::{Failure, Site, Visitor};

/// The hidden field of every form.
const TOKEN_FIELD: &str = "form_token";
/// No form of ours is longer.
const FORM_MAX_BYTES: usize = 64 * 1024;

/// For forms of a button alone: the token is no field of theirs.
#[derive(Debug, Deserialize)]
pub struct Nothing {}

/// The fields of a form whose token was right. Its [`Visitor`] is there, too.
pub struct Form<T> {
    pub visitor: Visitor,
    pub fields: T,
}

impl<S, T> FromRequest<S> for Form<T>
where
    Site: FromRef<S>,
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Form<T>, Failure> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, state).await?;
        if !is_same_origin(&parts.headers) {
            return Err(Failure::ForeignForm);
        }
        let bytes = to_bytes(body, FORM_MAX_BYTES).await.map_err(|_| Failure::UnreadableForm)?;
        let sent = form_urlencoded::parse(&bytes).find(|(name, _)| name == TOKEN_FIELD);
        if !sent.is_some_and(|(_, token)| is_equal(&token, &visitor.form_token())) {
            return Err(Failure::ForeignForm);
        }
        let request = Request::from_parts(parts, Body::from(bytes));
        let form = axum::Form::<T>::from_request(request, state).await;
        let axum::Form(fields) = form.map_err(|_| Failure::UnreadableForm)?;
        Ok(Form { visitor, fields })
    }
}

/// Browsers say where a post comes from; what they do not say is left to the token.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    let (Some(origin), Some(host)) = (text("origin"), headers.get(header::HOST)) else { return true };
    // A page without a referrer has the origin "null"; ours have none.
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    origin == "null" || origin_host.is_some_and(|origin| host.as_bytes() == origin.as_bytes())
}

/// Takes as long whichever byte differs.
fn is_equal(a: &str, b: &str) -> bool {
    let differences = a.bytes().zip(b.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && differences == 0 && form_token(a) == form_token(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_from_another_site_is_foreign() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.insert(*name, axum::http::HeaderValue::from_static(value));
            }
            map
        };
        let host = ("host", "127.0.0.1:8080");
        assert!(is_same_origin(&headers(&[host])));
        assert!(is_same_origin(&headers(&[host, ("origin", "http://127.0.0.1:8080")])));
        assert!(is_same_origin(&headers(&[host, ("origin", "null"), ("sec-fetch-site", "same-origin")])));
        assert!(!is_same_origin(&headers(&[host, ("origin", "http://evil.example")])));
        assert!(!is_same_origin(&headers(&[host, ("sec-fetch-site", "cross-site")])));
        assert!(!is_same_origin(&headers(&[host, ("sec-fetch-site", "same-site")])));
    }
}
