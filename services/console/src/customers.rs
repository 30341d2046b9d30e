use app::search::{Hit, search};
use app::{customers, customers::Customer};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use site::{Failure, Member, Shell, date, render};

use crate::list::ListQuery;
use crate::{Console, by, shell};

const PATH: &str = "/console/customers";

#[derive(Template)]
#[template(path = "console/customers.html")]
pub struct CustomersPage {
    pub shell: Shell,
    pub query: String,
    pub rows: Vec<Row>,
    pub next: Option<String>,
}

pub struct Row {
    pub path: String,
    pub name: String,
    pub email: String,
    pub external_id: String,
    /// What was found of theirs, or since when they are here.
    pub note: String,
}

/// Everybody, newest first, or what the search box finds.
pub async fn list(
    State(console): State<Console>,
    member: Member,
    Query(query): Query<ListQuery>,
) -> Result<Response, Failure> {
    let (app, by) = (console.site.app(), by(&member));
    let shell = shell("Customers", PATH, &member);
    let page = if query.text().is_empty() {
        let page = customers::list(app, &by, None, &query.page()).await?;
        let next = query.next(PATH, page.next_cursor.as_ref());
        CustomersPage { shell, query: String::new(), rows: page.data.iter().map(row).collect(), next }
    } else {
        let hits = search(app, &by, query.text()).await?;
        let rows = hits.into_iter().map(found).collect();
        CustomersPage { shell, query: query.text().to_owned(), rows, next: None }
    };
    Ok(member.visitor.page(render(&page)?))
}

fn row(customer: &Customer) -> Row {
    Row {
        path: format!("{PATH}/{}", customer.id),
        name: customer.name.clone(),
        email: customer.email.clone(),
        external_id: customer.external_id.clone(),
        note: format!("since {}", date(customer.created_at)),
    }
}

fn found(hit: Hit) -> Row {
    Row {
        path: format!("{PATH}/{}", hit.customer),
        name: hit.name,
        email: hit.email,
        external_id: hit.external_id,
        note: hit.what,
    }
}
