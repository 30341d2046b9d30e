use serde_json::{Value, json};
use store::StoreError;

use crate::error::ApiError;
use crate::ids;
use crate::params::Params;
use crate::work::Work;

/// How long a merchant may answer.
const ANSWER_SECONDS: i64 = 9 * 24 * 3_600;
const EVIDENCE: [&str; 27] = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
];

/// The holder's bank takes back what was not refunded before.
pub(crate) async fn open(work: &Work<'_>, charge: &mut Value) -> Result<Value, StoreError> {
    let dispute = template(work, charge);
    charge["disputed"] = true.into();
    work.put(charge).await?;
    work.put(&dispute).await?;
    work.emit("charge.dispute.created", &dispute).await?;
    work.emit("charge.dispute.funds_withdrawn", &dispute).await?;
    Ok(dispute)
}

/// Evidence decides at once, as in Stripe's test mode: `winning_evidence` or `losing_evidence`.
pub(crate) async fn update(work: &Work<'_>, id: &str, params: &Params) -> Result<Value, ApiError> {
    params.only(&["evidence", "submit", "metadata"])?;
    let mut dispute = undecided(work, id).await?;
    if params.has("/metadata") {
        dispute["metadata"] = params.metadata("/metadata")?;
    }
    let text = params.text("/evidence/uncategorized_text")?;
    if params.has("/evidence") {
        dispute["evidence"]["uncategorized_text"] = text.into();
        dispute["evidence_details"]["has_evidence"] = true.into();
    }
    if params.boolean("/submit")?.unwrap_or(params.has("/evidence")) {
        match text {
            Some("winning_evidence") => return close(work, dispute, "won").await,
            Some("losing_evidence") => return close(work, dispute, "lost").await,
            _ => dispute["status"] = "under_review".into(),
        }
    }
    work.put(&dispute).await?;
    work.emit("charge.dispute.updated", &dispute).await?;
    Ok(dispute)
}

/// The merchant gives in.
pub(crate) async fn concede(work: &Work<'_>, id: &str) -> Result<Value, ApiError> {
    let dispute = undecided(work, id).await?;
    close(work, dispute, "lost").await
}

async fn undecided(work: &Work<'_>, id: &str) -> Result<Value, ApiError> {
    let dispute = work.need("dispute", id).await?;
    if dispute["status"] == "won" || dispute["status"] == "lost" {
        return Err(ApiError::invalid("This dispute is already closed"));
    }
    Ok(dispute)
}

async fn close(work: &Work<'_>, mut dispute: Value, status: &str) -> Result<Value, ApiError> {
    dispute["status"] = status.into();
    work.put(&dispute).await?;
    work.emit("charge.dispute.closed", &dispute).await?;
    if status == "won" {
        work.emit("charge.dispute.funds_reinstated", &dispute).await?;
    }
    Ok(dispute)
}

fn template(work: &Work<'_>, charge: &Value) -> Value {
    let of = |name: &str| charge[name].as_i64().unwrap_or(0);
    let mut evidence: Value = EVIDENCE.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    evidence["enhanced_evidence"] = json!({});
    let brand = &charge["payment_method_details"]["card"]["brand"];
    json!({
        "id": ids::new("du_"),
        "object": "dispute",
        "amount": of("amount") - of("amount_refunded"),
        "balance_transactions": [],
        "charge": charge["id"],
        "created": work.unix_now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": evidence,
        "evidence_details": {
            "due_by": work.unix_now() + ANSWER_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": false,
            "past_due": false,
            "submission_count": 0,
        },
        "is_charge_refundable": false,
        "livemode": false,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": { "brand": brand, "case_type": "chargeback", "network": brand, "network_reason_code": "83" },
            "type": "card",
        },
        "reason": "fraudulent",
        "status": "needs_response",
    })
}
