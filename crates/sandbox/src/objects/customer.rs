use serde_json::{Value, json};

use crate::error::ApiError;
use crate::ids;
use crate::params::Params;
use crate::work::Work;

const FIELDS: [&str; 5] = ["email", "name", "phone", "description", "metadata"];

pub(crate) async fn create(work: &Work<'_>, params: &Params) -> Result<Value, ApiError> {
    params.only(&FIELDS)?;
    let customer = json!({
        "id": ids::new("cus_"),
        "object": "customer",
        "address": null,
        "balance": 0,
        "created": work.unix_now(),
        "currency": null,
        "default_source": null,
        "delinquent": false,
        "description": params.text("/description")?,
        "discount": null,
        "email": params.text("/email")?,
        "invoice_prefix": "SANDBOX",
        "invoice_settings": {
            "custom_fields": null,
            "default_payment_method": null,
            "footer": null,
            "rendering_options": null,
        },
        "livemode": false,
        "metadata": params.metadata("/metadata")?,
        "name": params.text("/name")?,
        "next_invoice_sequence": 1,
        "phone": params.text("/phone")?,
        "preferred_locales": [],
        "shipping": null,
        "tax_exempt": "none",
        "test_clock": null,
    });
    work.put(&customer).await?;
    work.emit("customer.created", &customer).await?;
    Ok(customer)
}

pub(crate) async fn update(work: &Work<'_>, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.only(&FIELDS)?;
    let mut customer = work.need("customer", id).await?;
    let mut before = json!({});
    for field in ["email", "name", "phone", "description"] {
        if params.has(&format!("/{field}")) {
            before[field] = customer[field].take();
            customer[field] = params.text(&format!("/{field}"))?.into();
        }
    }
    if params.has("/metadata") {
        before["metadata"] = customer["metadata"].clone();
        merge(&mut customer["metadata"], params.metadata("/metadata")?);
    }
    work.put(&customer).await?;
    work.emit_change("customer.updated", &customer, before).await?;
    Ok(customer)
}

pub(crate) async fn delete(work: &Work<'_>, id: &str) -> Result<Value, ApiError> {
    let customer = work.need("customer", id).await?;
    work.remove(id).await?;
    work.emit("customer.deleted", &customer).await?;
    Ok(json!({ "id": id, "object": "customer", "deleted": true }))
}

/// As Stripe merges metadata: an empty value unsets its key.
fn merge(metadata: &mut Value, given: Value) {
    let (Some(metadata), Value::Object(given)) = (metadata.as_object_mut(), given) else { return };
    for (key, value) in given {
        if value == "" {
            metadata.remove(&key);
        } else {
            metadata.insert(key, value);
        }
    }
}
