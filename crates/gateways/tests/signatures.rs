//! Signatures computed with openssl: printf '1700000000.PAYLOAD' | openssl dgst -sha256 -hmac SECRET
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests, which clippy does not see as tests")]

use gateways::stripe::{Stripe, StripeSettings};
use gateways::{EventError, Gateway, GatewayEvent, Secret};
use kernel::Timestamp;

const PAYLOAD: &[u8] = br#"{"id":"evt_1","type":"x"}"#;
const NEW: &str = "8a53b84673cafdaa3a6e7bc247d422c3bb721ed426a4565f6ba697636ab227ef";
const OLD: &str = "fdeab3c1aab01f3aaa564c20bba563cbaf85864588222688c5dcfafbc7962018";
const AT: i64 = 1_700_000_000;

fn stripe(secrets: &[&str]) -> Stripe {
    let secrets = secrets.iter().map(|text| Secret::new(*text)).collect();
    Stripe::new(StripeSettings::new(Secret::new("sk_test_1"), secrets)).expect("settings")
}

fn verify(secrets: &[&str], payload: &[u8], header: &str, now: i64) -> Result<GatewayEvent, EventError> {
    stripe(secrets).verify_event(payload, header, Timestamp::EPOCH.plus_seconds(now))
}

#[test]
fn what_openssl_signed_is_authentic() {
    let event = verify(&["whsec_new"], PAYLOAD, &format!("t={AT},v1={NEW}"), AT).expect("authentic");
    assert_eq!((event.id.as_str(), event.kind.as_str()), ("evt_1", "x"));
}

#[test]
fn while_a_secret_is_rotated_either_one_counts() {
    for (secrets, v1) in [(["whsec_new", "whsec_old"], NEW), (["whsec_new", "whsec_old"], OLD)] {
        assert!(verify(&secrets, PAYLOAD, &format!("t={AT},v1={v1}"), AT).is_ok());
    }
    let both = format!("t={AT},v1={OLD},v1={NEW},v0=00");
    assert!(verify(&["whsec_new"], PAYLOAD, &both, AT).is_ok());
    assert!(verify(&["whsec_old"], PAYLOAD, &format!("v1={OLD}, t={AT}"), AT).is_ok());
}

#[test]
fn forged_altered_and_foreign_events_are_refused() {
    let header = format!("t={AT},v1={NEW}");
    let wrong = Err(EventError::WrongSignature);
    assert_eq!(verify(&["whsec_old"], PAYLOAD, &header, AT), wrong, "another secret");
    assert_eq!(verify(&["whsec_new"], b"{}", &header, AT), wrong, "another payload");
    assert_eq!(verify(&["whsec_new"], PAYLOAD, &format!("t={},v1={NEW}", AT + 1), AT), wrong, "another time");
    assert_eq!(verify(&[], PAYLOAD, &header, AT), wrong, "no secret is configured");
    assert_eq!(verify(&[""], PAYLOAD, &header, AT), wrong, "an empty secret is none");
    let truncated = format!("t={AT},v1={}", &NEW[..32]);
    assert_eq!(verify(&["whsec_new"], PAYLOAD, &truncated, AT), wrong);
    let v0 = format!("t={AT},v0={NEW}");
    for header in ["", "t=1", "v1=00", &v0, "t=,v1=00", "t=-1,v1=00", "t=1,v1=zz", "t=1,v1=é"] {
        assert_eq!(verify(&["whsec_new"], PAYLOAD, header, AT), Err(EventError::BadHeader), "{header}");
    }
}

#[test]
fn an_old_or_future_signature_is_refused() {
    let header = format!("t={AT},v1={NEW}");
    for (now, is_good) in
        [(AT + 300, true), (AT - 300, true), (AT + 301, false), (AT - 301, false), (AT + 86_400, false)]
    {
        let outcome = verify(&["whsec_new"], PAYLOAD, &header, now);
        assert_eq!(outcome.is_ok(), is_good, "{now}");
        if !is_good {
            assert!(matches!(outcome, Err(EventError::TooOld { .. })));
        }
    }
}

#[test]
fn the_time_of_a_forged_signature_is_not_looked_at() {
    let forged = format!("t=1,v1={OLD}");
    assert_eq!(verify(&["whsec_new"], PAYLOAD, &forged, AT), Err(EventError::WrongSignature));
}
