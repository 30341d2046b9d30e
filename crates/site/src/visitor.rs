//! Who looks at a page, and what the browser brought along.

use std::net::IpAddr;

use app::accounts::{self, Network, Session, SignedIn};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use kernel::CustomerId;
use sha2::{Digest, Sha256};

use crate::cookies::Cookie;
use crate::{Failure, Site};

const USER_AGENT_MAX_CHARS: usize = 200;

/// Who is at the other end, as the server tells the pages in a request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: IpAddr,
    /// Where on the internet that is; `None` when nobody can know.
    pub public: Option<IpAddr>,
}

/// Anybody, signed in or not.
#[derive(Clone)]
pub struct Visitor {
    pub site: Site,
    pub session: Option<Session>,
    /// Code of the message that the page before left.
    pub flash: Option<String>,
    pub user_agent: String,
    /// `None` where no server says it.
    pub network: Option<Network>,
    /// Where on the internet the browser is; `None` when nobody can know.
    pub public_address: Option<IpAddr>,
    /// The cookie that form tokens are made from.
    secret: String,
    /// Whether the browser does not have it yet.
    is_secret_new: bool,
    /// As the cookie brought it.
    token: Option<String>,
}

/// A signed-in user of this site's role. Others are sent to the sign-in page and back.
pub struct Member {
    pub visitor: Visitor,
    pub session: Session,
}

impl Visitor {
    /// What every form of a page carries. It follows from a cookie that no other site can read.
    pub fn form_token(&self) -> String {
        form_token(&self.secret)
    }

    /// The token of the session that the browser has, valid or not.
    pub fn earlier_token(&self) -> Option<String> {
        self.token.clone()
    }

    /// A page, with the cookies that go with it.
    pub fn page(&self, html: String) -> Response {
        let mut response = axum::response::Html(html).into_response();
        if self.is_secret_new {
            response.headers_mut().append(header::SET_COOKIE, Cookie::Form.set(&self.site, &self.secret));
        }
        if self.flash.is_some() {
            response.headers_mut().append(header::SET_COOKIE, Cookie::Flash.clear(&self.site));
        }
        response
    }

    /// A page that says what was wrong with the form that was sent.
    pub fn refused_page(&self, html: String) -> Response {
        let mut response = self.page(html);
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
    }

    /// After a post: the next page, with a message.
    pub fn redirect(&self, path: &str, flash: Option<&'static str>) -> Response {
        let mut response = Redirect::to(path).into_response();
        if let Some(code) = flash {
            response.headers_mut().append(header::SET_COOKIE, Cookie::Flash.set(&self.site, code));
        }
        response
    }

    /// Hands the new session to the browser.
    pub fn signed_in(&self, new: &SignedIn, path: &str, flash: Option<&'static str>) -> Response {
        let mut response = self.redirect(path, flash);
        response.headers_mut().append(header::SET_COOKIE, Cookie::Session.set(&self.site, &new.token));
        response.headers_mut().append(header::SET_COOKIE, Cookie::Form.clear(&self.site));
        response
    }

    pub fn signed_out(&self, path: &str, flash: &'static str) -> Response {
        let mut response = self.redirect(path, Some(flash));
        response.headers_mut().append(header::SET_COOKIE, Cookie::Session.clear(&self.site));
        response
    }
}

impl Member {
    /// An operator has none.
    pub fn customer(&self) -> Result<CustomerId, Failure> {
        self.session.user.customer.ok_or(Failure::NotFound)
    }
}

pub(crate) fn form_token(secret: &str) -> String {
    let digest = Sha256::new().chain_update(b"scrip form token ").chain_update(secret.as_bytes()).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A path of ours to go on to; anything else becomes `/`, so that no link of ours leads elsewhere.
pub fn local_path(text: Option<&str>) -> &str {
    let is_ours = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    };
    text.filter(is_ours).unwrap_or("/")
}

impl<S> FromRequestParts<S> for Visitor
where
    Site: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Visitor, Failure> {
        let site = Site::from_ref(state);
        let token = Cookie::Session.read(&site, &parts.headers);
        let session = match &token {
            Some(token) => accounts::session(site.app(), token).await?,
            None => None,
        };
        let session = session.filter(|session| session.user.role == site.inner.role);
        let form_cookie = Cookie::Form.read(&site, &parts.headers);
        let (secret, is_secret_new) = match (&session, &token, form_cookie) {
            (Some(_), Some(token), _) => (token.clone(), false),
            (_, _, Some(known)) => (known, false),
            _ => (new_secret()?, true),
        };
        let flash = Cookie::Flash.read(&site, &parts.headers);
        let user_agent = user_agent(&parts.headers);
        let peer = parts.extensions.get::<Peer>();
        Ok(Visitor {
            network: peer.map(|peer| Network::of(peer.address)),
            public_address: peer.and_then(|peer| peer.public),
            site,
            session,
            flash,
            user_agent,
            secret,
            is_secret_new,
            token,
        })
    }
}

impl<S> FromRequestParts<S> for Member
where
    Site: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Member, Response> {
        let visitor = Visitor::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        match visitor.session.clone() {
            Some(session) => Ok(Member { visitor, session }),
            None => Err(Redirect::to(&sign_in_path(&visitor.site, parts)).into_response()),
        }
    }
}

/// Back to where the visitor wanted to go, unless that was a post.
fn sign_in_path(site: &Site, parts: &Parts) -> String {
    let path = site.inner.sign_in_path;
    match (&parts.method, parts.uri.path_and_query()) {
        (&Method::GET, Some(wanted)) if wanted.as_str() != "/" => {
            let next: String = form_urlencoded::byte_serialize(wanted.as_str().as_bytes()).collect();
            format!("{path}?next={next}")
        }
        _ => path.to_owned(),
    }
}

fn user_agent(headers: &HeaderMap) -> String {
    let sent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    sent.chars().take(USER_AGENT_MAX_CHARS).collect()
}

fn new_secret() -> Result<String, Failure> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| Failure::Broken("no randomness".to_owned()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_gone_on_to() {
        for path in ["/", "/receipts/rct_1", "/activity?month=2026-11"] {
            assert_eq!(local_path(Some(path)), path);
        }
        for path in
            ["", "//evil.example", "https://evil.example", "/\\evil", "javascript:1", "/a b", "/\r\nx"]
        {
            assert_eq!(local_path(Some(path)), "/", "{path:?}");
        }
        assert_eq!(local_path(None), "/");
    }

    #[test]
    fn a_form_token_tells_nothing_of_its_cookie() {
        assert_ne!(form_token("a"), form_token("b"));
        assert_eq!(form_token("a").len(), 64);
    }
}
