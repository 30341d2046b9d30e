use kernel::{CustomerId, new_uuid};
use store::StoreError;
use store::cold::users;

use super::sessions::{NewSession, begin};
use super::verify::send_link;
use super::{Role, SignedIn, User, normal_email, passwords, user};
use crate::customers::{self, CustomerKind, NewCustomer};
use crate::text::{Checks, NAME_MAX_CHARS};
use crate::{App, AppError, risk, secret};

/// Begins the external ids of customers who signed up by themselves.
const EXTERNAL_ID_PREFIX: &str = "portal-";

#[derive(Clone, Debug)]
pub struct NewUser {
    pub name: String,
    pub email: String,
    pub password: String,
    /// What the browser calls itself; shown in the list of sessions.
    pub user_agent: String,
}

/// Makes user, customer and wallet in one transaction, together with the mail that proves the address.
pub async fn sign_up(app: &App, new: NewUser) -> Result<SignedIn, AppError> {
    let email = normal_email(&new.email);
    let customer = person(&new.name, &email)?;
    let mut checks = Checks::default();
    customers::check_into(&mut checks, &customer);
    passwords::check(&mut checks, "password", &new.password);
    let is_deliverable = mail::check_recipient(&email).is_ok();
    checks.ensure(is_deliverable, "email", "is not an e-mail address such as \"ada@example.com\"");
    checks.done()?;
    let password_hash = passwords::hash(app, &new.password).await?;
    let customer = customers::made(app, customer);
    let row = user_row(app, &email, &new.name, password_hash, Some(customer.id));
    let txn = app.store().write().await?;
    if users::by_email(&txn, &email).await?.is_some() {
        return Err(taken());
    }
    let customer = customers::insert(&txn, customer).await?;
    users::insert(&txn, row.clone()).await.map_err(taken_if_unique)?;
    let user = user(row)?;
    send_link(app, &txn, &user, format!("welcome:{}", user.id)).await?;
    let signed_in = begin(app, &txn, NewSession { user, user_agent: new.user_agent }).await?;
    txn.commit().await.map_err(StoreError::from)?;
    risk::joined(app, &customer);
    app.bells().mails.notify_one();
    Ok(signed_in)
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
        && passwords::matches(app, password, Some(known.password_hash.clone())).await?
    {
        return user(known.clone());
    }
    let password_hash = passwords::hash(app, password).await?;
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

fn person(name: &str, email: &str) -> Result<NewCustomer, AppError> {
    Ok(NewCustomer {
        external_id: secret::new_secret(EXTERNAL_ID_PREFIX)?,
        kind: CustomerKind::Individual,
        name: name.to_owned(),
        email: email.to_owned(),
        currency: None,
        timezone: None,
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

fn taken() -> AppError {
    AppError::Conflict {
        code: "email_taken",
        detail: "There is an account with this e-mail address already. Sign in instead.".to_owned(),
    }
}

fn taken_if_unique(error: StoreError) -> AppError {
    if error.is_unique_violation() { taken() } else { error.into() }
}
