//! Sign-up, sign-in, sign-out, and the link of the welcome mail.

use app::accounts::{self, Credentials, NewUser, PASSWORD_MIN_CHARS, Proven, Role, SignUp};
use app::{AppError, FieldError};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect};
use serde::Deserialize;
use site::{Flash, Form, Nothing, Shell, Site, Tone, Visitor, local_path, render};

use crate::frame::{ON_HOLD, open_shell};
use crate::{Answer, SIGN_IN};

#[derive(Template)]
#[template(path = "portal/sign_in.html")]
pub struct SignInPage {
    pub shell: Shell,
    pub email: String,
    pub next: String,
}

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
pub struct Next {
    next: Option<String>,
}

#[derive(Deserialize)]
pub struct SignInForm {
    email: String,
    password: String,
    next: Option<String>,
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

pub async fn in_form(visitor: Visitor, Query(query): Query<Next>) -> Answer {
    let next = local_path(query.next.as_deref()).to_owned();
    if visitor.session.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let shell = open_shell(&visitor, "Sign in");
    Ok(visitor.page(render(&SignInPage { shell, email: String::new(), next })?))
}

pub async fn sign_in(State(site): State<Site>, form: Form<SignInForm>) -> Answer {
    let Form { visitor, fields } = form;
    let next = local_path(fields.next.as_deref()).to_owned();
    let with = Credentials {
        email: fields.email.clone(),
        password: fields.password,
        role: Role::Customer,
        user_agent: visitor.user_agent.clone(),
        earlier: visitor.earlier_token(),
    };
    match accounts::sign_in(site.app(), with).await {
        Ok(new) => Ok(visitor.signed_in(&new, &next, None)),
        Err(AppError::Conflict { detail, .. }) => {
            let mut shell = open_shell(&visitor, "Sign in");
            shell.flash = Some(Flash::new(Tone::Bad, detail));
            Ok(visitor.refused_page(render(&SignInPage { shell, email: fields.email, next })?))
        }
        Err(error) => Err(error.into()),
    }
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

pub async fn out(State(site): State<Site>, form: Form<Nothing>) -> Answer {
    if let Some(session) = &form.visitor.session {
        accounts::sign_out(site.app(), session).await?;
    }
    Ok(form.visitor.signed_out("/", "signed-out"))
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
