//! The page shell that every HTML service shares: sessions in cookies, form tokens, flash messages,
//! layout, error pages, static files, charts, and how numbers and instants are written.
//!
//! Nothing here knows a page of its own but the error page. No script, nothing from elsewhere.

mod assets;
mod chart;
mod cookies;
mod door;
mod failure;
mod form;
mod frame;
mod shell;
mod spark;
mod visitor;

use std::sync::Arc;

use app::App;
use app::accounts::Role;

pub use assets::{routes as asset_routes, style_path};
pub use chart::{Bar, Bars, Meter, MeterPart, SERIES_MAX, Stack};
pub use door::{Door, Forgot, ForgotPage, NewPassword, Next, ResetLink, ResetPage, SignInFields, SignInPage};
pub use failure::Failure;
pub use form::{Form, Nothing};
pub use frame::{browsers_see_pages, frame};
pub use kernel::text::{credits, date, instant, money, signed_credits};
pub use shell::{Banner, Flash, NavItem, Shell, Tone, render};
pub use spark::{Spark, SparkBar};
pub use visitor::{Member, Peer, Visitor, local_path};

/// A value for the query of a link.
pub fn escaped(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let escape = |b: u8| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    text.bytes().map(escape).collect()
}

/// One set of pages for one kind of user.
#[derive(Clone)]
pub struct Site {
    inner: Arc<Inner>,
}

struct Inner {
    app: App,
    /// Without a slash at the end.
    base_url: String,
    role: Role,
    sign_in_path: &'static str,
    /// Where the public pages are; empty when they are on the same address.
    public_pages: String,
}

impl Site {
    /// `base_url` is what browsers call us; with https the cookies never travel without it.
    pub fn new(app: App, base_url: &str, role: Role, sign_in_path: &'static str) -> Site {
        Site::beside(app, (base_url, ""), role, sign_in_path)
    }

    /// As [`Site::new`], on an address of its own: prices and reference are under `public_pages`.
    pub fn beside(
        app: App,
        (base_url, public_pages): (&str, &str),
        role: Role,
        sign_in_path: &'static str,
    ) -> Site {
        let [base_url, public_pages] =
            [base_url, public_pages].map(|url| url.trim_end_matches('/').to_owned());
        Site { inner: Arc::new(Inner { app, base_url, role, sign_in_path, public_pages }) }
    }

    pub fn app(&self) -> &App {
        &self.inner.app
    }

    pub fn base_url(&self) -> &str {
        &self.inner.base_url
    }

    fn role(&self) -> Role {
        self.inner.role
    }

    fn is_secure(&self) -> bool {
        self.inner.base_url.starts_with("https:")
    }
}
