use serde_json::{Value, json};

use crate::error::ApiError;
use crate::ids;
use crate::money::show;
use crate::params::Params;
use crate::work::Work;

const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

pub(crate) async fn create(work: &Work<'_>, params: &Params) -> Result<Value, ApiError> {
    params.only(&["payment_intent", "charge", "amount", "reason", "metadata"])?;
    let mut charge = charge_of(work, params).await?;
    let amount = amount(params, &charge)?;
    let reason = params.text("/reason")?;
    if reason.is_some_and(|reason| !REASONS.contains(&reason)) {
        return Err(ApiError::bad_param("reason", &format!("must be one of {}", REASONS.join(", "))));
    }
    let refund = json!({
        "id": ids::new("re_"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": null,
        "charge": charge["id"],
        "created": work.unix_now(),
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": null,
        "destination_details": { "card": { "type": "reversal" }, "type": "card" },
        "metadata": params.metadata("/metadata")?,
        "payment_intent": charge["payment_intent"],
        "payment_method": null,
        "reason": reason,
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": "succeeded",
        "transfer_reversal": null,
    });
    work.put(&refund).await?;
    let before = json!({ "amount_refunded": charge["amount_refunded"] });
    let refunded = charge["amount_refunded"].as_i64().unwrap_or(0) + amount;
    charge["amount_refunded"] = refunded.into();
    charge["refunded"] = (charge["amount"] == refunded).into();
    work.put(&charge).await?;
    work.emit("refund.created", &refund).await?;
    work.emit_change("charge.refunded", &charge, before).await?;
    Ok(refund)
}

async fn charge_of(work: &Work<'_>, params: &Params) -> Result<Value, ApiError> {
    let charge = match (params.text("/payment_intent")?, params.text("/charge")?) {
        (Some(id), _) => {
            let intent = work.need("payment_intent", id).await?;
            intent["latest_charge"].as_str().map(str::to_owned).ok_or_else(|| {
                let what = format!("This PaymentIntent ({id}) does not have a successful charge to refund.");
                ApiError::invalid(what).param("payment_intent")
            })?
        }
        (None, Some(id)) => id.to_owned(),
        (None, None) => {
            return Err(ApiError::invalid(
                "One of the following params should be provided for this request: payment_intent or charge.",
            ));
        }
    };
    let charge = work.need("charge", &charge).await?;
    if charge["paid"] != true {
        return Err(ApiError::invalid("This charge did not succeed."));
    }
    refuse_while_disputed(work, &charge).await?;
    Ok(charge)
}

/// The bank has the money until it is decided, and for good when it is lost
/// (<https://docs.stripe.com/error-codes#charge-disputed>).
async fn refuse_while_disputed(work: &Work<'_>, charge: &Value) -> Result<(), ApiError> {
    let payment = charge["payment_intent"].as_str().unwrap_or_default();
    let disputes = work.behind("dispute", payment).await?;
    if disputes.iter().all(|dispute| dispute["status"] == "won") {
        return Ok(());
    }
    let id = charge["id"].as_str().unwrap_or_default();
    Err(ApiError::invalid(format!("Charge {id} has been charged back; cannot issue a refund."))
        .code("charge_disputed"))
}

/// What was asked for; everything that is left when nothing was.
fn amount(params: &Params, charge: &Value) -> Result<i64, ApiError> {
    let of = |name: &str| charge[name].as_i64().unwrap_or(0);
    let (left, currency) =
        (of("amount") - of("amount_refunded"), charge["currency"].as_str().unwrap_or_default());
    if left == 0 {
        let what = format!("Charge {} has already been refunded.", charge["id"].as_str().unwrap_or_default());
        return Err(ApiError::invalid(what).code("charge_already_refunded"));
    }
    match params.integer("/amount")? {
        None => Ok(left),
        Some(amount) if amount < 1 => Err(ApiError::bad_param("amount", "must be at least 1")),
        Some(amount) if amount > left => Err(ApiError::invalid(format!(
            "Refund amount ({}) is greater than unrefunded amount on charge ({})",
            show(amount, currency),
            show(left, currency)
        ))
        .param("amount")),
        Some(amount) => Ok(amount),
    }
}
