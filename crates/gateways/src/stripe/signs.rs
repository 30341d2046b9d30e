//! What Stripe's events tell of the risk of a payment: Radar's outcome, early fraud warnings, disputes.
//! Old and new shapes; what is missing is unknown.

use serde_json::Value;

use crate::stripe::envelope::is_id;
use crate::{GatewayEvent, PaymentSign, RiskLevel, SignKind};

pub(super) fn sign(event: &GatewayEvent) -> Option<PaymentSign> {
    let object = &event.object;
    let kind = match event.kind.as_str() {
        "charge.succeeded" => SignKind::Succeeded,
        "charge.failed" => SignKind::Failed,
        "radar.early_fraud_warning.created" => SignKind::Warned,
        // An inquiry is a question; it may become a dispute, which then is told anew.
        "charge.dispute.created" if !text(&object["status"])?.starts_with("warning_") => SignKind::Disputed,
        _ => return None,
    };
    // A warning or dispute may have its charge expanded.
    let charge = if object["charge"].is_object() { &object["charge"] } else { object };
    let card = card_of(charge);
    Some(PaymentSign {
        id: text(&object["id"]).filter(|id| is_id(id))?,
        kind,
        at: event.created,
        risk_level: text(&charge["outcome"]["risk_level"]).and_then(|level| risk_level(&level)),
        card: text(&card["fingerprint"]),
        card_country: country(&card["country"]),
        billing_country: country(&charge["billing_details"]["address"]["country"]),
        is_authenticated: is_authenticated(&card["three_d_secure"]),
    })
}

/// Of the results of 3-D Secure only `authenticated` says that the holder was recognised. `attempt_acknowledged`
/// may shift the liability, "no authentication was performed" though; `exempted` was let through on the holder's
/// record (Stripe's API reference, Charge, `payment_method_details.card.three_d_secure.result`). Before there were
/// results, two booleans said it.
fn is_authenticated(three_d_secure: &Value) -> bool {
    match three_d_secure["result"].as_str() {
        Some(result) => result == "authenticated",
        None => three_d_secure["authenticated"] == true && three_d_secure["succeeded"] == true,
    }
}

/// Where it stands since there are payment methods, and where it stood before.
fn card_of(charge: &Value) -> &Value {
    let details = &charge["payment_method_details"]["card"];
    if details.is_object() { details } else { &charge["source"] }
}

/// `not_assessed` and `unknown` are no opinions.
fn risk_level(text: &str) -> Option<RiskLevel> {
    RiskLevel::ALL.into_iter().find(|level| level.as_str() == text)
}

fn country(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()));
    text.map(str::to_ascii_uppercase)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
