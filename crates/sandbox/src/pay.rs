//! What happens between the card form and the bank.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cards::{AUTHENTICATION_FAILED, Card, Decline, Verdict};
use crate::error::ApiError;
use crate::ids;
use crate::objects::{charge, dispute, intent, warning};
use crate::work::Work;

/// Where the customer is sent after an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// To the shop's success page.
    Success,
    /// Back to the form, which shows why.
    Form,
    /// To the bank's own page.
    Challenge,
    /// The checkout was closed meanwhile.
    Closed,
}

/// What the holder says once it is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Nothing,
    Warning,
    Dispute,
}

/// One attempt to pay an open checkout.
pub(crate) async fn pay(work: &Work<'_>, id: &str, card: &Card, name: &str) -> Result<Next, ApiError> {
    let Some(mut session) = open_session(work, id).await? else { return Ok(Next::Closed) };
    let mut payment = intent::of_session(work, &mut session).await?;
    payment["_card"] = json!({
        "brand": card.brand(),
        "country": card.country(),
        "risk_level": "normal",
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "last4": card.last4(),
        "name": name,
        "fingerprint": fingerprint(&card.number),
        "method": ids::new("pm_"),
    });
    if is_asked(&payment) {
        // What the network says of the other cards, whose banks do not take part.
        payment["_card"]["three_d_secure"] = three_d_secure("attempt_acknowledged", None);
    }
    match card.verdict() {
        Verdict::Approve => approve(work, session, payment, After::Nothing).await,
        Verdict::Elevated => {
            payment["_card"]["risk_level"] = "elevated".into();
            approve(work, session, payment, After::Nothing).await
        }
        Verdict::Warn => approve(work, session, payment, After::Warning).await,
        Verdict::Dispute => approve(work, session, payment, After::Dispute).await,
        Verdict::Authenticate => challenge(work, &session, payment).await,
        Verdict::AuthenticateIfAsked if is_asked(&payment) => challenge(work, &session, payment).await,
        Verdict::AuthenticateIfAsked => approve(work, session, payment, After::Nothing).await,
        Verdict::Decline(decline) => refuse(work, &session, payment, decline).await,
        Verdict::Recover(_) if has_failed_with(work, &payment).await? => {
            approve(work, session, payment, After::Nothing).await
        }
        Verdict::Recover(decline) => refuse(work, &session, payment, decline).await,
    }
}

/// Whether the shop wants the holder asked.
fn is_asked(payment: &Value) -> bool {
    let request = &payment["payment_method_options"]["card"]["request_three_d_secure"];
    request == "any" || request == "challenge"
}

fn three_d_secure(result: &str, flow: Option<&str>) -> Value {
    json!({
        "authentication_flow": flow,
        "electronic_commerce_indicator": if flow.is_some() { "05" } else { "06" },
        "exemption_indicator": null,
        "result": result,
        "result_reason": null,
        "transaction_id": ids::new(""),
        "version": "2.2.0",
    })
}

/// Whether this payment was tried with the same card before.
async fn has_failed_with(work: &Work<'_>, payment: &Value) -> Result<bool, ApiError> {
    let charges = work.behind("charge", payment["id"].as_str().unwrap_or_default()).await?;
    let card = |charge: &Value| charge["payment_method_details"]["card"]["fingerprint"].clone();
    Ok(charges.iter().any(|charge| card(charge) == payment["_card"]["fingerprint"]))
}

/// What the holder said at the bank's page.
pub(crate) async fn authenticate(work: &Work<'_>, id: &str, is_proven: bool) -> Result<Next, ApiError> {
    let Some(session) = open_session(work, id).await? else { return Ok(Next::Closed) };
    let Some(mut payment) = waiting(work, &session).await? else { return Ok(Next::Form) };
    payment["next_action"] = Value::Null;
    if is_proven {
        payment["_card"]["three_d_secure"] = three_d_secure("authenticated", Some("challenge"));
        return approve(work, session, payment, After::Nothing).await;
    }
    payment["status"] = "requires_payment_method".into();
    payment["last_payment_error"] = intent::payment_error(AUTHENTICATION_FAILED, None);
    work.put(&payment).await?;
    work.emit("payment_intent.payment_failed", &payment).await?;
    Ok(Next::Form)
}

/// The payment of this checkout when it waits for the holder.
pub(crate) async fn waiting(work: &Work<'_>, session: &Value) -> Result<Option<Value>, ApiError> {
    let id = session["payment_intent"].as_str().unwrap_or_default();
    Ok(work.find(id).await?.filter(|payment| payment["status"] == "requires_action"))
}

/// `None` when it is paid or expired.
async fn open_session(work: &Work<'_>, id: &str) -> Result<Option<Value>, ApiError> {
    let session = work.need("checkout.session", id).await?;
    let is_open = session["status"] == "open";
    let is_in_time = session["expires_at"].as_i64().is_some_and(|at| work.unix_now() < at);
    Ok(Some(session).filter(|_| is_open && is_in_time))
}

async fn approve(
    work: &Work<'_>,
    mut session: Value,
    mut payment: Value,
    after: After,
) -> Result<Next, ApiError> {
    let mut charge = charge::new(work, &session, &payment, None);
    payment["status"] = "succeeded".into();
    payment["amount_received"] = payment["amount"].clone();
    payment["latest_charge"] = charge["id"].clone();
    payment["payment_method"] = payment["_card"]["method"].clone();
    payment["last_payment_error"] = Value::Null;
    session["status"] = "complete".into();
    session["payment_status"] = "paid".into();
    session["url"] = Value::Null;
    session["customer_details"] = customer_details(&session, &payment);
    for object in [&charge, &payment, &session] {
        work.put(object).await?;
    }
    work.emit("charge.succeeded", &charge).await?;
    work.emit("payment_intent.succeeded", &payment).await?;
    work.emit("checkout.session.completed", &session).await?;
    match after {
        After::Nothing => {}
        After::Warning => warning::create(work, &charge).await?,
        After::Dispute => {
            dispute::open(work, &mut charge).await?;
        }
    }
    Ok(Next::Success)
}

async fn refuse(
    work: &Work<'_>,
    session: &Value,
    mut payment: Value,
    decline: Decline,
) -> Result<Next, ApiError> {
    payment["_card"]["verdict"] = decline.code.into();
    let charge = charge::new(work, session, &payment, Some(decline));
    payment["status"] = "requires_payment_method".into();
    payment["latest_charge"] = charge["id"].clone();
    payment["last_payment_error"] = intent::payment_error(decline, Some(&charge));
    payment["next_action"] = Value::Null;
    work.put(&charge).await?;
    work.put(&payment).await?;
    work.emit("charge.failed", &charge).await?;
    work.emit("payment_intent.payment_failed", &payment).await?;
    Ok(Next::Form)
}

async fn challenge(work: &Work<'_>, session: &Value, mut payment: Value) -> Result<Next, ApiError> {
    let url = format!("{}/authenticate", session["url"].as_str().unwrap_or_default());
    payment["status"] = "requires_action".into();
    payment["last_payment_error"] = Value::Null;
    payment["next_action"] = json!({
        "type": "redirect_to_url",
        "redirect_to_url": { "return_url": session["url"], "url": url },
    });
    work.put(&payment).await?;
    work.emit("payment_intent.requires_action", &payment).await?;
    Ok(Next::Challenge)
}

fn customer_details(session: &Value, payment: &Value) -> Value {
    let address = json!({
        "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
    });
    json!({
        "address": address,
        "business_name": null,
        "email": session["customer_email"],
        "individual_name": null,
        "name": payment["_card"]["name"],
        "phone": null,
        "tax_exempt": "none",
        "tax_ids": [],
    })
}

/// The same for the same card, without its number.
fn fingerprint(number: &str) -> String {
    ids::hex(&Sha256::digest(number)).chars().take(16).collect()
}
