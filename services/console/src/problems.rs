//! What customers reported about their receipts: the list, and one with its answer.

use app::problems::{self, Problem, STATES, TEXT_MAX_CHARS};
use app::{AppError, FieldError};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use site::{Failure, Form, Member, Shell, instant, render};
use uuid::Uuid;

use crate::list::{Filter, ListQuery};
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
    pub path: String,
    pub customer: String,
    pub reporter: String,
    pub text: String,
    pub state: String,
}

#[derive(Template)]
#[template(path = "console/problem.html")]
pub struct ProblemPage {
    pub shell: Shell,
    pub customer: String,
    pub customer_path: String,
    /// Finds the receipt on the customer's page.
    pub receipt_path: String,
    pub receipt: String,
    pub text: String,
    pub told: String,
    /// By whom and when, with the answer; `None` while it is open.
    pub answered: Option<(String, String)>,
    pub answer_path: String,
    pub answer_max: usize,
    /// What was not taken, and why.
    pub answer: String,
    pub errors: Vec<FieldError>,
}

#[derive(Deserialize)]
pub struct Answering {
    answer: String,
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

pub async fn one(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let problem = problems::get(console.site.app(), &by(&member), known(&id)?).await?;
    Ok(member.visitor.page(render(&view(shell("", PATH, &member), &problem))?))
}

pub async fn answer(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    form: Form<Answering>,
) -> Result<Response, Failure> {
    let (id, answer) = (known(&id)?, form.fields.answer);
    let errors = match problems::answer(console.site.app(), &member.session, id, &answer).await {
        Ok(()) => return Ok(member.visitor.redirect(&path(id), Some("answered"))),
        Err(AppError::Invalid { errors }) => errors,
        // Somebody was quicker: the page shows their answer, and this one, which was not sent.
        Err(AppError::Conflict { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let problem = problems::get(console.site.app(), &by(&member), id).await?;
    let page = ProblemPage { answer, errors, ..view(shell("", PATH, &member), &problem) };
    Ok(member.visitor.refused_page(render(&page)?))
}

fn known(id: &str) -> Result<Uuid, Failure> {
    id.parse().map_err(|_| Failure::NotFound)
}

fn path(id: Uuid) -> String {
    format!("{PATH}/{id}")
}

pub fn row(problem: &Problem) -> Row {
    Row {
        at: instant(problem.created_at),
        path: path(problem.id),
        customer: problem.customer_name.clone(),
        reporter: problem.reporter.clone(),
        text: problem.text.clone(),
        state: answered(problem).unwrap_or_else(|| "open".to_owned()),
    }
}

pub fn view(shell: Shell, problem: &Problem) -> ProblemPage {
    let customer_path = format!("/console/customers/{}", problem.customer);
    ProblemPage {
        shell: Shell { title: format!("Problem of {}", problem.customer_name), ..shell },
        customer: problem.customer_name.clone(),
        receipt_path: format!("{customer_path}?q={}#statement", problem.receipt),
        customer_path,
        receipt: problem.receipt.clone(),
        text: problem.text.clone(),
        told: format!("{}, {}", problem.reporter, instant(problem.created_at)),
        answered: answered(problem).map(|by| (by, problem.answer.clone().unwrap_or_default())),
        answer_path: format!("{}/answer", path(problem.id)),
        answer_max: TEXT_MAX_CHARS,
        answer: String::new(),
        errors: Vec::new(),
    }
}

fn answered(problem: &Problem) -> Option<String> {
    let by = problem.closed_by.as_deref().unwrap_or("somebody");
    problem.closed_at.map(|at| format!("answered {} by {by}", instant(at)))
}
