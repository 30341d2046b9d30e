//! What customers reported about their receipts.

use app::problems::{self, Problem, STATES};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use site::{Failure, Form, Member, Shell, instant, render};

use crate::list::{Filter, ListQuery, Nothing};
use crate::{Console, by, shell};

const PATH: &str = "/console/problems";

#[derive(Template)]
#[template(path = "console/problems.html")]
pub struct ProblemsPage {
    pub shell: Shell,
    pub filters: Vec<Filter>,
    pub rows: Vec<Row>,
    pub next: Option<String>,
}

pub struct Row {
    pub at: String,
    pub customer: String,
    pub customer_path: String,
    pub reporter: String,
    pub receipt: String,
    pub text: String,
    /// Who closed it, and when; `None` while it is open.
    pub closed: Option<String>,
    pub close_path: String,
}

pub async fn list(
    State(console): State<Console>,
    member: Member,
    Query(query): Query<ListQuery>,
) -> Result<Response, Failure> {
    let page =
        problems::list(console.site.app(), &by(&member), query.one_of(&STATES)?, &query.page()).await?;
    let page = ProblemsPage {
        shell: shell("Problems", PATH, &member),
        filters: query.filters(PATH, &STATES),
        next: query.next(PATH, page.next_cursor.as_ref()),
        rows: page.data.iter().map(row).collect(),
    };
    Ok(member.visitor.page(render(&page)?))
}

pub async fn close(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { .. }: Form<Nothing>,
) -> Result<Response, Failure> {
    let id: uuid::Uuid = id.parse().map_err(|_| Failure::NotFound)?;
    problems::close(console.site.app(), &member.session, id).await?;
    Ok(member.visitor.redirect(PATH, Some("closed")))
}

pub fn row(problem: &Problem) -> Row {
    let closed = problem.closed_at.map(|at| {
        format!("closed {} by {}", instant(at), problem.closed_by.as_deref().unwrap_or("somebody"))
    });
    Row {
        at: instant(problem.created_at),
        customer: problem.customer_name.clone(),
        customer_path: format!("/console/customers/{}", problem.customer),
        reporter: problem.reporter.clone(),
        receipt: problem.receipt.clone(),
        text: problem.text.clone(),
        closed,
        close_path: format!("{PATH}/{}/closure", problem.id),
    }
}
