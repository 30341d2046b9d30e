//! Those who open the console. Made and ended by whoever has the machine, not by one another.

use store::StoreError;
use store::cold::{mailed_links, sessions, users};

use super::passwords::Knock;
use super::sign_up::user_row;
use super::{Role, User, normal_email, passwords, user};
use crate::text::{Checks, NAME_MAX_CHARS};
use crate::{App, AppError, Principal, Scope};

/// Operators that a list shows.
const LISTED: u64 = 1_000;

#[derive(Clone, Debug)]
pub struct NewOperator {
    pub email: String,
    pub name: String,
    pub password: String,
}

/// An address belongs to one user: a customer's account is never touched.
pub async fn create_operator(app: &App, by: &Principal, new: NewOperator) -> Result<User, AppError> {
    by.require(Scope::Admin)?;
    let email = normal_email(&new.email);
    let mut checks = Checks::default();
    checks.text("name", &new.name, NAME_MAX_CHARS);
    passwords::check(&mut checks, "password", &new.password);
    let is_deliverable = mail::check_recipient(&email).is_ok();
    checks.ensure(is_deliverable, "email", "is not an e-mail address such as \"ada@example.com\"");
    checks.done()?;
    let password_hash = passwords::hash(app, Knock::SYSTEM, &new.password).await?;
    let mut row = user_row(app, &email, &new.name, password_hash, None);
    row.verified_at = Some(row.created_at);
    let txn = app.store().write().await?;
    if let Some(known) = users::by_email(&txn, &email).await? {
        return Err(taken(&known));
    }
    users::insert(&txn, row.clone()).await?;
    txn.commit().await.map_err(StoreError::from)?;
    user(row)
}

/// Oldest first.
pub async fn operators(app: &App, by: &Principal) -> Result<Vec<User>, AppError> {
    by.require(Scope::Admin)?;
    let rows = users::of_role(app.store().reader(), Role::Operator.as_str(), LISTED).await?;
    rows.into_iter().map(user).collect()
}

/// Ends the operator and every session of theirs; the audit log keeps what they did.
pub async fn revoke_operator(app: &App, by: &Principal, email: &str) -> Result<User, AppError> {
    by.require(Scope::Admin)?;
    let role = Role::Operator.as_str();
    let txn = app.store().write().await?;
    let row = users::by_email(&txn, &normal_email(email)).await?.filter(|row| row.role == role);
    let row = row.ok_or(AppError::not_found("operator"))?;
    sessions::end_all(&txn, row.id, None).await?;
    mailed_links::forget_all(&txn, row.id).await?;
    users::remove(&txn, row.id, role).await?;
    txn.commit().await.map_err(StoreError::from)?;
    user(row)
}

fn taken(known: &users::Model) -> AppError {
    let detail = if known.role == Role::Operator.as_str() {
        "there is an operator with this address already; revoke them first to begin anew"
    } else {
        "a customer signs in with this address; an operator needs one of their own"
    };
    AppError::Conflict { code: "email_taken", detail: detail.to_owned() }
}
