//! `expand[]`: ids replaced by what they name, at paths such as `data.payment_intent.latest_charge`.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::objects::session;
use crate::work::{Work, public};

const PATHS_MAX: usize = 20;
const DEPTH_MAX: usize = 5;

pub(crate) async fn expand(work: &Work<'_>, mut answer: Value, paths: &[String]) -> Result<Value, ApiError> {
    if paths.len() > PATHS_MAX {
        return Err(ApiError::bad_param("expand", "too many paths"));
    }
    for path in paths {
        let steps: Vec<&str> = path.split('.').collect();
        if steps.len() > DEPTH_MAX {
            return Err(ApiError::bad_param("expand", "too deep"));
        }
        walk(work, &mut answer, &steps, path).await?;
    }
    Ok(answer)
}

fn walk<'a>(
    work: &'a Work<'_>,
    at: &'a mut Value,
    steps: &'a [&'a str],
    path: &'a str,
) -> BoxFuture<'a, Result<(), ApiError>> {
    Box::pin(async move {
        let Some((step, rest)) = steps.split_first() else { return Ok(()) };
        if at["object"] == "list" {
            if *step != "data" {
                return Err(cannot(path));
            }
            for item in at["data"].as_array_mut().into_iter().flatten() {
                walk(work, item, rest, path).await?;
            }
            return Ok(());
        }
        open(work, at, step, path).await?;
        if at[*step].is_null() { Ok(()) } else { walk(work, &mut at[*step], rest, path).await }
    })
}

/// Puts the object in place of its id.
async fn open(work: &Work<'_>, at: &mut Value, step: &str, path: &str) -> Result<(), ApiError> {
    let id = at["id"].as_str().unwrap_or_default().to_owned();
    let opened = match (at["object"].as_str(), step) {
        (Some("checkout.session"), "line_items") => {
            session::line_items(&work.need("checkout.session", &id).await?)
        }
        (Some("charge"), "refunds") => refunds(work, at, &id).await?,
        _ => match at.get(step) {
            Some(Value::String(other)) if other.contains('_') => {
                public(&work.find(other).await?.ok_or_else(|| cannot(path))?)
            }
            Some(Value::Null | Value::Object(_)) => return Ok(()),
            _ => return Err(cannot(path)),
        },
    };
    at[step] = opened;
    Ok(())
}

async fn refunds(work: &Work<'_>, charge: &Value, id: &str) -> Result<Value, ApiError> {
    let payment = charge["payment_intent"].as_str().unwrap_or_default();
    let refunds: Vec<Value> = work.behind("refund", payment).await?.iter().map(public).collect();
    Ok(json!({
        "object": "list",
        "data": refunds,
        "has_more": false,
        "url": format!("/v1/charges/{id}/refunds"),
    }))
}

fn cannot(path: &str) -> ApiError {
    ApiError::invalid(format!("This property cannot be expanded ({path}).")).param("expand")
}
