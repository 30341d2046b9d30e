use std::net::IpAddr;

use kernel::{CustomerId, Timestamp, new_uuid};
use mail::KnownAddress;
use store::cold::{mails, users};
use store::{DatabaseTransaction, StoreError};

use super::networks::Network;
use super::passwords::Knock;
use super::verify::{RESEND_SECONDS, send_welcome};
use super::{NO_PASSWORD, Role, User, normal_email, passwords, user};
use crate::customers::{self, CustomerKind, NewCustomer, is_email};
use crate::mails::{NewMail, enqueue};
use crate::text::{Checks, NAME_MAX_CHARS};
use crate::{App, AppError, prints, risk, secret};

/// Begins the external ids of customers who signed up by themselves.
const EXTERNAL_ID_PREFIX: &str = "portal-";

/// Sign-ups that this process takes in a minute, whoever asks, so that strangers fill neither the customers nor
/// mailboxes.
pub const SIGN_UPS_PER_MINUTE: u32 = 120;

/// What became of a sign-up. Pages say the same either way, so that nobody learns which addresses are
/// customers; the mailbox tells its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignUp {
    /// Nobody signs in before the link was followed.
    Mailed {
        customer: CustomerId,
        /// For whoever reads the mails of the address: it opens the account.
        link: String,
    },
    /// The address belongs to somebody, who is told how to sign in; or its link was mailed just now.
    Known,
}

/// Makes user, customer and wallet in one transaction, together with the mail that opens the account. Only the
/// address is asked for: name and password are chosen by who follows the link, so that nobody else has them.
/// An address that was signed up and never proven gets another link; its earlier one ends. Of where they sign up
/// `from` a keyed hash of the network is kept.
pub async fn sign_up(
    app: &App,
    email: &str,
    network: Option<Network>,
    from: Option<IpAddr>,
) -> Result<SignUp, AppError> {
    let email = normal_email(email);
    let mut checks = Checks::default();
    let is_deliverable = is_email(&email) && mail::check_recipient(&email).is_ok();
    checks.ensure(is_deliverable, "email", "is not an e-mail address such as \"ada@example.com\"");
    checks.done()?;
    if !app.inner.sign_ups.count(app.now(), network, SIGN_UPS_PER_MINUTE) {
        return Err(AppError::Overloaded { retry_after_seconds: 60 });
    }
    let origin = prints::network_of(app, from).await?;
    let txn = app.store().write().await?;
    let known = users::by_email(&txn, &email).await?;
    let mut joined = None;
    let done = match known {
        Some(row) if row.verified_at.is_some() || row.customer.is_none() => {
            tell_owner(app, &txn, row).await?
        }
        Some(row) => mail_another(app, &txn, row).await?,
        None => {
            let customer = customers::made(app, person(&email)?);
            let row = user_row(app, &email, &customer.name, NO_PASSWORD.to_owned(), Some(customer.id));
            let origin = risk::origin(app, customer.wallet, origin);
            joined = Some((customers::insert(&txn, customer, origin.clone()).await?, origin));
            match users::insert(&txn, row.clone()).await {
                // Another sign-up came first, and so does its mail.
                Err(error) if error.is_unique_violation() => return Ok(SignUp::Known),
                inserted => inserted?,
            }
            let key = format!("welcome:{}", row.id);
            mail_link(app, &txn, row, key).await?
        }
    };
    txn.commit().await.map_err(StoreError::from)?;
    if let Some((customer, origin)) = joined {
        risk::joined(app, &customer, origin);
    }
    app.bells().mails.notify_one();
    Ok(done)
}

/// One more mail in [`RESEND_SECONDS`] at most.
async fn mail_another(app: &App, txn: &DatabaseTransaction, row: users::Model) -> Result<SignUp, AppError> {
    let key = format!("verify:{}:{}", row.id, turn(app));
    let is_fresh = Timestamp::from_micros_saturating(row.created_at).plus_seconds(RESEND_SECONDS) > app.now();
    if is_fresh || !mails::known_keys(txn, vec![key.clone()]).await?.is_empty() {
        return Ok(SignUp::Known);
    }
    mail_link(app, txn, row, key).await
}

async fn mail_link(
    app: &App,
    txn: &DatabaseTransaction,
    row: users::Model,
    key: String,
) -> Result<SignUp, AppError> {
    let user = user(row)?;
    let customer = user.customer.ok_or(AppError::Forbidden { needs: "a customer" })?;
    let link = send_welcome(app, txn, &user, key).await?;
    Ok(link.map_or(SignUp::Known, |link| SignUp::Mailed { customer, link }))
}

/// Once in [`RESEND_SECONDS`], so that nobody's mailbox is filled through us.
async fn tell_owner(app: &App, txn: &DatabaseTransaction, row: users::Model) -> Result<SignUp, AppError> {
    let config = app.config();
    let page = |path: &str| match row.customer {
        Some(_) => config.portal_page(path),
        None => config.console_page(path),
    };
    let message = KnownAddress {
        sender: config.mail_from.name().to_owned(),
        name: row.name.clone(),
        sign_in_url: page("sign-in"),
        forgot_url: page("forgot"),
    };
    let letter = message.letter().map_err(|e| StoreError::Corrupt(format!("known address mail: {e}")))?;
    let key = format!("known:{}:{}", row.id, turn(app));
    enqueue(txn, NewMail { key, recipient: row.email, letter }, app.now()).await?;
    Ok(SignUp::Known)
}

fn turn(app: &App) -> i64 {
    app.now().unix_seconds() / RESEND_SECONDS
}

/// For the demo: the user with this address, made when it is missing; its password is set anew.
pub async fn ensure_user(
    app: &App,
    email: &str,
    name: &str,
    password: &str,
    customer: Option<CustomerId>,
) -> Result<User, AppError> {
    let mut checks = Checks::default();
    checks.text("name", name, NAME_MAX_CHARS);
    passwords::check(&mut checks, "password", password);
    checks.done()?;
    let stored = users::by_email(app.store().reader(), email).await?;
    if let Some(known) = &stored
        && passwords::come_in(app, Knock::SYSTEM)?
            .matches(password, Some(known.password_hash.clone()))
            .await?
    {
        return user(known.clone());
    }
    let password_hash = passwords::hash(app, Knock::SYSTEM, password).await?;
    let txn = app.store().write().await?;
    let row = match stored {
        Some(known) => {
            users::set_password(&txn, known.id, &password_hash).await?;
            known
        }
        None => {
            let mut row = user_row(app, email, name, password_hash, customer);
            row.verified_at = Some(row.created_at);
            users::insert(&txn, row.clone()).await?;
            row
        }
    };
    txn.commit().await.map_err(StoreError::from)?;
    user(row)
}

/// Until its link was followed, an address is all that is known.
fn person(email: &str) -> Result<NewCustomer, AppError> {
    Ok(NewCustomer {
        external_id: secret::new_secret(EXTERNAL_ID_PREFIX)?,
        kind: CustomerKind::Individual,
        name: email.chars().take(NAME_MAX_CHARS).collect(),
        email: email.to_owned(),
        currency: None,
        timezone: None,
        from: None,
    })
}

pub(super) fn user_row(
    app: &App,
    email: &str,
    name: &str,
    password_hash: String,
    customer: Option<CustomerId>,
) -> users::Model {
    let role = if customer.is_some() { Role::Customer } else { Role::Operator };
    users::Model {
        id: new_uuid(),
        email: email.to_owned(),
        name: name.to_owned(),
        password_hash,
        role: role.as_str().to_owned(),
        customer: customer.map(CustomerId::uuid),
        verified_at: None,
        failed_sign_ins: 0,
        locked_until: 0,
        created_at: app.now().micros(),
    }
}
