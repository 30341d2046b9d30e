//! An operator's forgotten password.

use axum::extract::{Query, State};
use axum::response::Response;
use site::{Failure, Forgot, Form, NewPassword, ResetLink, Resets, Visitor};

use crate::{Console, SIGN_IN, bare_shell};

pub const FORGOT: &str = "/console/forgot";
pub const RESET: &str = "/console/reset";
pub const PAGES: Resets = Resets {
    sign_in_path: SIGN_IN,
    forgot_path: FORGOT,
    reset_path: RESET,
    shell: |visitor, title| bare_shell(title, visitor),
};

pub async fn forgot_form(visitor: Visitor) -> Result<Response, Failure> {
    PAGES.forgot_form(&visitor)
}

pub async fn forgot(State(console): State<Console>, form: Form<Forgot>) -> Result<Response, Failure> {
    PAGES.forgot(&console.site, form).await
}

pub async fn reset_form(visitor: Visitor, Query(link): Query<ResetLink>) -> Result<Response, Failure> {
    PAGES.reset_form(&visitor, link)
}

pub async fn reset(State(console): State<Console>, form: Form<NewPassword>) -> Result<Response, Failure> {
    PAGES.reset(&console.site, form).await
}
