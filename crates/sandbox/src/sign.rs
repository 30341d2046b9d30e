use hmac::{Hmac, KeyInit, Mac};
use kernel::Timestamp;
use sha2::Sha256;

use crate::ids::hex;

/// The `Stripe-Signature` of `payload` sent at `at` (<https://docs.stripe.com/webhooks/signature>).
pub fn sign(payload: &[u8], secret: &str, at: Timestamp) -> String {
    let seconds = at.unix_seconds();
    let tag = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map(|mut mac| {
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(payload);
        hex(&mac.finalize().into_bytes())
    });
    format!("t={seconds},v1={}", tag.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_what_openssl_computes() {
        // printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
        let header = sign(br#"{"id":"evt_1"}"#, "whsec_test", Timestamp::EPOCH.plus_seconds(1_700_000_000));
        assert_eq!(
            header,
            "t=1700000000,v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925"
        );
    }
}
