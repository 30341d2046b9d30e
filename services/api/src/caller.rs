//! Who calls: `Authorization: Bearer <API key>`. What the key may do is the use cases' question.

use app::Principal;
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use crate::Api;
use crate::observe;
use crate::problem::Problem;
use crate::refused::unauthenticated;

/// The longest text that is looked up as a key.
const SECRET_MAX_BYTES: usize = 200;

/// The owner of a valid API key. Stands first among a handler's arguments, so that nothing of a
/// stranger's request is read.
pub struct Caller(pub Principal);

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Caller, Problem> {
        let secret = secret(parts).ok_or_else(unauthenticated)?;
        // Found by its hash, so the time it takes tells nothing about how much of a guess is right.
        let principal = app::keys::authenticate(&api.app, secret).await?;
        if let Some(log) = parts.extensions.get::<observe::Principal>() {
            log.is(principal.owner.clone());
        }
        Ok(Caller(principal))
    }
}

fn secret(parts: &Parts) -> Option<&str> {
    let mut sent = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (sent.next()?.to_str().ok()?, sent.next()) else { return None };
    let (scheme, secret) = value.split_once(' ')?;
    let secret = secret.trim();
    let fits = (1..=SECRET_MAX_BYTES).contains(&secret.len());
    (scheme.eq_ignore_ascii_case("bearer") && fits).then_some(secret)
}
