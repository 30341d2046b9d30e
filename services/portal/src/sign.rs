//! Sign-up, and the links of mails that prove an address.

use app::accounts::{self, Link, Opening, PASSWORD_MIN_CHARS, SignUp};
use app::{AppError, FieldError};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect};
use serde::Deserialize;
use site::{Form, Shell, Site, Visitor, render};

use crate::frame::{ON_HOLD, open_shell, public_shell};
use crate::{Answer, SIGN_IN};

const SIGN_UP_TITLE: &str = "Create an account";

#[derive(Template)]
#[template(path = "portal/sign_up.html")]
pub struct SignUpPage {
    pub shell: Shell,
    pub email: String,
    pub errors: Vec<FieldError>,
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

/// Behind the link of the mail.
#[derive(Template)]
#[template(path = "portal/open_account.html")]
pub struct OpenAccountPage {
    pub shell: Shell,
    pub token: String,
    pub email: String,
    pub name: String,
    pub errors: Vec<FieldError>,
    pub password_min: usize,
}

/// Behind the link that lifts a hold.
#[derive(Template)]
#[template(path = "portal/confirm_address.html")]
pub struct ConfirmAddressPage {
    pub shell: Shell,
    pub token: String,
    pub email: String,
}

#[derive(Deserialize)]
pub struct SignUpForm {
    email: String,
}

#[derive(Deserialize)]
pub struct MailedLink {
    token: String,
}

#[derive(Deserialize)]
pub struct OpeningForm {
    token: String,
    name: String,
    password: String,
}

pub async fn up_form(visitor: Visitor) -> Answer {
    if visitor.session.is_some() {
        return Ok(Redirect::to("/").into_response());
    }
    let shell = open_shell(&visitor, SIGN_UP_TITLE);
    Ok(visitor.page(render(&SignUpPage { shell, email: String::new(), errors: Vec::new() })?))
}

/// Not a redirect: the page names the address, and the cookie of a message holds no texts.
pub async fn up(State(site): State<Site>, form: Form<SignUpForm>) -> Answer {
    let Form { visitor, fields: SignUpForm { email } } = form;
    match accounts::sign_up(site.app(), &email, visitor.network, visitor.public_address).await {
        Ok(done) => {
            let link = match done {
                SignUp::Mailed { link, .. } if site.app().config().shows_mailed_links => Some(link),
                SignUp::Mailed { .. } | SignUp::Known => None,
            };
            let shell = open_shell(&visitor, "Look into your mail");
            Ok(visitor.page(render(&SignedUpPage { shell, email, link })?))
        }
        Err(AppError::Invalid { errors }) => {
            let shell = open_shell(&visitor, SIGN_UP_TITLE);
            Ok(visitor.refused_page(render(&SignUpPage { shell, email, errors })?))
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn verify(State(site): State<Site>, visitor: Visitor, Query(link): Query<MailedLink>) -> Answer {
    match accounts::follow(site.app(), &link.token).await {
        Ok(Link::OpensAccount { email }) => {
            Ok(visitor.page(render(&open_account_page(&visitor, link.token, email))?))
        }
        Ok(Link::AccountIsOpen) if visitor.session.is_some() => Ok(visitor.redirect("/", None)),
        Ok(Link::AccountIsOpen) => Ok(visitor.redirect(SIGN_IN, Some("open-already"))),
        Ok(Link::ConfirmsAddress { email }) => {
            let shell = public_shell(&visitor, "Confirm your address", ON_HOLD).await?;
            Ok(visitor.page(render(&ConfirmAddressPage { shell, token: link.token, email })?))
        }
        Err(AppError::NotFound { .. }) => Ok(visitor.redirect(SIGN_IN, Some("link-unknown"))),
        Err(error) => Err(error.into()),
    }
}

pub async fn open(State(site): State<Site>, form: Form<OpeningForm>) -> Answer {
    let Form { visitor, fields: OpeningForm { token, name, password } } = form;
    let with = Opening {
        token: token.clone(),
        name: name.trim().to_owned(),
        password,
        user_agent: visitor.user_agent.clone(),
        from: visitor.public_address,
        earlier: visitor.earlier_token(),
    };
    match accounts::open_account(site.app(), with).await {
        Ok(new) => Ok(visitor.signed_in(&new, "/", Some("opened"))),
        Err(AppError::Invalid { errors }) => match accounts::follow(site.app(), &token).await {
            Ok(Link::OpensAccount { email }) => {
                let page = OpenAccountPage { name, errors, ..open_account_page(&visitor, token, email) };
                Ok(visitor.refused_page(render(&page)?))
            }
            _ => Ok(visitor.redirect(SIGN_IN, Some("link-unknown"))),
        },
        Err(AppError::Conflict { .. }) => Ok(visitor.redirect(SIGN_IN, Some("open-already"))),
        Err(AppError::NotFound { .. }) => Ok(visitor.redirect(SIGN_IN, Some("link-unknown"))),
        Err(error) => Err(error.into()),
    }
}

/// Whoever has the link may, signed in or not: mails are often read on another device.
pub async fn confirm(State(site): State<Site>, form: Form<MailedLink>) -> Answer {
    let Form { visitor, fields: MailedLink { token } } = form;
    match accounts::confirm_address(site.app(), &token).await {
        Ok(()) => Ok(visitor.redirect(ON_HOLD, Some("hold-lifted"))),
        Err(AppError::NotFound { .. }) => Ok(visitor.redirect(SIGN_IN, Some("link-unknown"))),
        Err(error) => Err(error.into()),
    }
}

fn open_account_page(visitor: &Visitor, token: String, email: String) -> OpenAccountPage {
    OpenAccountPage {
        shell: open_shell(visitor, "Open your account"),
        token,
        email,
        name: String::new(),
        errors: Vec::new(),
        password_min: PASSWORD_MIN_CHARS,
    }
}
