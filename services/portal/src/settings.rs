//! `/settings`: name, password, sessions.

use app::accounts::{self, PASSWORD_MIN_CHARS, PasswordChange, SessionView, User};
use app::{AppError, FieldError};
use askama::Template;
use axum::extract::{Path, State};
use serde::Deserialize;
use site::{Failure, Form, Member, Nothing, Shell, Site, render};
use uuid::Uuid;

use crate::Answer;
use crate::frame::{me, shell};
use crate::words::When;

#[derive(Template)]
#[template(path = "portal/settings.html")]
pub struct SettingsPage {
    pub shell: Shell,
    pub name: String,
    pub email: String,
    pub customer: String,
    pub password_min: usize,
    pub errors: Vec<FieldError>,
    pub sessions: Vec<SessionRow>,
    pub has_others: bool,
}

pub struct SessionRow {
    pub id: String,
    pub browser: String,
    pub created_at: When,
    pub last_seen: When,
    pub is_this: bool,
}

#[derive(Deserialize)]
pub struct NewName {
    name: String,
}

#[derive(Deserialize)]
pub struct NewPassword {
    current: String,
    password: String,
}

pub async fn page(State(site): State<Site>, member: Member) -> Answer {
    let page = load(&site, &member, Vec::new()).await?;
    Ok(member.visitor.page(render(&page)?))
}

pub async fn rename(State(site): State<Site>, member: Member, form: Form<NewName>) -> Answer {
    match accounts::rename(site.app(), &member.session, form.fields.name.trim()).await {
        Ok(()) => Ok(member.visitor.redirect("/settings", Some("renamed"))),
        Err(AppError::Invalid { errors }) => refused(&site, &member, errors).await,
        Err(error) => Err(error.into()),
    }
}

pub async fn change_password(State(site): State<Site>, member: Member, form: Form<NewPassword>) -> Answer {
    let change = PasswordChange {
        current: form.fields.current,
        new: form.fields.password,
        user_agent: member.visitor.user_agent.clone(),
    };
    match accounts::change_password(site.app(), &member.session, change).await {
        Ok(new) => Ok(member.visitor.signed_in(&new, "/settings", Some("password-changed"))),
        Err(AppError::Invalid { errors }) => refused(&site, &member, errors).await,
        Err(AppError::Conflict { detail, .. }) => {
            refused(&site, &member, vec![FieldError::new("current", detail)]).await
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn end(
    State(site): State<Site>,
    member: Member,
    Path(id): Path<String>,
    _form: Form<Nothing>,
) -> Answer {
    let id: Uuid = id.parse().map_err(|_| Failure::NotFound)?;
    accounts::end_session(site.app(), &member.session, id).await?;
    Ok(member.visitor.redirect("/settings", Some("session-ended")))
}

pub async fn end_others(State(site): State<Site>, member: Member, _form: Form<Nothing>) -> Answer {
    accounts::end_other_sessions(site.app(), &member.session).await?;
    Ok(member.visitor.redirect("/settings", Some("sessions-ended")))
}

pub async fn end_all(State(site): State<Site>, member: Member, _form: Form<Nothing>) -> Answer {
    accounts::end_all_sessions(site.app(), &member.session).await?;
    Ok(member.visitor.signed_out("/", "signed-out-everywhere"))
}

async fn refused(site: &Site, member: &Member, errors: Vec<FieldError>) -> Answer {
    let page = load(site, member, errors).await?;
    Ok(member.visitor.refused_page(render(&page)?))
}

async fn load(site: &Site, member: &Member, errors: Vec<FieldError>) -> Result<SettingsPage, Failure> {
    let sessions = accounts::sessions(site.app(), &member.session).await?;
    let shell = shell(member, &me(member)?, "Settings", "/settings").await?;
    Ok(SettingsPage { errors, ..view(shell, &member.session.user, sessions) })
}

pub fn view(shell: Shell, user: &User, sessions: Vec<SessionView>) -> SettingsPage {
    SettingsPage {
        shell,
        name: user.name.clone(),
        email: user.email.clone(),
        customer: user.customer.map(|id| id.to_string()).unwrap_or_default(),
        password_min: PASSWORD_MIN_CHARS,
        errors: Vec::new(),
        has_others: sessions.iter().any(|session| !session.is_this),
        sessions: sessions.into_iter().map(session_row).collect(),
    }
}

fn session_row(session: SessionView) -> SessionRow {
    SessionRow {
        id: session.id.to_string(),
        browser: browser_name(&session.user_agent),
        created_at: When::at(session.created_at),
        last_seen: When::at(session.last_seen),
        is_this: session.is_this,
    }
}

/// `Firefox on Linux`; what no rule knows is shown as it came. The order matters: every browser claims to be
/// those below it.
fn browser_name(user_agent: &str) -> String {
    let of = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    let browser = of(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = of(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ if user_agent.is_empty() => "Unknown browser".to_owned(),
        _ => user_agent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_by_its_name() {
        for (user_agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                 Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            ("curl/8.5.0", "curl/8.5.0"),
            ("", "Unknown browser"),
        ] {
            assert_eq!(browser_name(user_agent), name);
        }
    }
}
