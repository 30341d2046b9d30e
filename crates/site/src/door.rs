//! How somebody comes in: sign-in, sign-out, and a new password when theirs is forgotten. Both sites have
//! these pages.

use app::accounts::{self, Credentials, PASSWORD_MIN_CHARS};
use app::{AppError, FieldError};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

use crate::{Failure, Flash, Form, Shell, Site, Tone, Visitor, local_path, render};

/// Where a site has them, and the frame around them.
#[derive(Clone, Copy)]
pub struct Door {
    /// The first page behind it; nobody is led to a page outside of it.
    pub home: &'static str,
    pub sign_in_title: &'static str,
    pub sign_in_path: &'static str,
    /// Where accounts are made, if visitors make their own.
    pub sign_up_path: Option<&'static str>,
    pub forgot_path: &'static str,
    pub reset_path: &'static str,
    /// Of a page with this title, for somebody who has not signed in.
    pub shell: fn(&Visitor, &str) -> Shell,
}

#[derive(Template)]
#[template(path = "site/sign_in.html")]
pub struct SignInPage {
    pub shell: Shell,
    pub door: Door,
    pub email: String,
    /// Where it goes on.
    pub next: String,
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

/// The query of a sign-in page.
#[derive(Deserialize)]
pub struct Next {
    next: Option<String>,
}

#[derive(Deserialize)]
pub struct SignInFields {
    email: String,
    password: String,
    next: Option<String>,
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

impl Door {
    pub fn sign_in_form(&self, visitor: &Visitor, query: &Next) -> Result<Response, Failure> {
        let next = self.behind(query.next.as_deref());
        if visitor.session.is_some() {
            return Ok(visitor.redirect(&next, None));
        }
        let shell = (self.shell)(visitor, self.sign_in_title);
        Ok(visitor.page(render(&self.sign_in_page(shell, String::new(), next))?))
    }

    pub async fn sign_in(&self, site: &Site, form: Form<SignInFields>) -> Result<Response, Failure> {
        let Form { visitor, fields } = form;
        let next = self.behind(fields.next.as_deref());
        let with = Credentials {
            email: fields.email.clone(),
            password: fields.password,
            role: site.role(),
            user_agent: visitor.user_agent.clone(),
            network: visitor.network,
            earlier: visitor.earlier_token(),
        };
        match accounts::sign_in(site.app(), with).await {
            Ok(new) => Ok(visitor.signed_in(&new, &next, None)),
            Err(AppError::Conflict { detail, .. }) => {
                let mut shell = (self.shell)(&visitor, self.sign_in_title);
                shell.flash = Some(Flash::new(Tone::Bad, detail));
                Ok(visitor.refused_page(render(&self.sign_in_page(shell, fields.email, next))?))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the session, if there is one, and leads to `path`.
    pub async fn sign_out(&self, site: &Site, visitor: &Visitor, path: &str) -> Result<Response, Failure> {
        if let Some(session) = &visitor.session {
            accounts::sign_out(site.app(), session).await?;
        }
        Ok(visitor.signed_out(path, "signed-out"))
    }

    pub fn forgot_form(&self, visitor: &Visitor) -> Result<Response, Failure> {
        Ok(visitor.page(render(&self.forgot_page((self.shell)(visitor, "Forgotten password")))?))
    }

    /// Tells everybody the same, whether or not there is such an account.
    pub async fn forgot(&self, site: &Site, form: Form<Forgot>) -> Result<Response, Failure> {
        let Form { visitor, fields: Forgot { email } } = form;
        accounts::forgot_password(site.app(), site.role(), &email, visitor.network).await?;
        Ok(visitor.redirect(self.sign_in_path, Some("reset-sent")))
    }

    pub async fn reset_form(
        &self,
        site: &Site,
        visitor: &Visitor,
        link: ResetLink,
    ) -> Result<Response, Failure> {
        if !accounts::may_reset_password(site.app(), site.role(), &link.token).await? {
            return Ok(visitor.redirect(self.forgot_path, Some("reset-unknown")));
        }
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

    /// A path behind this door; anything else becomes its first page.
    fn behind(&self, path: Option<&str>) -> String {
        let path = local_path(path);
        let rest = path.strip_prefix(self.home.trim_end_matches('/'));
        let is_behind = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        if is_behind { path.to_owned() } else { self.home.to_owned() }
    }

    pub fn sign_in_page(&self, shell: Shell, email: String, next: String) -> SignInPage {
        SignInPage { shell, door: *self, email, next }
    }

    pub fn forgot_page(&self, shell: Shell) -> ForgotPage {
        ForgotPage { shell, action: self.forgot_path, back: self.sign_in_path }
    }

    pub fn reset_page(&self, shell: Shell, token: String, errors: Vec<FieldError>) -> ResetPage {
        ResetPage { shell, action: self.reset_path, token, errors, password_min: PASSWORD_MIN_CHARS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_behind_its_own_door() {
        let door = |home| Door {
            home,
            sign_in_title: "",
            sign_in_path: "",
            sign_up_path: None,
            forgot_path: "",
            reset_path: "",
            shell: |_, title| Shell::plain(title),
        };
        for (home, next, path) in [
            ("/", Some("/activity?month=all"), "/activity?month=all"),
            ("/", None, "/"),
            ("/", Some("//elsewhere.example"), "/"),
            ("/console", Some("/console/customers?q=a"), "/console/customers?q=a"),
            ("/console", Some("/console?x=1"), "/console?x=1"),
            ("/console", Some("/consoles"), "/console"),
            ("/console", Some("/activity"), "/console"),
            ("/console", None, "/console"),
        ] {
            assert_eq!(door(home).behind(next), path, "{home} {next:?}");
        }
    }
}
