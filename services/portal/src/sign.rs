//! Sign-up, and the links of mails that prove an address.

use app::accounts::{self, NewUser, PASSWORD_MIN_CHARS, Proven, SignUp};
use app::{AppError, FieldError};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect};
use serde::Deserialize;
use site::{Form, Shell, Site, Visitor, render};

use crate::frame::{ON_HOLD, open_shell};
use crate::{Answer, SIGN_IN};

#[derive(Template)]
#[template(path = "portal/sign_up.html")]
pub struct SignUpPage {
    pub shell: Shell,
    pub name: String,
    pub email: String,
    pub errors: Vec<FieldError>,
    pub password_min: usize,
}

/// What comes after a sign-up, whoever the address belongs to.
#[derive(Template)]
#[template(path = "portal/signed_up.html")]
pub struct SignedUpPage {
    pub shell: Shell,
    pub email: String,
    /// The mail's link, on a machine whose mails nobody else reads.
    pub link: Option<String>,
}

#[derive(Deserialize)]
pub struct SignUpForm {
    name: String,
    email: String,
    password: String,
}

#[derive(Deserialize)]
pub struct Link {
    token: String,
}

pub async fn up_form(visitor: Visitor) -> Answer {
    if visitor.session.is_some() {
        return Ok(Redirect::to("/").into_response());
    }
    Ok(visitor.page(render(&sign_up_page(open_shell(&visitor, "Create an account")))?))
}

/// Not a redirect: the page names the address, and the cookie of a message holds no texts.
pub async fn up(State(site): State<Site>, form: Form<SignUpForm>) -> Answer {
    let Form { visitor, fields } = form;
    let (name, password) = (fields.name.trim().to_owned(), fields.password);
    let new = NewUser { name, email: fields.email.clone(), password };
    match accounts::sign_up(site.app(), new).await {
        Ok(done) => {
            let link = match done {
                SignUp::Mailed { link, .. } if site.app().config().shows_mailed_links => Some(link),
                SignUp::Mailed { .. } | SignUp::Known => None,
            };
            let shell = open_shell(&visitor, "Look into your mail");
            Ok(visitor.page(render(&SignedUpPage { shell, email: fields.email, link })?))
        }
        Err(AppError::Invalid { errors }) => {
            let shell = open_shell(&visitor, "Create an account");
            let page = SignUpPage { name: fields.name, email: fields.email, errors, ..sign_up_page(shell) };
            Ok(visitor.refused_page(render(&page)?))
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn verify(State(site): State<Site>, visitor: Visitor, Query(link): Query<Link>) -> Answer {
    match accounts::verify(site.app(), &link.token).await {
        Ok(Proven::HoldLifted) => Ok(visitor.redirect(ON_HOLD, Some("hold-lifted"))),
        Ok(Proven::Account) if visitor.session.is_some() => Ok(visitor.redirect("/", Some("verified"))),
        Ok(Proven::Account) => Ok(visitor.redirect(SIGN_IN, Some("opened"))),
        Err(AppError::NotFound { .. }) => Ok(visitor.redirect(SIGN_IN, Some("link-unknown"))),
        Err(error) => Err(error.into()),
    }
}

pub fn sign_up_page(shell: Shell) -> SignUpPage {
    SignUpPage {
        shell,
        name: String::new(),
        email: String::new(),
        errors: Vec::new(),
        password_min: PASSWORD_MIN_CHARS,
    }
}
