//! A customer's forgotten password.

use axum::extract::{Query, State};
use site::{Forgot, Form, NewPassword, ResetLink, Resets, Site, Visitor};

use crate::frame::open_shell;
use crate::{Answer, SIGN_IN};

pub const PAGES: Resets =
    Resets { sign_in_path: SIGN_IN, forgot_path: "/forgot", reset_path: "/reset", shell: open_shell };

pub async fn forgot_form(visitor: Visitor) -> Answer {
    PAGES.forgot_form(&visitor)
}

pub async fn forgot(State(site): State<Site>, form: Form<Forgot>) -> Answer {
    PAGES.forgot(&site, form).await
}

pub async fn reset_form(visitor: Visitor, Query(link): Query<ResetLink>) -> Answer {
    PAGES.reset_form(&visitor, link)
}

pub async fn reset(State(site): State<Site>, form: Form<NewPassword>) -> Answer {
    PAGES.reset(&site, form).await
}
