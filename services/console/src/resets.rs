//! An operator's forgotten password.

use app::accounts::{self, PASSWORD_MIN_CHARS, Role};
use app::{AppError, FieldError};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use site::{Failure, Form, Shell, Visitor, render};

use crate::{Console, SIGN_IN, bare_shell};

pub const FORGOT: &str = "/console/forgot";

#[derive(Template)]
#[template(path = "console/forgot.html")]
pub struct ForgotPage {
    pub shell: Shell,
}

#[derive(Template)]
#[template(path = "console/reset.html")]
pub struct ResetPage {
    pub shell: Shell,
    pub token: String,
    pub errors: Vec<FieldError>,
    pub password_min: usize,
}

#[derive(Deserialize)]
pub struct Forgot {
    email: String,
}

#[derive(Deserialize)]
pub struct Link {
    token: String,
}

#[derive(Deserialize)]
pub struct Chosen {
    token: String,
    password: String,
}

pub async fn forgot_form(visitor: Visitor) -> Result<Response, Failure> {
    Ok(visitor.page(render(&ForgotPage { shell: bare_shell("Forgotten password", &visitor) })?))
}

pub async fn forgot(
    State(console): State<Console>,
    Form { visitor, fields }: Form<Forgot>,
) -> Result<Response, Failure> {
    accounts::forgot_password(console.site.app(), Role::Operator, &fields.email).await?;
    Ok(visitor.redirect(SIGN_IN, Some("reset-sent")))
}

pub async fn reset_form(visitor: Visitor, Query(link): Query<Link>) -> Result<Response, Failure> {
    let page = page(bare_shell("New password", &visitor), link.token, Vec::new());
    Ok(visitor.page(render(&page)?))
}

pub async fn reset(
    State(console): State<Console>,
    Form { visitor, fields }: Form<Chosen>,
) -> Result<Response, Failure> {
    let app = console.site.app();
    match accounts::reset_password(app, Role::Operator, &fields.token, &fields.password).await {
        Ok(()) => Ok(visitor.redirect(SIGN_IN, Some("reset-done"))),
        Err(AppError::NotFound { .. }) => Ok(visitor.redirect(FORGOT, Some("reset-unknown"))),
        Err(AppError::Invalid { errors }) => {
            let page = page(bare_shell("New password", &visitor), fields.token, errors);
            Ok(visitor.refused_page(render(&page)?))
        }
        Err(error) => Err(error.into()),
    }
}

pub fn page(shell: Shell, token: String, errors: Vec<FieldError>) -> ResetPage {
    ResetPage { shell, token, errors, password_min: PASSWORD_MIN_CHARS }
}
