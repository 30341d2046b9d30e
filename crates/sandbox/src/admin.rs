//! The sandbox's own routes: knobs, the clock, and what banks do by themselves. They take the same key as the API.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use kernel::Clock;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::authenticate;
use crate::error::ApiError;
use crate::objects::dispute;
use crate::work::{Work, public};
use crate::{Knobs, Sandbox};

/// A century: more than any test needs, less than what leaves the range of instants.
const ADVANCE_MAX_SECONDS: i64 = 100 * 366 * 24 * 3_600;

pub(crate) async fn knobs(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
) -> Result<Json<Knobs>, ApiError> {
    authenticate(&sandbox, &headers)?;
    Ok(Json(sandbox.knobs()))
}

/// Replaces all knobs; what is not named is off.
pub(crate) async fn set_knobs(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Knobs>, ApiError> {
    authenticate(&sandbox, &headers)?;
    let knobs: Knobs = serde_json::from_slice(&body).map_err(|e| ApiError::invalid(e.to_string()))?;
    if knobs.duplicate > Knobs::DUPLICATE_MAX {
        return Err(ApiError::bad_param("duplicate", "at most 20"));
    }
    sandbox.set_knobs(knobs.clone());
    Ok(Json(knobs))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

pub(crate) async fn advance(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    authenticate(&sandbox, &headers)?;
    let advance: Advance = serde_json::from_slice(&body).map_err(|e| ApiError::invalid(e.to_string()))?;
    if !(0..=ADVANCE_MAX_SECONDS).contains(&advance.advance_seconds) {
        return Err(ApiError::bad_param("advance_seconds", "must be 0 to a century"));
    }
    if matches!(sandbox.0.clock, Clock::System) {
        return Err(ApiError::invalid("This installation runs on the machine's clock, which nobody moves."));
    }
    sandbox.0.clock.advance_seconds(advance.advance_seconds);
    sandbox.0.bell.notify_one();
    Ok(Json(json!({ "now": sandbox.0.clock.now() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disputed {
    payment_intent: String,
}

/// The holder of the card goes to the bank about a payment, long after it.
pub(crate) async fn open_dispute(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    authenticate(&sandbox, &headers)?;
    let disputed: Disputed = serde_json::from_slice(&body).map_err(|e| ApiError::invalid(e.to_string()))?;
    let work = Work::write(&sandbox).await?;
    let intent = work.need("payment_intent", &disputed.payment_intent).await?;
    let mut charge = work.need("charge", intent["latest_charge"].as_str().unwrap_or_default()).await?;
    if charge["paid"] != true || charge["refunded"] == true || charge["disputed"] == true {
        return Err(ApiError::invalid(
            "Only a paid charge that is neither refunded nor disputed is disputed.",
        ));
    }
    let dispute = dispute::open(&work, &mut charge).await?;
    work.commit().await?;
    Ok(Json(public(&dispute)))
}
