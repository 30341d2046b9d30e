//! Argon2id on threads that may block, a few at a time: each takes 19 MiB and a core for a moment.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use super::{PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS};
use crate::text::Checks;
use crate::{App, AppError};

/// Hashes computed at one time; the others wait their turn.
const AT_ONCE: usize = 2;

/// Where passwords are hashed.
pub(crate) struct Workplaces(Arc<Semaphore>);

impl Default for Workplaces {
    fn default() -> Workplaces {
        Workplaces(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

pub(crate) fn check(checks: &mut Checks, field: &str, password: &str) {
    let count = password.chars().count();
    if !(PASSWORD_MIN_CHARS..=PASSWORD_MAX_CHARS).contains(&count) {
        let rule = format!("must have {PASSWORD_MIN_CHARS} to {PASSWORD_MAX_CHARS} characters");
        checks.refuse(field, rule);
    }
}

/// A password that nobody has to think of: 80 bits in words of four letters and digits.
pub fn new_password() -> Result<String, AppError> {
    let secret = crate::secret::new_secret("")?;
    let words: Vec<&str> = (0..5).filter_map(|n| secret.get(n * 4..n * 4 + 4)).collect();
    Ok(words.join("-"))
}

/// The PHC string that is stored.
pub(crate) async fn hash(app: &App, password: &str) -> Result<String, AppError> {
    let password = password.to_owned();
    let hashed =
        work(app, move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()))
            .await?;
    hashed.map_err(|error| broken(&error.to_string()))
}

/// Whether the password is the one behind `stored`. `None` (nobody has that name) takes as long.
pub(crate) async fn matches(app: &App, password: &str, stored: Option<String>) -> Result<bool, AppError> {
    if password.chars().count() > PASSWORD_MAX_CHARS {
        return Ok(false);
    }
    let Some(stored) = stored else {
        hash(app, password).await?;
        return Ok(false);
    };
    let password = password.to_owned();
    work(app, move || {
        PasswordHash::new(&stored)
            .is_ok_and(|stored| Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
    })
    .await
}

async fn work<T: Send + 'static>(app: &App, f: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
    let place = Arc::clone(&app.inner.passwords.0).acquire_owned().await;
    let place = place.map_err(|error| broken(&error.to_string()))?;
    tokio::task::spawn_blocking(move || {
        // Kept to the end: a caller that goes away does not free a core.
        let _place = place;
        f()
    })
    .await
    .map_err(|error| broken(&error.to_string()))
}

fn broken(what: &str) -> AppError {
    AppError::Unavailable { retry_after_seconds: 1, cause: Some(what.to_owned().into()) }
}
