use serde_json::{Value, json};

use crate::error::ApiError;
use crate::ids;
use crate::objects::product;
use crate::params::Params;
use crate::work::Work;

const LINES_MAX: usize = 100;
/// Stripe's largest amount.
const TOTAL_MAX: i64 = 99_999_999;

/// The lines of a new checkout, their total and their currency.
pub(crate) struct Lines {
    pub items: Vec<Value>,
    pub total: i64,
    pub currency: String,
}

pub(crate) async fn read(work: &Work<'_>, params: &Params) -> Result<Lines, ApiError> {
    let given = params.list("/line_items").len();
    if given == 0 {
        return Err(ApiError::missing_param("line_items"));
    }
    if given > LINES_MAX {
        return Err(ApiError::bad_param("line_items", "at most 100 items"));
    }
    let mut lines = Lines { items: Vec::new(), total: 0, currency: String::new() };
    for n in 0..given {
        add(work, params, &format!("/line_items/{n}"), &mut lines).await?;
    }
    Ok(lines)
}

async fn add(work: &Work<'_>, params: &Params, at: &str, lines: &mut Lines) -> Result<(), ApiError> {
    let price = match params.text(&format!("{at}/price"))? {
        Some(id) => work.need("price", id).await?,
        None => product::inline_price(work, params, &format!("{at}/price_data")).await?,
    };
    let quantity = params.integer(&format!("{at}/quantity"))?.unwrap_or(1);
    let unit = price["unit_amount"].as_i64().unwrap_or(0);
    let amount = unit.checked_mul(quantity).filter(|_| quantity > 0);
    let total = amount.and_then(|amount| lines.total.checked_add(amount)).filter(|total| *total <= TOTAL_MAX);
    let (Some(amount), Some(total)) = (amount, total) else {
        return Err(ApiError::bad_param("line_items", "the quantity or the total is out of range"));
    };
    let currency = price["currency"].as_str().unwrap_or_default();
    if !lines.currency.is_empty() && lines.currency != currency {
        return Err(ApiError::bad_param("line_items", "all prices must have one currency"));
    }
    let name = work.find(price["product"].as_str().unwrap_or_default()).await?;
    lines.items.push(json!({
        "id": ids::new("li_"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": currency,
        "description": name.map(|product| product["name"].clone()),
        "metadata": {},
        "price": price,
        "quantity": quantity,
    }));
    lines.total = total;
    currency.clone_into(&mut lines.currency);
    Ok(())
}
