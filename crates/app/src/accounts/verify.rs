use mail::Welcome;
use store::cold::{users, verifications};
use store::{DatabaseTransaction, StoreError};

use super::{Session, User, user};
use crate::mails::{NewMail, enqueue};
use crate::{App, AppError, risk, secret};

/// How long a link works.
const LINK_SECONDS: i64 = 7 * 86_400;
/// One more link in this time at most, so that nobody's mailbox is filled through us.
pub(crate) const RESEND_SECONDS: i64 = 600;
/// The page that the link opens.
const PATH: &str = "verify?token=";
const TOKEN_MAX_BYTES: usize = 128;

/// Sends another link to the user's address; earlier ones end. Nothing happens when one was sent just now.
pub async fn send_verification(app: &App, by: &Session) -> Result<(), AppError> {
    if by.user.verified_at.is_some() {
        return Ok(());
    }
    let turn = app.now().unix_seconds() / RESEND_SECONDS;
    let txn = app.store().write().await?;
    if send_link(app, &txn, &by.user, format!("verify:{}:{turn}", by.user.id)).await?.is_some() {
        txn.commit().await.map_err(StoreError::from)?;
    }
    Ok(())
}

/// Sends a link whose following lifts a hold, to an address that may have been proven before.
pub(crate) async fn send_step_up(app: &App, by: &Session) -> Result<(), AppError> {
    let turn = app.now().unix_seconds() / RESEND_SECONDS;
    let txn = app.store().write().await?;
    if send_link(app, &txn, &by.user, format!("verify:hold:{}:{turn}", by.user.id)).await?.is_some() {
        txn.commit().await.map_err(StoreError::from)?;
        app.bells().mails.notify_one();
    }
    Ok(())
}

/// Proves the address that the link was sent to. A link may be followed twice.
pub async fn verify(app: &App, token: &str) -> Result<(), AppError> {
    if token.len() > TOKEN_MAX_BYTES {
        return Err(AppError::not_found("verification link"));
    }
    let now = app.now().micros();
    let txn = app.store().write().await?;
    let link = verifications::valid(&txn, &secret::hash(token), now).await?;
    let link = link.ok_or(AppError::not_found("verification link"))?;
    users::verify(&txn, link.user_id, &link.email, now).await?;
    let verified = users::by_id(&txn, link.user_id).await?;
    txn.commit().await.map_err(StoreError::from)?;
    match verified.filter(|row| row.email == link.email) {
        Some(row) => risk::on_hold::mail_confirmed(app, &user(row)?).await,
        None => Ok(()),
    }
}

/// The mail with the link, once per key; answers the link, `None` when there was a mail.
pub(crate) async fn send_link(
    app: &App,
    txn: &DatabaseTransaction,
    user: &User,
    key: String,
) -> Result<Option<String>, AppError> {
    let token = secret::new_secret("")?;
    let (now, expires_at) = (app.now(), app.now().plus_seconds(LINK_SECONDS));
    let row = verifications::Model {
        token_hash: secret::hash(&token).to_vec(),
        user_id: user.id,
        email: user.email.clone(),
        expires_at: expires_at.micros(),
    };
    verifications::replace(txn, row).await?;
    let message = Welcome {
        sender: app.config().mail_from.name().to_owned(),
        name: user.name.clone(),
        verify_url: app.config().portal_page(&format!("{PATH}{token}")),
        link_expires_at: expires_at,
    };
    let letter = message.letter().map_err(|error| StoreError::Corrupt(format!("welcome mail: {error}")))?;
    let is_new = enqueue(txn, NewMail { key, recipient: user.email.clone(), letter }, now).await?;
    Ok(is_new.then_some(message.verify_url))
}
