use serde_json::{Value, json};

use crate::cards::{BLOCKED, Decline};
use crate::ids;
use crate::work::Work;

/// The attempt to charge what `session` costs; `decline` is the bank's no.
pub(crate) fn new(work: &Work<'_>, session: &Value, intent: &Value, decline: Option<Decline>) -> Value {
    let (amount, card) = (&intent["amount"], &intent["_card"]);
    let is_paid = decline.is_none();
    let captured = if is_paid { amount.clone() } else { 0.into() };
    json!({
        "id": ids::new("ch_"),
        "object": "charge",
        "amount": amount,
        "amount_captured": captured,
        "amount_refunded": 0,
        "application": null,
        "application_fee": null,
        "application_fee_amount": null,
        "balance_transaction": null,
        "billing_details": billing_details(session, card),
        "calculated_statement_descriptor": "SANDBOX",
        "captured": is_paid,
        "created": work.unix_now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": false,
        "failure_balance_transaction": null,
        "failure_code": decline.map(|d| d.code),
        "failure_message": decline.map(|d| d.message),
        "fraud_details": {},
        "livemode": false,
        "metadata": intent["metadata"],
        "on_behalf_of": null,
        "outcome": outcome(card, decline),
        "paid": is_paid,
        "payment_intent": intent["id"],
        "payment_method": card["method"],
        "payment_method_details": payment_method_details(intent),
        "radar_options": {},
        "receipt_email": null,
        "receipt_number": null,
        "receipt_url": null,
        "refunded": false,
        "review": null,
        "shipping": null,
        "source": null,
        "source_transfer": null,
        "statement_descriptor": null,
        "statement_descriptor_suffix": null,
        "status": if is_paid { "succeeded" } else { "failed" },
        "transfer_data": null,
        "transfer_group": null,
    })
}

fn billing_details(session: &Value, card: &Value) -> Value {
    let address = json!({
        "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
    });
    json!({
        "address": address,
        "email": session["customer_email"],
        "name": card["name"],
        "phone": null,
        "tax_id": null,
    })
}

fn outcome(card: &Value, decline: Option<Decline>) -> Value {
    if decline.is_some_and(|decline| decline.decline_code == BLOCKED) {
        return json!({
            "advice_code": null,
            "network_advice_code": null,
            "network_decline_code": null,
            "network_status": "not_sent_to_network",
            "reason": "highest_risk_level",
            "risk_level": "highest",
            "seller_message": "Stripe blocked this payment as too risky.",
            "type": "blocked",
        });
    }
    json!({
        "advice_code": decline.map(|_| "try_again_later"),
        "network_advice_code": null,
        "network_decline_code": null,
        "network_status": if decline.is_some() { "declined_by_network" } else { "approved_by_network" },
        "reason": decline.map(|d| d.decline_code),
        "risk_level": card["risk_level"],
        "seller_message": if decline.is_some() { "The bank declined." } else { "Payment complete." },
        "type": if decline.is_some() { "issuer_declined" } else { "authorized" },
    })
}

fn payment_method_details(intent: &Value) -> Value {
    let card = &intent["_card"];
    json!({
        "card": {
            "amount_authorized": intent["amount"],
            "authorization_code": null,
            "brand": card["brand"],
            "checks": {
                "address_line1_check": null,
                "address_postal_code_check": null,
                "cvc_check": if card["verdict"] == "incorrect_cvc" { "fail" } else { "pass" },
            },
            "country": card["country"],
            "exp_month": card["exp_month"],
            "exp_year": card["exp_year"],
            "extended_authorization": { "status": "disabled" },
            "fingerprint": card["fingerprint"],
            "funding": "credit",
            "incremental_authorization": { "status": "unavailable" },
            "installments": null,
            "last4": card["last4"],
            "mandate": null,
            "multicapture": { "status": "unavailable" },
            "network": card["brand"],
            "network_token": { "used": false },
            "network_transaction_id": null,
            "overcapture": { "maximum_amount_capturable": intent["amount"], "status": "unavailable" },
            "regulated_status": "unregulated",
            "three_d_secure": card["three_d_secure"],
            "wallet": null,
        },
        "type": "card",
    })
}
