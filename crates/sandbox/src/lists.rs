use serde_json::{Value, json};
use store::cold::sandbox_objects::{self as table, Page};

use crate::error::ApiError;
use crate::params::Params;
use crate::work::{Work, parse, public};

const LIMIT: i64 = 10;
const LIMIT_MAX: i64 = 100;
/// Kinds of events in one question.
const TYPES_MAX: usize = 20;

/// Newest first, with `limit`, `starting_after`, `created` and, where a kind hangs on a payment,
/// `payment_intent`; on charges, refunds and disputes `charge` as well.
pub(crate) async fn list(work: &Work<'_>, kind: &str, url: &str, params: &Params) -> Result<Value, ApiError> {
    params.only(filters(kind))?;
    let limit = params.integer("/limit")?.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::bad_param("limit", "must be between 1 and 100"));
    }
    let limit = usize::try_from(limit).unwrap_or_default();
    let mut page = Page { parent: params.text("/payment_intent")?, ..Page::default() };
    (page.from, page.to) = created(params)?;
    page.after = after(work, kind, params).await?;
    let wanted = equalities(kind, params)?;
    let types = types(params)?;
    let mut data = Vec::new();
    // What no column knows is compared here, page by page.
    while data.len() <= limit {
        page.limit = u64::try_from(LIMIT_MAX + 1).unwrap_or_default();
        let rows = table::page(work.txn(), kind, &page).await?;
        let Some(last) = rows.last() else { break };
        page.after = Some((last.created_at, last.id.clone()));
        for row in &rows {
            let object = parse(row)?;
            let is_of_a_type = types.is_empty() || types.iter().any(|kind| object["type"] == *kind);
            if is_of_a_type && wanted.iter().all(|(name, value)| object[*name] == *value) {
                data.push(public(&object));
            }
        }
    }
    let has_more = data.len() > limit;
    data.truncate(limit);
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": url }))
}

fn filters(kind: &str) -> &'static [&'static str] {
    match kind {
        "checkout.session" => &["limit", "starting_after", "created", "payment_intent", "customer", "status"],
        "charge" => &["limit", "starting_after", "created", "payment_intent", "customer"],
        "refund" | "dispute" => &["limit", "starting_after", "created", "payment_intent", "charge"],
        "payment_intent" => &["limit", "starting_after", "created", "customer"],
        "customer" => &["limit", "starting_after", "created", "email"],
        "event" => &["limit", "starting_after", "created", "type", "types"],
        _ => &["limit", "starting_after", "created"],
    }
}

fn equalities<'a>(kind: &str, params: &'a Params) -> Result<Vec<(&'static str, &'a str)>, ApiError> {
    let mut wanted = Vec::new();
    for name in filters(kind) {
        let is_column = ["limit", "starting_after", "created", "payment_intent", "types"].contains(name);
        if let Some(value) = params.text(&format!("/{name}")).ok().flatten().filter(|_| !is_column) {
            wanted.push((*name, value));
        }
    }
    Ok(wanted)
}

fn types(params: &Params) -> Result<Vec<&str>, ApiError> {
    let types: Vec<&str> = params.list("/types").iter().filter_map(Value::as_str).collect();
    if types.len() > TYPES_MAX || (!types.is_empty() && params.has("/type")) {
        return Err(ApiError::bad_param("types", "up to 20 kinds, and not together with type"));
    }
    Ok(types)
}

/// The bounds on `created` in microseconds, both inclusive; Stripe's are seconds.
fn created(params: &Params) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let end = |seconds: i64| seconds.saturating_add(1).saturating_mul(1_000_000) - 1;
    let start = |seconds: i64| seconds.saturating_mul(1_000_000);
    if let Ok(Some(exact)) = params.integer("/created") {
        return Ok((Some(start(exact)), Some(end(exact))));
    }
    let gt = params.integer("/created/gt")?.map(|s| end(s) + 1);
    let from = params.integer("/created/gte")?.map(start).max(gt);
    let lt = params.integer("/created/lt")?.map(|s| start(s) - 1);
    let to = [params.integer("/created/lte")?.map(end), lt].into_iter().flatten().min();
    Ok((from, to))
}

async fn after(work: &Work<'_>, kind: &str, params: &Params) -> Result<Option<(i64, String)>, ApiError> {
    let Some(id) = params.text("/starting_after")? else { return Ok(None) };
    let row = table::find(work.txn(), id).await.map_err(ApiError::from)?.filter(|row| row.kind == kind);
    let row = row.ok_or_else(|| {
        ApiError::no_such(kind, id).param("starting_after").status(axum::http::StatusCode::BAD_REQUEST)
    })?;
    Ok(Some((row.created_at, row.id)))
}
