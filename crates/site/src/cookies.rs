//! Reading and writing cookies. Values are ours and plain: hexadecimal digits, or a word.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::Site;
use app::accounts::Role;

/// Which cookie; each kind of user has its own, so that one browser can be both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// The token of a session.
    Session,
    /// What form tokens of visitors without a session are made from.
    Form,
    /// The code of a message for the next page.
    Flash,
}

/// A browser ends a longer life anyway; the session's own end is in the database.
const MAX_AGE_SECONDS: i64 = 90 * 86_400;
const FLASH_MAX_AGE_SECONDS: i64 = 60;

impl Cookie {
    fn name(self, site: &Site) -> String {
        let word = match (self, site.inner.role) {
            (Cookie::Session, Role::Customer) => "scrip_session",
            (Cookie::Session, Role::Operator) => "scrip_operator",
            (Cookie::Form, _) => "scrip_form",
            (Cookie::Flash, _) => "scrip_flash",
        };
        // The prefix makes browsers refuse it from a neighbouring host or without https.
        if site.is_secure() { format!("__Host-{word}") } else { word.to_owned() }
    }

    /// `None` as well when the browser sent it twice: then somebody planted one.
    pub fn read(self, site: &Site, headers: &HeaderMap) -> Option<String> {
        let name = self.name(site);
        let sent = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut values = sent
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(sent_name, _)| *sent_name == name);
        let (_, value) = values.next()?;
        let is_plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (values.next().is_none() && !value.is_empty() && is_plain).then(|| value.to_owned())
    }

    pub fn set(self, site: &Site, value: &str) -> HeaderValue {
        let age = if self == Cookie::Flash { FLASH_MAX_AGE_SECONDS } else { MAX_AGE_SECONDS };
        self.header(site, value, age)
    }

    pub fn clear(self, site: &Site) -> HeaderValue {
        self.header(site, "", 0)
    }

    fn header(self, site: &Site, value: &str, age_seconds: i64) -> HeaderValue {
        let secure = if site.is_secure() { "; Secure" } else { "" };
        let name = self.name(site);
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age_seconds}{secure}");
        // Made of plain characters only; should it ever not be, no cookie is set.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}
