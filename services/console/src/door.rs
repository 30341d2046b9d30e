//! How operators come in and go out.

use axum::extract::{Query, State};
use axum::response::Response;
use site::{
    Door, Failure, Forgot, Form, Member, NewPassword, Next, Nothing, ResetLink, SignInFields, Visitor,
};

use crate::{Console, SIGN_IN, bare_shell};

pub const FORGOT: &str = "/console/forgot";
pub const RESET: &str = "/console/reset";
pub const DOOR: Door = Door {
    home: "/console",
    sign_in_title: "Sign in as an operator",
    sign_in_path: SIGN_IN,
    sign_up_path: None,
    forgot_path: FORGOT,
    reset_path: RESET,
    shell: |visitor, title| bare_shell(title, visitor),
};

pub async fn sign_in_form(visitor: Visitor, Query(query): Query<Next>) -> Result<Response, Failure> {
    DOOR.sign_in_form(&visitor, &query)
}

pub async fn sign_in(State(console): State<Console>, form: Form<SignInFields>) -> Result<Response, Failure> {
    DOOR.sign_in(&console.site, form).await
}

pub async fn sign_out(
    State(console): State<Console>,
    _member: Member,
    form: Form<Nothing>,
) -> Result<Response, Failure> {
    DOOR.sign_out(&console.site, &form.visitor, SIGN_IN).await
}

pub async fn forgot_form(visitor: Visitor) -> Result<Response, Failure> {
    DOOR.forgot_form(&visitor)
}

pub async fn forgot(State(console): State<Console>, form: Form<Forgot>) -> Result<Response, Failure> {
    DOOR.forgot(&console.site, form).await
}

pub async fn reset_form(
    State(console): State<Console>,
    visitor: Visitor,
    Query(link): Query<ResetLink>,
) -> Result<Response, Failure> {
    DOOR.reset_form(&console.site, &visitor, link).await
}

pub async fn reset(State(console): State<Console>, form: Form<NewPassword>) -> Result<Response, Failure> {
    DOOR.reset(&console.site, form).await
}
