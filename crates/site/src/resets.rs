//! A forgotten password: who asks, the link of the mail, the new password. Both sites have these pages.

use app::accounts::{self, PASSWORD_MIN_CHARS};
use app::{AppError, FieldError};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

use crate::{Failure, Form, Shell, Site, Visitor, render};

/// Where a site has them, and the frame around them.
#[derive(Clone, Copy)]
pub struct Resets {
    pub sign_in_path: &'static str,
    pub forgot_path: &'static str,
    pub reset_path: &'static str,
    /// Of a page with this title, for somebody who has not signed in.
    pub shell: fn(&Visitor, &str) -> Shell,
}

#[derive(Template)]
#[template(path = "site/forgot.html")]
pub struct ForgotPage {
    pub shell: Shell,
    pub action: &'static str,
    pub back: &'static str,
}

#[derive(Template)]
#[template(path = "site/reset.html")]
pub struct ResetPage {
    pub shell: Shell,
    pub action: &'static str,
    pub token: String,
    pub errors: Vec<FieldError>,
    pub password_min: usize,
}

/// Who asks for a link.
#[derive(Deserialize)]
pub struct Forgot {
    email: String,
}

/// The query of the link in the mail.
#[derive(Deserialize)]
pub struct ResetLink {
    token: String,
}

#[derive(Deserialize)]
pub struct NewPassword {
    token: String,
    password: String,
}

impl Resets {
    pub fn forgot_form(&self, visitor: &Visitor) -> Result<Response, Failure> {
        Ok(visitor.page(render(&self.forgot_page((self.shell)(visitor, "Forgotten password")))?))
    }

    /// Tells everybody the same, whether or not there is such an account.
    pub async fn forgot(&self, site: &Site, form: Form<Forgot>) -> Result<Response, Failure> {
        accounts::forgot_password(site.app(), site.role(), &form.fields.email).await?;
        Ok(form.visitor.redirect(self.sign_in_path, Some("reset-sent")))
    }

    pub fn reset_form(&self, visitor: &Visitor, link: ResetLink) -> Result<Response, Failure> {
        let page = self.reset_page((self.shell)(visitor, "New password"), link.token, Vec::new());
        Ok(visitor.page(render(&page)?))
    }

    pub async fn reset(&self, site: &Site, form: Form<NewPassword>) -> Result<Response, Failure> {
        let Form { visitor, fields } = form;
        match accounts::reset_password(site.app(), site.role(), &fields.token, &fields.password).await {
            Ok(()) => Ok(visitor.redirect(self.sign_in_path, Some("reset-done"))),
            Err(AppError::NotFound { .. }) => Ok(visitor.redirect(self.forgot_path, Some("reset-unknown"))),
            Err(AppError::Invalid { errors }) => {
                let page = self.reset_page((self.shell)(&visitor, "New password"), fields.token, errors);
                Ok(visitor.refused_page(render(&page)?))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub fn forgot_page(&self, shell: Shell) -> ForgotPage {
        ForgotPage { shell, action: self.forgot_path, back: self.sign_in_path }
    }

    pub fn reset_page(&self, shell: Shell, token: String, errors: Vec<FieldError>) -> ResetPage {
        ResetPage { shell, action: self.reset_path, token, errors, password_min: PASSWORD_MIN_CHARS }
    }
}
