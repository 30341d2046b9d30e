//! A forgotten password: a link to the address, then a new password.
//!
//! Asking does the same for every address, so that nobody learns which ones are customers: it leaves work
//! in the outbox, and the worker finds out whether there is anybody to write to.

use std::sync::{Mutex, PoisonError};

use jobs::Outcome;
use kernel::{Timestamp, new_uuid};
use mail::PasswordReset;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::cold::outbox;
use store::cold::{sessions, users};
use store::{ConnectionTrait, StoreError};

use super::links::{self, Mailed, NewLink, Purpose};
use super::networks::{Counts, Network};
use super::passwords::Knock;
use super::verify::send_welcome;
use super::{Role, normal_email, passwords, user};
use crate::about::{from_json, to_json};
use crate::mails::{NewMail, enqueue};
use crate::text::Checks;
use crate::{App, AppError};

pub(crate) const PASSWORD_RESET: &str = "password_reset";

/// One more link in this time at most, so that nobody's mailbox is filled through us.
const RESEND_SECONDS: i64 = 600;
/// Resets that this process takes in a minute, whoever asks; a quarter of them from one network. More are answered
/// alike and dropped, so that strangers fill neither the outbox nor mailboxes.
pub const RESETS_PER_MINUTE: u32 = 60;
const MINUTE_SECONDS: i64 = 60;
/// One network gets one part of so many.
const NETWORKS_SHARE: u32 = 4;
const EMAIL_MAX_CHARS: usize = 320;

/// How often strangers asked in the last minute that had any.
#[derive(Default)]
pub(crate) struct Asked(Mutex<Minute>);

#[derive(Default)]
struct Minute {
    number: i64,
    asked: u32,
    of_networks: Counts<Network>,
}

impl Asked {
    /// Counts one more; false when the minute of `now` has had its `most`, or a quarter of it from this network.
    pub(super) fn count(&self, now: Timestamp, network: Option<Network>, most: u32) -> bool {
        // Changed in one step: a panic elsewhere leaves it true.
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now.unix_seconds().div_euclid(MINUTE_SECONDS);
        if minute.number != number {
            *minute = Minute { number, ..Minute::default() };
        }
        let share = usize::try_from(most / NETWORKS_SHARE).unwrap_or(usize::MAX);
        let has_share = network.is_none_or(|network| minute.of_networks.of(&network) < share);
        let is_taken = minute.asked < most && has_share;
        if is_taken {
            minute.asked += 1;
            network.into_iter().for_each(|network| minute.of_networks.add(network));
        }
        is_taken
    }
}

#[derive(Serialize, Deserialize)]
struct Wish {
    email: String,
    role: Role,
}

/// Whether or not there is an account with this address.
pub async fn forgot_password(
    app: &App,
    role: Role,
    email: &str,
    network: Option<Network>,
) -> Result<(), AppError> {
    let email = normal_email(email);
    if email.chars().count() > EMAIL_MAX_CHARS || email.chars().any(char::is_control) {
        return Ok(());
    }
    if !app.inner.asked_resets.count(app.now(), network, RESETS_PER_MINUTE) {
        tracing::warn!(
            "more password resets in a minute than {RESETS_PER_MINUTE}, or than one network's part of them; dropped one"
        );
        return Ok(());
    }
    let turn = app.now().unix_seconds() / RESEND_SECONDS;
    let name = Sha256::digest(format!("{} {email}", role.as_str()).as_bytes());
    let name: String = name.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let payload = to_json(&Wish { email, role })?;
    let key = format!("{PASSWORD_RESET}/{name}/{turn}");
    let work = outbox::Model::new(new_uuid(), key, PASSWORD_RESET, payload, app.now().micros());
    let txn = app.store().write().await?;
    outbox::insert(&txn, work).await?;
    txn.commit().await.map_err(StoreError::from)?;
    app.bells().outbox.notify_one();
    Ok(())
}

/// Mails the link, if there is an account.
pub(crate) async fn send_reset(app: &App, work: &outbox::Model) -> Result<Outcome, AppError> {
    let asked: Wish = from_json(&work.payload)?;
    let row = users::by_email(app.store().reader(), &asked.email).await?;
    let Some(row) = row.filter(|row| row.role == asked.role.as_str()) else { return Ok(Outcome::Ignored) };
    if row.verified_at.is_none() {
        return open_first(app, work, row).await;
    }
    let to = Mailed { user_id: row.id, email: row.email.clone() };
    let link = NewLink::of(app, Purpose::ChoosePassword, to)?;
    let path = format!("reset?token={}", link.token);
    let message = PasswordReset {
        sender: app.config().mail_from.name().to_owned(),
        name: row.name.clone(),
        reset_url: match asked.role {
            Role::Customer => app.config().portal_page(&path),
            Role::Operator => app.config().console_page(&path),
        },
        link_expires_at: link.expires_at,
    };
    let letter = message.letter().map_err(|e| StoreError::Corrupt(format!("reset mail: {e}")))?;
    let txn = app.store().write().await?;
    if enqueue(&txn, NewMail { key: work.key.clone(), recipient: row.email, letter }, app.now()).await? {
        link.put(&txn).await?;
        txn.commit().await.map_err(StoreError::from)?;
        app.bells().mails.notify_one();
    }
    Ok(Outcome::Done)
}

/// An account without a password has none to forget: it gets its first.
async fn open_first(app: &App, work: &outbox::Model, row: users::Model) -> Result<Outcome, AppError> {
    let txn = app.store().write().await?;
    if send_welcome(app, &txn, &user(row)?, work.key.clone()).await?.is_some() {
        txn.commit().await.map_err(StoreError::from)?;
        app.bells().mails.notify_one();
    }
    Ok(Outcome::Done)
}

/// Whether a link's time is not over and nobody has used it, so that its form is worth filling in.
pub async fn may_reset_password(app: &App, role: Role, token: &str) -> Result<bool, AppError> {
    Ok(owner_of(app, app.store().reader(), role, token).await?.is_some())
}

/// Sets the password of whoever the link was mailed to and ends all their sessions. A link works once.
pub async fn reset_password(app: &App, role: Role, token: &str, password: &str) -> Result<(), AppError> {
    let unknown = || AppError::not_found("reset link");
    let mut checks = Checks::default();
    passwords::check(&mut checks, "password", password);
    checks.done()?;
    // Hashing takes a core for a moment; nobody without a link gets it.
    let known = owner_of(app, app.store().reader(), role, token).await?.ok_or_else(unknown)?;
    let knock = Knock::of_user(known.id);
    let password_hash = passwords::hash(app, knock, password).await?;
    let txn = app.store().write().await?;
    let owner = owner_of(app, &txn, role, token).await?.ok_or_else(unknown)?;
    users::set_password(&txn, owner.id, &password_hash).await?;
    users::forget_tries(&txn, owner.id).await?;
    sessions::end_all(&txn, owner.id, None).await?;
    links::end(&txn, owner.id, Purpose::ChoosePassword).await?;
    Ok(txn.commit().await.map_err(StoreError::from)?)
}

/// Who the link was mailed to; `None` also on the other site.
async fn owner_of(
    app: &App,
    db: &impl ConnectionTrait,
    role: Role,
    token: &str,
) -> Result<Option<users::Model>, AppError> {
    let Some(link) = links::followed(app, db, Purpose::ChoosePassword, token).await? else { return Ok(None) };
    Ok(users::by_id(db, link.to.user_id).await?.filter(|row| row.role == role.as_str()))
}
