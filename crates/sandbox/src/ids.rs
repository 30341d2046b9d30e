//! Ids with Stripe's prefixes, in the order in which they were made.

use sha2::{Digest, Sha256};

/// `prefix` and 32 hexadecimal digits.
pub(crate) fn new(prefix: &str) -> String {
    format!("{prefix}{}", kernel::new_uuid().simple())
}

/// A secret for signing events; 128 bits of it are unknown to others.
pub(crate) fn new_secret() -> String {
    let (one, two) = (kernel::new_uuid(), kernel::new_uuid());
    format!("whsec_{}", hex(&Sha256::digest([*one.as_bytes(), *two.as_bytes()].concat())))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
