//! Events as older versions of the API write them.

use serde_json::{Value, json};
use store::StoreError;

use crate::API_VERSION;
use crate::work::{Work, public};

/// From here on a payment names its last charge instead of carrying all of them, and a charge no longer
/// carries its refunds (<https://docs.stripe.com/changelog>, 2022-11-15).
const NO_CHARGES: &str = "2022-11-15";
/// From here on `ui_mode` is written `hosted_page`.
const HOSTED_PAGE: &str = "2026-";

/// Versions begin with their date, so they compare as texts.
pub(crate) async fn event(work: &Work<'_>, event: &Value, version: &str) -> Result<Value, StoreError> {
    let mut event = event.clone();
    event["api_version"] = version.into();
    if version >= API_VERSION {
        return Ok(event);
    }
    let object = &mut event["data"]["object"];
    let kind = object["object"].as_str().unwrap_or_default().to_owned();
    if kind == "checkout.session" && version < HOSTED_PAGE {
        object["ui_mode"] = "hosted".into();
    }
    if version < NO_CHARGES {
        match kind.as_str() {
            "payment_intent" => carry_charges(work, object).await?,
            "charge" => carry_refunds(work, object).await?,
            _ => {}
        }
    }
    Ok(event)
}

async fn carry_charges(work: &Work<'_>, intent: &mut Value) -> Result<(), StoreError> {
    let id = intent["id"].as_str().unwrap_or_default().to_owned();
    let charges: Vec<Value> = work.behind("charge", &id).await?.iter().map(public).collect();
    if let Some(members) = intent.as_object_mut() {
        members.remove("latest_charge");
    }
    intent["charges"] = whole(charges, format!("/v1/charges?payment_intent={id}"));
    Ok(())
}

async fn carry_refunds(work: &Work<'_>, charge: &mut Value) -> Result<(), StoreError> {
    let payment = charge["payment_intent"].as_str().unwrap_or_default().to_owned();
    let refunds: Vec<Value> = work.behind("refund", &payment).await?.iter().map(public).collect();
    let url = format!("/v1/charges/{}/refunds", charge["id"].as_str().unwrap_or_default());
    charge["refunds"] = whole(refunds, url);
    Ok(())
}

fn whole(data: Vec<Value>, url: String) -> Value {
    json!({ "object": "list", "total_count": data.len(), "data": data, "has_more": false, "url": url })
}
