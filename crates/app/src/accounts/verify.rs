//! The proof of an address: once to open an account, and again to lift a hold that waits for it.

use std::net::IpAddr;

use kernel::Timestamp;
use mail::{HoldLink, Welcome};
use store::cold::{sessions as session_rows, users};
use store::{DatabaseTransaction, StoreError};

use super::links::{self, Followed, Mailed, NewLink, Purpose};
use super::passwords::Knock;
use super::profile::set_name;
use super::sessions::{NewSession, begin};
use super::{Session, SignedIn, User, passwords, user};
use crate::mails::{NewMail, enqueue};
use crate::text::{Checks, NAME_MAX_CHARS};
use crate::{App, AppError, prints, risk, secret};

/// One more link in this time at most, so that nobody's mailbox is filled through us.
pub(crate) const RESEND_SECONDS: i64 = 600;
/// The page that the links open.
const PATH: &str = "verify?token=";

/// What a link of a mail is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Its reader chooses name and password, see [`open_account`].
    OpensAccount { email: String },
    /// Somebody has, with this link or another.
    AccountIsOpen,
    /// A hold that waits for the proof ends with [`confirm_address`].
    ConfirmsAddress { email: String },
}

/// What whoever follows the link of a sign-up chooses.
#[derive(Clone, Debug)]
pub struct Opening {
    pub token: String,
    pub name: String,
    pub password: String,
    pub user_agent: String,
    /// Taken for where they signed up from when that is not known.
    pub from: Option<IpAddr>,
    /// The token of the session that this browser had; it ends.
    pub earlier: Option<String>,
}

/// What the link of a mail leads to. Following changes nothing: programs that look through mails follow links,
/// too, and what a link stands for is done by a form behind it.
///
/// Errors: not found for a link that is unknown, over or for something else.
pub async fn follow(app: &App, token: &str) -> Result<Link, AppError> {
    let db = app.store().reader();
    if let Some(Followed { to, .. }) = links::followed(app, db, Purpose::OpenAccount, token).await? {
        let row = users::by_id(db, to.user_id).await?.ok_or_else(unknown)?;
        let is_open = row.verified_at.is_some();
        return Ok(if is_open { Link::AccountIsOpen } else { Link::OpensAccount { email: to.email } });
    }
    let link = links::followed(app, db, Purpose::LiftHold, token).await?.ok_or_else(unknown)?;
    Ok(Link::ConfirmsAddress { email: link.to.email })
}

/// Proves an address once more, and lifts the hold that waits for that, if there is one. It may be done twice.
///
/// Errors: not found for a link that is unknown, over or for something else.
pub async fn confirm_address(app: &App, token: &str) -> Result<(), AppError> {
    let link = links::followed(app, app.store().reader(), Purpose::LiftHold, token).await?;
    let Followed { to, mailed_at } = link.ok_or_else(unknown)?;
    lift_hold(app, to, Some(mailed_at)).await
}

/// Proves the address of a sign-up, sets the name and password that its reader chose, and signs them in. It
/// also lifts a hold that waits for a first proof; what lies in a mailbox since then lifts no later hold.
///
/// Errors: not found for a link that is unknown, over or for something else; `account_open` when the account
/// was opened before, whose password stays.
pub async fn open_account(app: &App, with: Opening) -> Result<SignedIn, AppError> {
    let mut checks = Checks::default();
    checks.text("name", &with.name, NAME_MAX_CHARS);
    passwords::check(&mut checks, "password", &with.password);
    // Hashing takes a core for a moment; nobody without a link gets it.
    let link = links::followed(app, app.store().reader(), Purpose::OpenAccount, &with.token).await?;
    let knock = Knock::of_user(link.ok_or_else(unknown)?.to.user_id);
    checks.done()?;
    let password_hash = passwords::hash(app, knock, &with.password).await?;
    let network = prints::network_of(app, with.from).await?;
    let txn = app.store().write().await?;
    let link = links::followed(app, &txn, Purpose::OpenAccount, &with.token).await?;
    let Followed { to, .. } = link.ok_or_else(unknown)?;
    if !users::verify(&txn, to.user_id, &to.email, app.now().micros()).await? {
        let detail = "this account is open already; sign in with its password".to_owned();
        return Err(AppError::Conflict { code: "account_open", detail });
    }
    let opened = user(users::by_id(&txn, to.user_id).await?.ok_or_else(unknown)?)?;
    users::set_password(&txn, opened.id, &password_hash).await?;
    set_name(&txn, &opened, &with.name).await?;
    if let Some(earlier) = &with.earlier {
        session_rows::end(&txn, &secret::hash(earlier)).await?;
    }
    let origin = risk::came(app, &txn, opened.customer, network).await?;
    let new = NewSession { user: User { name: with.name, ..opened }, user_agent: with.user_agent };
    let signed_in = begin(app, &txn, new).await?;
    txn.commit().await.map_err(StoreError::from)?;
    if let Some(origin) = origin {
        risk::came_from(app, &origin);
    }
    lift_hold(app, to, None).await?;
    Ok(signed_in)
}

fn unknown() -> AppError {
    AppError::not_found("verification link")
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
        verify_url: app.config().portal_page(&format!("{PATH}{}", link.token)),
        link_expires_at: link.expires_at,
    };
    let letter = message.letter().map_err(|error| StoreError::Corrupt(format!("welcome mail: {error}")))?;
    link.put(txn).await?;
    let is_new = enqueue(txn, NewMail { key, recipient: user.email.clone(), letter }, app.now()).await?;
    Ok(is_new.then_some(message.verify_url))
}

/// Sends a link behind which a hold is lifted, to an address that may have been proven before. Nothing happens
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
