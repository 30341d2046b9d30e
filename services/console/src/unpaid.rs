use app::unpaid::{self, Unpaid};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use site::{Failure, Member, Shell, instant, render};

use crate::list::ListQuery;
use crate::{Console, by, shell};

const PATH: &str = "/console/unpaid";

#[derive(Template)]
#[template(path = "console/unpaid.html")]
pub struct UnpaidPage {
    pub shell: Shell,
    pub rows: Vec<Row>,
    pub next: Option<String>,
}

pub struct Row {
    pub at: String,
    pub customer: String,
    pub customer_path: String,
    pub kind: String,
    pub what: String,
    pub reason: String,
    pub event: String,
    pub receipt: String,
}

pub async fn list(
    State(console): State<Console>,
    member: Member,
    Query(query): Query<ListQuery>,
) -> Result<Response, Failure> {
    let page = unpaid::list(console.site.app(), &by(&member), &query.page()).await?;
    let page = UnpaidPage {
        shell: shell("Unpaid usage", PATH, &member),
        next: query.next(PATH, page.next_cursor.as_ref()),
        rows: page.data.iter().map(row).collect(),
    };
    Ok(member.visitor.page(render(&page)?))
}

pub fn row(unpaid: &Unpaid) -> Row {
    let words = [unpaid.feature.as_deref(), unpaid.model.as_deref()];
    let event = unpaid.event.as_ref().map(|event| format!("{} {}", event.source, event.id));
    let short = "the wallet was short and the feature refuses overage";
    Row {
        at: instant(unpaid.recorded_at),
        customer: unpaid.customer_name.clone(),
        customer_path: format!("/console/customers/{}", unpaid.customer),
        kind: unpaid.kind.to_string(),
        what: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
        reason: unpaid.reason.clone().unwrap_or_else(|| short.to_owned()),
        event: event.unwrap_or_default(),
        receipt: unpaid.receipt.to_string(),
    }
}
