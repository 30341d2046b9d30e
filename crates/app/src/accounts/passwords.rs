//! Argon2id on threads that may block, a few at a time: each takes 19 MiB and a core for a moment. Whoever
//! finds too many waiting is told to come back, so that strangers who guess leave room for everything else.
//!
//! A network may have half as many chairs of the waiting room as are free: one that floods gets a third of the
//! room, several share the rest, and somebody from elsewhere needs a single free chair. An account has a few chairs,
//! wherever they come from who try it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::networks::{Counts, Network};
use super::{PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS};
use crate::text::Checks;
use crate::{App, AppError};

/// Hashes computed at one time; the others wait their turn.
const AT_ONCE: usize = 2;
/// Those at work and those who wait for it: some seconds of work.
const CHAIRS: usize = AT_ONCE + 64;
/// Tries at one account that are here at once.
const CHAIRS_PER_ACCOUNT: usize = 8;
const RETRY_AFTER_SECONDS: u32 = 5;

/// Where passwords are hashed.
pub(crate) struct Workplaces {
    at_work: Arc<Semaphore>,
    room: Mutex<Room>,
}

/// Who sits where passwords are hashed, at work or waiting.
#[derive(Default)]
struct Room {
    taken: usize,
    networks: Counts<Network>,
    accounts: Counts<Account>,
}

/// Who knocks.
#[derive(Clone, Debug)]
pub(crate) struct Knock {
    /// `None`: somebody of this machine, such as the demo.
    pub network: Option<Network>,
    /// `None`: a new one.
    pub account: Option<Account>,
}

/// Whose password it is about, as whoever knocks names them; there need be no such account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Account {
    Address(String),
    User(Uuid),
}

/// Somebody who may have passwords hashed, one after the other.
pub(crate) struct Guest<'a> {
    app: &'a App,
    chair: Knock,
}

impl Default for Workplaces {
    fn default() -> Workplaces {
        Workplaces { at_work: Arc::new(Semaphore::new(AT_ONCE)), room: Mutex::default() }
    }
}

impl Workplaces {
    fn room(&self) -> MutexGuard<'_, Room> {
        // Changed in one step: a panic elsewhere leaves it true.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// `false`, and nothing is taken, when there is no chair for this one.
    fn sit(&mut self, knock: &Knock) -> bool {
        let free = CHAIRS - self.taken;
        let has_share = knock.network.is_none_or(|network| self.networks.of(&network) * 2 < free);
        let may_try =
            knock.account.as_ref().is_none_or(|account| self.accounts.of(account) < CHAIRS_PER_ACCOUNT);
        if free == 0 || !has_share || !may_try {
            return false;
        }
        self.taken += 1;
        knock.network.into_iter().for_each(|network| self.networks.add(network));
        knock.account.iter().cloned().for_each(|account| self.accounts.add(account));
        true
    }

    fn leave(&mut self, knock: &Knock) {
        self.taken -= 1;
        knock.network.iter().for_each(|network| self.networks.take(network));
        knock.account.iter().for_each(|account| self.accounts.take(account));
    }
}

impl Knock {
    pub const SYSTEM: Knock = Knock { network: None, account: None };

    /// Whoever has proven to be this user, by a session or a link.
    pub fn of_user(user: Uuid) -> Knock {
        Knock { network: None, account: Some(Account::User(user)) }
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
pub(crate) fn come_in(app: &App, knock: Knock) -> Result<Guest<'_>, AppError> {
    if app.inner.passwords.room().sit(&knock) {
        return Ok(Guest { app, chair: knock });
    }
    metrics::counter!("scrip_passwords_refused_busy_total").increment(1);
    Err(AppError::Overloaded { retry_after_seconds: RETRY_AFTER_SECONDS })
}

/// The PHC string that is stored.
pub(crate) async fn hash(app: &App, knock: Knock, password: &str) -> Result<String, AppError> {
    come_in(app, knock)?.hash(password).await
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.app.inner.passwords.room().leave(&self.chair);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever gets a chair, of so many knocks from the network of this number.
    fn flood(room: &mut Room, network: u8, knocks: usize) -> Vec<Knock> {
        let from = Network::of(std::net::IpAddr::from([10, 0, network, 1]));
        let account = |n: usize| Account::Address(format!("{network}-{n}@example.com"));
        let knocks = (0..knocks).map(|n| Knock { network: Some(from), account: Some(account(n)) });
        knocks.filter(|knock| room.sit(knock)).collect()
    }

    #[test]
    fn one_network_gets_a_third_of_the_room_and_all_of_it_again_when_they_have_left() {
        let mut room = Room::default();
        let sitting = flood(&mut room, 1, 1_000);
        assert_eq!(sitting.len(), CHAIRS / 3);
        let other = flood(&mut room, 2, 1);
        assert_eq!(other.len(), 1);
        sitting.iter().chain(&other).for_each(|knock| room.leave(knock));
        assert!(room.taken == 0 && room.networks.is_empty() && room.accounts.is_empty());
    }

    /// Each that leaves is followed by whoever of the flood comes first.
    #[test]
    fn however_many_networks_flood_a_chair_that_becomes_free_is_for_somebody_from_elsewhere() {
        for networks in 1..=40 {
            let mut room = Room::default();
            let mut sitting = std::collections::VecDeque::new();
            (0..networks).for_each(|network| sitting.extend(flood(&mut room, network, 1_000)));
            for turn in 0..1_000 {
                let Some(done) = sitting.pop_front() else { break };
                room.leave(&done);
                let comer = flood(&mut room, 255, 1);
                assert_eq!(comer.len(), 1, "{networks} networks, turn {turn}");
                comer.iter().for_each(|knock| room.leave(knock));
                (0..networks).for_each(|network| sitting.extend(flood(&mut room, network, 10)));
            }
        }
    }

    #[test]
    fn one_account_has_a_few_chairs_wherever_they_come_from() {
        let mut room = Room::default();
        let knock = |network: u8, email: &str| Knock {
            network: Some(Network::of(std::net::IpAddr::from([10, 0, network, 1]))),
            account: Some(Account::Address(email.to_owned())),
        };
        let sitting = (0..100).filter(|n| room.sit(&knock(*n, "ada@example.com"))).count();
        assert_eq!(sitting, CHAIRS_PER_ACCOUNT);
        assert!(room.sit(&knock(0, "bea@example.com")));
    }

    #[test]
    fn without_networks_the_room_is_full_when_every_chair_is_taken() {
        let mut room = Room::default();
        assert_eq!((0..1_000).filter(|_| room.sit(&Knock::SYSTEM)).count(), CHAIRS);
    }
}
