//! A forgotten password: who asks, the link of the mail, the new password.

use app::accounts::{self, PASSWORD_MIN_CHARS, Role};
use app::{AppError, FieldError};
use askama::Template;
use axum::extract::{Query, State};
use serde::Deserialize;
use site::{Form, Shell, Site, Visitor, render};

use crate::frame::open_shell;
use crate::{Answer, SIGN_IN};

#[derive(Template)]
#[template(path = "portal/forgot.html")]
pub struct ForgotPage {
    pub shell: Shell,
}

#[derive(Template)]
#[template(path = "portal/reset.html")]
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

pub async fn forgot_form(visitor: Visitor) -> Answer {
    Ok(visitor.page(render(&ForgotPage { shell: open_shell(&visitor, "Forgotten password") })?))
}

pub async fn forgot(State(site): State<Site>, form: Form<Forgot>) -> Answer {
    accounts::forgot_password(site.app(), Role::Customer, &form.fields.email).await?;
    Ok(form.visitor.redirect(SIGN_IN, Some("reset-sent")))
}

pub async fn reset_form(visitor: Visitor, Query(link): Query<Link>) -> Answer {
    let page = page(open_shell(&visitor, "New password"), link.token);
    Ok(visitor.page(render(&page)?))
}

pub async fn reset(State(site): State<Site>, form: Form<Chosen>) -> Answer {
    let Form { visitor, fields } = form;
    match accounts::reset_password(site.app(), Role::Customer, &fields.token, &fields.password).await {
        Ok(()) => Ok(visitor.redirect(SIGN_IN, Some("reset-done"))),
        Err(AppError::NotFound { .. }) => Ok(visitor.redirect("/forgot", Some("reset-unknown"))),
        Err(AppError::Invalid { errors }) => {
            let page = ResetPage { errors, ..page(open_shell(&visitor, "New password"), fields.token) };
            Ok(visitor.refused_page(render(&page)?))
        }
        Err(error) => Err(error.into()),
    }
}

pub fn page(shell: Shell, token: String) -> ResetPage {
    ResetPage { shell, token, errors: Vec::new(), password_min: PASSWORD_MIN_CHARS }
}
