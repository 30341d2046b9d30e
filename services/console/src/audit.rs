use app::audit::{self, AuditRow};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use site::{Failure, Member, Shell, render};

use crate::customer::{AuditLine, audit_line};
use crate::list::ListQuery;
use crate::{Console, by, shell};

const PATH: &str = "/console/audit";

#[derive(Template)]
#[template(path = "console/audit.html")]
pub struct AuditPage {
    pub shell: Shell,
    pub rows: Vec<Row>,
    pub next: Option<String>,
}

pub struct Row {
    pub line: AuditLine,
    pub subject: String,
    pub customer_path: Option<String>,
    pub input: String,
    pub before: String,
    pub after: String,
}

pub async fn list(
    State(console): State<Console>,
    member: Member,
    Query(query): Query<ListQuery>,
) -> Result<Response, Failure> {
    let page = audit::list(console.site.app(), &by(&member), None, &query.page()).await?;
    let page = AuditPage {
        shell: shell("Audit log", PATH, &member),
        next: query.next(PATH, page.next_cursor.as_ref()),
        rows: page.data.iter().map(row).collect(),
    };
    Ok(member.visitor.page(render(&page)?))
}

pub fn row(row: &AuditRow) -> Row {
    Row {
        line: audit_line(row),
        subject: row.subject.clone(),
        customer_path: row.customer.map(|id| format!("/console/customers/{id}")),
        input: row.input.clone(),
        before: row.before.clone().unwrap_or_default(),
        after: row.after.clone().unwrap_or_default(),
    }
}
