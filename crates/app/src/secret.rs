//! Randomness and hashes of secrets.

use sha2::{Digest, Sha256};

use crate::AppError;

/// Bytes of randomness in a key: 256 bits.
const SECRET_BYTES: usize = 32;
/// More than any prefix and the digits of a secret.
const TOKEN_MAX_BYTES: usize = 128;

pub(crate) fn new_secret(prefix: &str) -> Result<String, AppError> {
    let hex: String = random::<SECRET_BYTES>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{prefix}{hex}"))
}

pub(crate) fn random_i64() -> Result<i64, AppError> {
    Ok(i64::from_be_bytes(random()?))
}

pub(crate) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Of a token that somebody brings along; `None` when it is too long to be one of ours.
pub(crate) fn hash_brought(token: &str) -> Option<[u8; 32]> {
    (token.len() <= TOKEN_MAX_BYTES).then(|| hash(token))
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], AppError> {
    let mut bytes = [0; N];
    let failed = |e: getrandom::Error| AppError::Unavailable {
        retry_after_seconds: 1,
        cause: Some(e.to_string().into()),
    };
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
