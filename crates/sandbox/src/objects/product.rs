//! Products and prices, named by themselves or made inline by a checkout.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::ids;
use crate::params::Params;
use crate::work::Work;

pub(crate) async fn create(work: &Work<'_>, params: &Params) -> Result<Value, ApiError> {
    params.only(&["name", "description", "active", "metadata"])?;
    let mut product = product(work, params.need_text("/name")?, params.metadata("/metadata")?);
    product["description"] = params.text("/description")?.into();
    product["active"] = params.boolean("/active")?.unwrap_or(true).into();
    work.put(&product).await?;
    work.emit("product.created", &product).await?;
    Ok(product)
}

pub(crate) async fn create_price(work: &Work<'_>, params: &Params) -> Result<Value, ApiError> {
    params.only(&["currency", "unit_amount", "product", "product_data", "nickname", "metadata"])?;
    let mut price = inline_price(work, params, "").await?;
    price["nickname"] = params.text("/nickname")?.into();
    price["metadata"] = params.metadata("/metadata")?;
    work.put(&price).await?;
    work.emit("price.created", &price).await?;
    Ok(price)
}

/// The price whose parameters are under `at`; stores its product and itself.
pub(crate) async fn inline_price(work: &Work<'_>, params: &Params, at: &str) -> Result<Value, ApiError> {
    let currency = params.currency(&format!("{at}/currency"))?;
    let unit_at = format!("{at}/unit_amount");
    let unit_amount =
        params.integer(&unit_at)?.ok_or_else(|| ApiError::missing_param(unit_at.trim_start_matches('/')))?;
    if !(0..=99_999_999).contains(&unit_amount) {
        return Err(ApiError::bad_param("unit_amount", "must be between 0 and 99999999"));
    }
    let product_id = match params.text(&format!("{at}/product"))? {
        Some(id) => work.need("product", id).await?["id"].clone(),
        None => {
            let name = params.need_text(&format!("{at}/product_data/name"))?;
            let mut product = product(work, name, json!({}));
            product["description"] = params.text(&format!("{at}/product_data/description"))?.into();
            work.put(&product).await?;
            product["id"].clone()
        }
    };
    let price = price(work, currency, unit_amount, &product_id);
    work.put(&price).await?;
    Ok(price)
}

fn product(work: &Work<'_>, name: &str, metadata: Value) -> Value {
    json!({
        "id": ids::new("prod_"),
        "object": "product",
        "active": true,
        "created": work.unix_now(),
        "default_price": null,
        "description": null,
        "images": [],
        "livemode": false,
        "marketing_features": [],
        "metadata": metadata,
        "name": name,
        "package_dimensions": null,
        "shippable": null,
        "statement_descriptor": null,
        "tax_code": null,
        "type": "service",
        "unit_label": null,
        "updated": work.unix_now(),
        "url": null,
    })
}

fn price(work: &Work<'_>, currency: &str, unit_amount: i64, product: &Value) -> Value {
    json!({
        "id": ids::new("price_"),
        "object": "price",
        "active": true,
        "billing_scheme": "per_unit",
        "created": work.unix_now(),
        "currency": currency,
        "custom_unit_amount": null,
        "livemode": false,
        "lookup_key": null,
        "metadata": {},
        "nickname": null,
        "product": product,
        "recurring": null,
        "tax_behavior": "unspecified",
        "tiers_mode": null,
        "transform_quantity": null,
        "type": "one_time",
        "unit_amount": unit_amount,
        "unit_amount_decimal": unit_amount.to_string(),
    })
}
