use app::audit::{self, AuditRow};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use kernel::{Credits, Timestamp};
use serde_json::{Map, Value};
use site::{Failure, Member, Shell, credits, instant, render};

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
    /// What was asked for, in words.
    pub input: String,
    /// What changed, a line each; one line of text when it was refused.
    pub changes: Vec<String>,
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
        input: members(&row.input).map_or_else(|| row.input.clone(), |members| words(&members)),
        changes: changes(row.before.as_deref(), row.after.as_deref()),
    }
}

/// `credits 25, kind promo`
fn words(members: &Map<String, Value>) -> String {
    let word = |(name, value): (&String, &Value)| format!("{} {}", name.replace('_', " "), text(value));
    members.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// `available 10 → 35` for each number that moved; the text itself when it is no JSON.
fn changes(before: Option<&str>, after: Option<&str>) -> Vec<String> {
    let (old, new) = (before.and_then(members), after.and_then(members));
    match (old, new, after) {
        (Some(old), Some(new), _) => {
            let moved = new.iter().filter(|(name, value)| old.get(*name) != Some(value));
            let line = |(name, value): (&String, &Value)| {
                let was = old.get(name).map_or_else(|| "nothing".to_owned(), text);
                format!("{name} {was} \u{2192} {}", text(value))
            };
            let lines: Vec<String> = moved.map(line).collect();
            if lines.is_empty() { vec!["nothing changed".to_owned()] } else { lines }
        }
        (Some(old), None, None) => vec![format!("before: {}", words(&old))],
        (_, _, Some(said)) => vec![said.to_owned()],
        _ => Vec::new(),
    }
}

fn members(json: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(json).ok()
}

/// Credits and instants as on every page; other values as they are.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => match (text.parse::<Credits>(), text.parse::<Timestamp>()) {
            (Ok(amount), _) => credits(amount),
            (_, Ok(at)) => instant(at),
            _ => text.clone(),
        },
        Value::Object(members) => format!("({})", words(members)),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_with_what_was_before() {
        let (before, after) = (r#"{"available":"10","held":"2"}"#, r#"{"available":"1035.5","held":"2"}"#);
        assert_eq!(changes(Some(before), Some(after)), ["available 10 \u{2192} 1,035.5"]);
        assert_eq!(changes(Some(before), Some(before)), ["nothing changed"]);
        assert_eq!(changes(Some(before), Some("the wallet is short")), ["the wallet is short"]);
        assert_eq!(changes(Some(before), None), ["before: available 10, held 2"]);
        assert_eq!(changes(None, None), Vec::<String>::new());
        let (before, after) = (
            r#"{"restriction":null}"#,
            r#"{"restriction":{"since":"2026-11-23T02:13:35.6Z","step_up":"review"}}"#,
        );
        assert_eq!(
            changes(Some(before), Some(after)),
            ["restriction none \u{2192} (since 23 Nov 2026, 02:13 UTC, step up review)"]
        );
    }
}
