use kernel::CustomerId;
use store::cold::{customers, sessions as session_rows, users};
use store::{DatabaseTransaction, StoreError};

use super::links::{self, Purpose};
use super::passwords::Knock;
use super::sessions::{NewSession, Session, begin};
use super::sign_in::{count_try, refused};
use super::{SignedIn, User, passwords, user};
use crate::customers::CustomerKind;
use crate::text::{Checks, NAME_MAX_CHARS};
use crate::{App, AppError};

/// Users of one customer that a page lists.
const LISTED: u64 = 100;

#[derive(Clone, Debug)]
pub struct PasswordChange {
    pub current: String,
    pub new: String,
    pub user_agent: String,
}

/// A person who buys for themselves is the customer, and is greeted by the new name from then on.
pub async fn rename(app: &App, by: &Session, name: &str) -> Result<(), AppError> {
    let mut checks = Checks::default();
    checks.text("name", name, NAME_MAX_CHARS);
    checks.done()?;
    let txn = app.store().write().await?;
    set_name(&txn, &by.user, name).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(())
}

pub(super) async fn set_name(txn: &DatabaseTransaction, of: &User, name: &str) -> Result<(), AppError> {
    users::set_name(txn, of.id, name).await?;
    if let Some(customer) = of.customer.map(CustomerId::uuid) {
        let row = customers::by_id(txn, customer).await?;
        if row.is_some_and(|row| row.kind == CustomerKind::Individual.as_str()) {
            customers::set_name(txn, customer, name).await?;
        }
    }
    Ok(())
}

/// Ends every session of the user, this one included, and begins a new one.
pub async fn change_password(app: &App, by: &Session, change: PasswordChange) -> Result<SignedIn, AppError> {
    let mut checks = Checks::default();
    passwords::check(&mut checks, "password", &change.new);
    checks.done()?;
    let guest = passwords::come_in(app, Knock::of_user(by.user.id))?;
    let row = users::by_id(app.store().reader(), by.user.id).await?.ok_or(AppError::not_found("user"))?;
    // As at the sign-in: whoever sits at somebody else's browser may not guess without end.
    if !count_try(app, &row).await? {
        return Err(refused());
    }
    if !guest.matches(&change.current, Some(row.password_hash)).await? {
        return Err(AppError::invalid("current", "is not your password"));
    }
    let password_hash = guest.hash(&change.new).await?;
    let txn = app.store().write().await?;
    users::set_password(&txn, by.user.id, &password_hash).await?;
    users::forget_tries(&txn, by.user.id).await?;
    session_rows::end_all(&txn, by.user.id, None).await?;
    links::end(&txn, by.user.id, Purpose::ChoosePassword).await?;
    let new = NewSession { user: by.user.clone(), user_agent: change.user_agent };
    let signed_in = begin(app, &txn, new).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(signed_in)
}

/// Who receives a customer's mails.
pub async fn users_of(app: &App, customer: CustomerId) -> Result<Vec<User>, AppError> {
    let rows = users::of_customer(app.store().reader(), customer.uuid(), LISTED).await?;
    rows.into_iter().map(user).collect()
}
