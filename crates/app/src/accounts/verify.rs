//! The proof of an address: once to open an account, and again to lift a hold that waits for it.

use kernel::Timestamp;
use mail::{HoldLink, Welcome};
use store::cold::users;
use store::{DatabaseTransaction, StoreError};

use super::links::{self, Followed, Mailed, NewLink, Purpose};
use super::{Session, User, user};
use crate::mails::{NewMail, enqueue};
use crate::{App, AppError, risk};

/// One more link in this time at most, so that nobody's mailbox is filled through us.
pub(crate) const RESEND_SECONDS: i64 = 600;
/// The page that the links open.
const PATH: &str = "verify?token=";

/// What following a link did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proven {
    /// Its user may sign in.
    Account,
    /// No hold waits for the proof any more.
    HoldLifted,
}

/// Follows the link of a mail. It may be followed twice.
///
/// Errors: not found for a link that is unknown, over or for something else.
pub async fn verify(app: &App, token: &str) -> Result<Proven, AppError> {
    if let Some(proven) = open_account(app, token).await? {
        return Ok(proven);
    }
    let link = links::followed(app, app.store().reader(), Purpose::LiftHold, token).await?;
    let link = link.ok_or(AppError::not_found("verification link"))?;
    let Followed { to, mailed_at } = link;
    lift_hold(app, to, Some(mailed_at)).await?;
    Ok(Proven::HoldLifted)
}

/// `None` when the link is not one of these. The first proof of the address also lifts a hold that waits for
/// one; what lies in a mailbox since then lifts no later hold.
async fn open_account(app: &App, token: &str) -> Result<Option<Proven>, AppError> {
    let link = links::followed(app, app.store().reader(), Purpose::OpenAccount, token).await?;
    let Some(Followed { to, .. }) = link else { return Ok(None) };
    let txn = app.store().write().await?;
    let is_first = users::verify(&txn, to.user_id, &to.email, app.now().micros()).await?;
    txn.commit().await.map_err(StoreError::from)?;
    if is_first {
        lift_hold(app, to, None).await?;
    }
    Ok(Some(Proven::Account))
}

async fn lift_hold(app: &App, to: Mailed, mailed_at: Option<Timestamp>) -> Result<(), AppError> {
    let row = users::by_id(app.store().reader(), to.user_id).await?;
    match row.filter(|row| row.email == to.email) {
        Some(row) => risk::on_hold::mail_confirmed(app, &user(row)?, mailed_at).await,
        None => Ok(()),
    }
}

/// The mail that opens an account, once per key; answers its link, `None` when there was a mail.
pub(super) async fn send_welcome(
    app: &App,
    txn: &DatabaseTransaction,
    user: &User,
    key: String,
) -> Result<Option<String>, AppError> {
    let link = NewLink::of(app, Purpose::OpenAccount, mailed_to(user))?;
    let message = Welcome {
        sender: app.config().mail_from.name().to_owned(),
        name: user.name.clone(),
        verify_url: app.config().portal_page(&format!("{PATH}{}", link.token)),
        link_expires_at: link.expires_at,
    };
    let letter = message.letter().map_err(|error| StoreError::Corrupt(format!("welcome mail: {error}")))?;
    link.put(txn).await?;
    let is_new = enqueue(txn, NewMail { key, recipient: user.email.clone(), letter }, app.now()).await?;
    Ok(is_new.then_some(message.verify_url))
}

/// Sends a link whose following lifts a hold, to an address that may have been proven before. Nothing happens
/// when one was sent just now.
pub(crate) async fn send_step_up(app: &App, by: &Session) -> Result<(), AppError> {
    let link = NewLink::of(app, Purpose::LiftHold, mailed_to(&by.user))?;
    let message = HoldLink {
        sender: app.config().mail_from.name().to_owned(),
        name: by.user.name.clone(),
        confirm_url: app.config().portal_page(&format!("{PATH}{}", link.token)),
        link_expires_at: link.expires_at,
        settings_url: app.config().portal_page("settings"),
    };
    let letter = message.letter().map_err(|error| StoreError::Corrupt(format!("hold link mail: {error}")))?;
    let turn = app.now().unix_seconds() / RESEND_SECONDS;
    let key = format!("verify:hold:{}:{turn}", by.user.id);
    let txn = app.store().write().await?;
    if enqueue(&txn, NewMail { key, recipient: by.user.email.clone(), letter }, app.now()).await? {
        link.put(&txn).await?;
        txn.commit().await.map_err(StoreError::from)?;
        app.bells().mails.notify_one();
    }
    Ok(())
}

fn mailed_to(user: &User) -> Mailed {
    Mailed { user_id: user.id, email: user.email.clone() }
}
