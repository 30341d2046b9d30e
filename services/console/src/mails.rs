use app::mails::{self, MailState, SentMail};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use site::{Failure, Form, Member, Nothing, Shell, instant, render};

use crate::list::{Filter, ListQuery};
use crate::queues::said;
use crate::{Console, by, shell};

const PATH: &str = "/console/mails";
const STATES: [&str; 3] = [MailState::Pending.as_str(), MailState::Sent.as_str(), MailState::Failed.as_str()];

#[derive(Template)]
#[template(path = "console/mails.html")]
pub struct MailsPage {
    pub shell: Shell,
    pub filters: Vec<Filter>,
    pub rows: Vec<Row>,
    pub next: Option<String>,
}

pub struct Row {
    pub path: String,
    pub at: String,
    pub recipient: String,
    pub subject: String,
    pub state: &'static str,
    pub outcome: String,
}

#[derive(Template)]
#[template(path = "console/mail.html")]
pub struct MailPage {
    pub shell: Shell,
    pub facts: Vec<(&'static str, String)>,
    pub text: String,
    pub retry: Option<String>,
}

pub async fn list(
    State(console): State<Console>,
    member: Member,
    Query(query): Query<ListQuery>,
) -> Result<Response, Failure> {
    let state = query.one_of(&STATES)?.and_then(MailState::of);
    let page = mails::list(console.site.app(), &by(&member), state, &query.page()).await?;
    let page = MailsPage {
        shell: shell("Mails", PATH, &member),
        filters: query.filters(PATH, &STATES),
        next: query.next(PATH, page.next_cursor.as_ref()),
        rows: page.data.iter().map(row).collect(),
    };
    Ok(member.visitor.page(render(&page)?))
}

pub async fn show(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = id.parse().map_err(|_| Failure::NotFound)?;
    let mail = mails::get(console.site.app(), &by(&member), id).await?;
    let page = page(shell("Mail", PATH, &member), &mail);
    Ok(member.visitor.page(render(&page)?))
}

pub async fn retry(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { .. }: Form<Nothing>,
) -> Result<Response, Failure> {
    let id: uuid::Uuid = id.parse().map_err(|_| Failure::NotFound)?;
    let done = mails::retry(console.site.app(), &member.session, id).await;
    Ok(member.visitor.redirect(&format!("{PATH}/{id}"), Some(said(done)?)))
}

pub fn page(shell: Shell, mail: &SentMail) -> MailPage {
    let facts = vec![
        ("To", mail.recipient.clone()),
        ("Subject", mail.subject.clone()),
        ("Key", mail.key.clone()),
        ("State", mail.state.as_str().to_owned()),
        ("Attempts", mail.attempts.to_string()),
        ("Made", instant(mail.created_at)),
        ("Outcome", outcome(mail)),
    ];
    let retry = (mail.state == MailState::Failed && !mail.text.is_empty())
        .then(|| format!("{PATH}/{}/retry", mail.id));
    MailPage { shell, facts, text: mail.text.clone(), retry }
}

pub fn row(mail: &SentMail) -> Row {
    Row {
        path: format!("{PATH}/{}", mail.id),
        at: instant(mail.created_at),
        recipient: mail.recipient.clone(),
        subject: mail.subject.clone(),
        state: mail.state.as_str(),
        outcome: outcome(mail),
    }
}

fn outcome(mail: &SentMail) -> String {
    match (&mail.error, mail.sent_at) {
        (_, Some(at)) => format!("sent {}", instant(at)),
        (Some(error), None) => error.clone(),
        (None, None) => format!("next attempt {}", instant(mail.next_attempt_at)),
    }
}
