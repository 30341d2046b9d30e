//! Argon2id on threads that may block, a few at a time: each takes 19 MiB and a core for a moment. Whoever
//! finds too many waiting is told to come back, so that strangers who guess leave room for everything else.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS};
use crate::text::Checks;
use crate::{App, AppError};

/// Hashes computed at one time; the others wait their turn.
const AT_ONCE: usize = 2;
/// Those who wait for it: some seconds of work.
const WAITING_MAX: usize = 64;
const RETRY_AFTER_SECONDS: u32 = 5;

/// Where passwords are hashed.
pub(crate) struct Workplaces {
    at_work: Arc<Semaphore>,
    /// A permit for each who is at work or waits.
    room: Semaphore,
}

/// Somebody who may have passwords hashed, one after the other.
pub(crate) struct Guest<'a> {
    app: &'a App,
    _chair: SemaphorePermit<'a>,
}

impl Default for Workplaces {
    fn default() -> Workplaces {
        Workplaces { at_work: Arc::new(Semaphore::new(AT_ONCE)), room: Semaphore::new(AT_ONCE + WAITING_MAX) }
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

/// Before anything that a password decides is counted or changed.
pub(crate) fn come_in(app: &App) -> Result<Guest<'_>, AppError> {
    let full = |_| AppError::Overloaded { retry_after_seconds: RETRY_AFTER_SECONDS };
    Ok(Guest { app, _chair: app.inner.passwords.room.try_acquire().map_err(full)? })
}

/// The PHC string that is stored.
pub(crate) async fn hash(app: &App, password: &str) -> Result<String, AppError> {
    come_in(app)?.hash(password).await
}

impl Guest<'_> {
    /// The PHC string that is stored.
    pub async fn hash(&self, password: &str) -> Result<String, AppError> {
        let password = password.to_owned();
        let hashed = self
            .work(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()))
            .await?;
        hashed.map_err(|error| broken(&error.to_string()))
    }

    /// Whether the password is the one behind `stored`. `None` (nobody has that name) takes as long.
    pub async fn matches(&self, password: &str, stored: Option<String>) -> Result<bool, AppError> {
        if password.chars().count() > PASSWORD_MAX_CHARS {
            return Ok(false);
        }
        let Some(stored) = stored else {
            self.hash(password).await?;
            return Ok(false);
        };
        let password = password.to_owned();
        self.work(move || {
            PasswordHash::new(&stored)
                .is_ok_and(|stored| Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
        let place = Arc::clone(&self.app.inner.passwords.at_work).acquire_owned().await;
        let place = place.map_err(|error| broken(&error.to_string()))?;
        tokio::task::spawn_blocking(move || {
            // Kept to the end: a caller that goes away does not free a core.
            let _place = place;
            f()
        })
        .await
        .map_err(|error| broken(&error.to_string()))
    }
}

fn broken(what: &str) -> AppError {
    AppError::Unavailable { retry_after_seconds: 1, cause: Some(what.to_owned().into()) }
}
