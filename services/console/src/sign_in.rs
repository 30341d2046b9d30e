use app::AppError;
use app::accounts::{self, Credentials, Role};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use site::{Failure, Flash, Form, Member, Shell, Tone, Visitor, local_path, render};

use crate::list::Nothing;
use crate::{Console, SIGN_IN, bare_shell};

const HOME: &str = "/console";

#[derive(Template)]
#[template(path = "console/sign_in.html")]
pub struct SignInPage {
    pub shell: Shell,
    pub email: String,
    pub next: String,
}

#[derive(Deserialize)]
pub struct SignInQuery {
    #[serde(default)]
    next: Option<String>,
}

#[derive(Deserialize)]
pub struct SignInFields {
    email: String,
    password: String,
    #[serde(default)]
    next: String,
}

pub async fn show(visitor: Visitor, Query(query): Query<SignInQuery>) -> Result<Response, Failure> {
    let next = next_path(query.next.as_deref());
    if visitor.session.is_some() {
        return Ok(visitor.redirect(&next, None));
    }
    let page = SignInPage { shell: bare_shell("Sign in", &visitor), email: String::new(), next };
    Ok(visitor.page(render(&page)?))
}

pub async fn sign_in(
    State(console): State<Console>,
    Form { visitor, fields }: Form<SignInFields>,
) -> Result<Response, Failure> {
    let credentials = Credentials {
        email: fields.email.clone(),
        password: fields.password,
        role: Role::Operator,
        user_agent: visitor.user_agent.clone(),
        earlier: visitor.earlier_token(),
    };
    let next = next_path(Some(&fields.next));
    match accounts::sign_in(console.site.app(), credentials).await {
        Ok(signed_in) => Ok(visitor.signed_in(&signed_in, &next, None)),
        Err(AppError::Conflict { detail, .. }) => {
            let shell =
                Shell { flash: Some(Flash::new(Tone::Bad, detail)), ..bare_shell("Sign in", &visitor) };
            Ok(visitor.refused_page(render(&SignInPage { shell, email: fields.email, next })?))
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn sign_out(
    State(console): State<Console>,
    member: Member,
    Form { visitor, .. }: Form<Nothing>,
) -> Result<Response, Failure> {
    accounts::sign_out(console.site.app(), &member.session).await?;
    Ok(visitor.signed_out(SIGN_IN, "signed-out"))
}

/// Only pages of the console.
fn next_path(text: Option<&str>) -> String {
    let path = local_path(text);
    let is_ours = path == HOME || path.starts_with("/console/") || path.starts_with("/console?");
    if is_ours { path.to_owned() } else { HOME.to_owned() }
}
