use serde_json::{Value, json};

use crate::error::ApiError;
use crate::objects::line;
use crate::params::Params;
use crate::work::Work;
use crate::{MOUNT, ids};

/// A checkout lives a day unless said otherwise, between half an hour and a day.
const LIFE_SECONDS: i64 = 24 * 3_600;
const LIFE_MIN_SECONDS: i64 = 30 * 60;
const FIELDS: [&str; 13] = [
    "adaptive_pricing",
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_email",
    "expires_at",
    "line_items",
    "metadata",
    "mode",
    "payment_intent_data",
    "payment_method_options",
    "payment_method_types",
    "success_url",
];

/// `origin`: scheme and authority that a browser reaches this server by.
pub(crate) async fn create(work: &Work<'_>, params: &Params, origin: &str) -> Result<Value, ApiError> {
    params.only(&FIELDS)?;
    if params.need_text("/mode")? != "payment" {
        return Err(ApiError::bad_param("mode", "the sandbox sells one-time payments only"));
    }
    only_cards_unconverted(params)?;
    let three_d_secure = three_d_secure(params)?;
    let success_url = web_address(params, "/success_url")?;
    let success_url = success_url.ok_or_else(|| ApiError::missing_param("success_url"))?;
    if let Some(customer) = params.text("/customer")? {
        work.need("customer", customer).await?;
    }
    let lines = line::read(work, params).await?;
    if lines.total == 0 {
        return Err(ApiError::bad_param("line_items", "the sandbox does not sell for nothing"));
    }
    let id = ids::new("cs_test_");
    let url = format!("{origin}{MOUNT}/pay/{id}");
    let mut session = template(work, &id, &url);
    session["amount_subtotal"] = lines.total.into();
    session["amount_total"] = lines.total.into();
    session["currency"] = lines.currency.as_str().into();
    session["success_url"] = success_url.into();
    session["cancel_url"] = web_address(params, "/cancel_url")?.into();
    session["client_reference_id"] = params.text("/client_reference_id")?.into();
    session["customer"] = params.text("/customer")?.into();
    session["customer_email"] = params.text("/customer_email")?.into();
    session["payment_method_options"]["card"]["request_three_d_secure"] = three_d_secure.into();
    session["metadata"] = params.metadata("/metadata")?;
    session["expires_at"] = expiry(work, params)?.into();
    session["_payment_metadata"] = params.metadata("/payment_intent_data/metadata")?;
    session["_payment_description"] = params.text("/payment_intent_data/description")?.into();
    session["_line_items"] = lines.items.into();
    work.put(&session).await?;
    Ok(session)
}

/// Closes an open checkout that nobody will pay any more.
pub(crate) async fn expire(work: &Work<'_>, id: &str) -> Result<Value, ApiError> {
    let mut session = work.need("checkout.session", id).await?;
    if session["status"] != "open" {
        return Err(ApiError::invalid(format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a \
             status of {}.",
            session["status"].as_str().unwrap_or_default()
        )));
    }
    session["status"] = "expired".into();
    session["url"] = Value::Null;
    work.put(&session).await?;
    if let Some(mut intent) = work.find(session["payment_intent"].as_str().unwrap_or_default()).await? {
        intent["status"] = "canceled".into();
        intent["canceled_at"] = work.unix_now().into();
        intent["next_action"] = Value::Null;
        work.put(&intent).await?;
        work.emit("payment_intent.canceled", &intent).await?;
    }
    work.emit("checkout.session.expired", &session).await?;
    Ok(session)
}

pub(crate) fn line_items(session: &Value) -> Value {
    let url = format!("/v1/checkout/sessions/{}/line_items", session["id"].as_str().unwrap_or_default());
    json!({ "object": "list", "data": session["_line_items"], "has_more": false, "url": url })
}

/// Refuses what this page cannot do rather than ignoring it.
fn only_cards_unconverted(params: &Params) -> Result<(), ApiError> {
    if params.list("/payment_method_types").iter().any(|kind| kind != "card") {
        return Err(ApiError::bad_param("payment_method_types", "the sandbox takes cards only"));
    }
    if params.boolean("/adaptive_pricing/enabled")?.unwrap_or(false) {
        return Err(ApiError::bad_param("adaptive_pricing", "the sandbox does not convert currencies"));
    }
    Ok(())
}

/// When the shop wants the holder asked.
fn three_d_secure(params: &Params) -> Result<&str, ApiError> {
    const REQUEST: &str = "/payment_method_options/card/request_three_d_secure";
    match params.text(REQUEST)? {
        None => Ok("automatic"),
        Some(request @ ("any" | "automatic" | "challenge")) => Ok(request),
        Some(_) => Err(ApiError::bad_param(
            "payment_method_options[card][request_three_d_secure]",
            "must be one of any, automatic, or challenge",
        )),
    }
}

fn expiry(work: &Work<'_>, params: &Params) -> Result<i64, ApiError> {
    let now = work.unix_now();
    match params.integer("/expires_at")? {
        None => Ok(now + LIFE_SECONDS),
        Some(at) if (LIFE_MIN_SECONDS..=LIFE_SECONDS).contains(&(at.saturating_sub(now))) => Ok(at),
        Some(_) => Err(ApiError::bad_param("expires_at", "must be between 30 minutes and 24 hours from now")),
    }
}

/// Only addresses that a browser opens as a page.
fn web_address<'a>(params: &'a Params, pointer: &str) -> Result<Option<&'a str>, ApiError> {
    let Some(text) = params.text(pointer)? else { return Ok(None) };
    let is_web = text.starts_with("http://") || text.starts_with("https://");
    let is_clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if is_web && is_clean {
        Ok(Some(text))
    } else {
        Err(ApiError::invalid("Not a valid URL").code("url_invalid").param(pointer.trim_start_matches('/')))
    }
}

fn template(work: &Work<'_>, id: &str, url: &str) -> Value {
    json!({
        "id": id,
        "object": "checkout.session",
        "adaptive_pricing": { "enabled": false },
        "after_expiration": null,
        "allow_promotion_codes": null,
        "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
        "billing_address_collection": null,
        "client_secret": null,
        "collected_information": { "business_name": null, "individual_name": null, "shipping_details": null },
        "consent": null,
        "consent_collection": null,
        "created": work.unix_now(),
        "currency_conversion": null,
        "custom_fields": [],
        "custom_text": {
            "after_submit": null,
            "shipping_address": null,
            "submit": null,
            "terms_of_service_acceptance": null,
        },
        "customer_account": null,
        "customer_creation": "if_required",
        "customer_details": null,
        "discounts": [],
        "invoice": null,
        "invoice_creation": {
            "enabled": false,
            "invoice_data": {
                "account_tax_ids": null,
                "custom_fields": null,
                "description": null,
                "footer": null,
                "issuer": null,
                "metadata": {},
                "rendering_options": null,
            },
        },
        "livemode": false,
        "locale": null,
        "mode": "payment",
        "origin_context": null,
        "payment_intent": null,
        "payment_link": null,
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": null,
        "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "permissions": null,
        "phone_number_collection": { "enabled": false },
        "recovered_from": null,
        "saved_payment_method_options": null,
        "setup_intent": null,
        "shipping_address_collection": null,
        "shipping_cost": null,
        "shipping_options": [],
        "status": "open",
        "submit_type": null,
        "subscription": null,
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
        "ui_mode": "hosted_page",
        "url": url,
        "wallet_options": null,
    })
}
