use serde_json::{Value, json};
use store::StoreError;

use crate::cards::Decline;
use crate::ids;
use crate::work::Work;

/// The payment behind a checkout; made at the first attempt.
pub(crate) async fn of_session(work: &Work<'_>, session: &mut Value) -> Result<Value, StoreError> {
    if let Some(id) = session["payment_intent"].as_str()
        && let Some(intent) = work.find(id).await?
    {
        return Ok(intent);
    }
    let intent = template(work, session);
    session["payment_intent"] = intent["id"].clone();
    work.put(session).await?;
    work.put(&intent).await?;
    work.emit("payment_intent.created", &intent).await?;
    Ok(intent)
}

/// `last_payment_error` of a declined attempt.
pub(crate) fn payment_error(decline: Decline, charge: Option<&Value>) -> Value {
    let is_decline = decline.code == "card_declined";
    json!({
        "type": if decline.code == "payment_intent_authentication_failure" { "invalid_request_error" } else { "card_error" },
        "charge": charge.map(|charge| charge["id"].clone()),
        "code": decline.code,
        "decline_code": is_decline.then_some(decline.decline_code),
        "doc_url": format!("https://stripe.com/docs/error-codes/{}", decline.code.replace('_', "-")),
        "message": decline.message,
    })
}

fn template(work: &Work<'_>, session: &Value) -> Value {
    let id = ids::new("pi_");
    let secret = format!("{id}_secret_{}", ids::new(""));
    json!({
        "id": id,
        "object": "payment_intent",
        "amount": session["amount_total"],
        "amount_capturable": 0,
        "amount_details": { "tip": {} },
        "amount_received": 0,
        "application": null,
        "application_fee_amount": null,
        "automatic_payment_methods": null,
        "canceled_at": null,
        "cancellation_reason": null,
        "capture_method": "automatic_async",
        "client_secret": secret,
        "confirmation_method": "automatic",
        "created": work.unix_now(),
        "currency": session["currency"],
        "customer": session["customer"],
        "customer_account": null,
        "description": session["_payment_description"],
        "excluded_payment_method_types": null,
        "last_payment_error": null,
        "latest_charge": null,
        "livemode": false,
        "metadata": session["_payment_metadata"],
        "next_action": null,
        "on_behalf_of": null,
        "payment_method": null,
        "payment_method_configuration_details": null,
        "payment_method_options": session["payment_method_options"],
        "payment_method_types": ["card"],
        "processing": null,
        "receipt_email": null,
        "review": null,
        "setup_future_usage": null,
        "shipping": null,
        "source": null,
        "statement_descriptor": null,
        "statement_descriptor_suffix": null,
        "status": "requires_payment_method",
        "transfer_data": null,
        "transfer_group": null,
    })
}
