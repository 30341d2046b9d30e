//! `Stripe-Signature: t=…,v1=…` (<https://docs.stripe.com/webhooks/signature>): HMAC-SHA256 over
//! `{t}.{payload}`. `v0` and unknown schemes are ignored; any `v1` under any secret will do.

use hmac::{Hmac, KeyInit, Mac};
use kernel::Timestamp;
use sha2::Sha256;

use crate::{EventError, Secret};

/// How far the signing time may lie from now, in either direction.
pub const TOLERANCE_SECONDS: i64 = 300;
/// More signatures than any rotation makes.
const SIGNATURES_MAX: usize = 16;

/// First the signature, then its age: an unsigned time says nothing.
pub(super) fn verify(
    payload: &[u8],
    header: &str,
    secrets: &[Secret],
    now: Timestamp,
) -> Result<(), EventError> {
    let (time, signatures) = parse(header).ok_or(EventError::BadHeader)?;
    let is_ours = secrets
        .iter()
        .any(|secret| signatures.iter().any(|signature| matches(payload, secret, time, signature)));
    if !is_ours {
        return Err(EventError::WrongSignature);
    }
    let signed_at: i64 = time.parse().map_err(|_| EventError::BadHeader)?;
    let age_seconds = now.unix_seconds().saturating_sub(signed_at);
    if age_seconds.saturating_abs() > TOLERANCE_SECONDS {
        return Err(EventError::TooOld { age_seconds, tolerance_seconds: TOLERANCE_SECONDS });
    }
    Ok(())
}

/// The time as it was written, and every `v1` that is hexadecimal.
fn parse(header: &str) -> Option<(&str, Vec<Vec<u8>>)> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => time = Some(value),
            Some(("v1", value)) if signatures.len() < SIGNATURES_MAX => signatures.extend(unhex(value)),
            _ => {}
        }
    }
    let is_number = time.is_some_and(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()));
    if is_number && !signatures.is_empty() { Some((time?, signatures)) } else { None }
}

/// Compares in constant time.
fn matches(payload: &[u8], secret: &Secret, time: &str, signature: &[u8]) -> bool {
    mac(payload, secret, time).is_some_and(|mac| mac.verify_slice(signature).is_ok())
}

/// `None` for an empty secret, which would let everybody sign.
fn mac(payload: &[u8], secret: &Secret, time: &str) -> Option<Hmac<Sha256>> {
    let key = Some(secret.expose().as_bytes()).filter(|key| !key.is_empty())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(payload);
    Some(mac)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}
