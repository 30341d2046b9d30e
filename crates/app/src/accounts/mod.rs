//! Who signs in to the pages: sign-up, sign-in, sessions, passwords, and the proof of an address.
//!
//! Two kinds of users meet nowhere: a customer's user sees one customer, an operator's user all.

mod links;
mod networks;
mod operators;
mod own_keys;
mod passwords;
mod profile;
mod resets;
mod sessions;
mod sign_in;
mod sign_up;
mod verify;

use std::str::FromStr;

use kernel::{CustomerId, Timestamp};
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::cold::users;
use uuid::Uuid;

use crate::{AppError, Principal, Scope};

pub use networks::Network;
pub use operators::{NewOperator, create_operator, operators, revoke_operator};
pub use own_keys::{create_key, keys, revoke_key};
pub(crate) use passwords::Workplaces;
pub use passwords::new_password;
pub use profile::{PasswordChange, change_password, rename, users_of};
pub(crate) use resets::{Asked, PASSWORD_RESET, send_reset};
pub use resets::{RESETS_PER_MINUTE, forgot_password, may_reset_password, reset_password};
pub use sessions::{
    Session, SessionView, end_all_sessions, end_other_sessions, end_session, session, sessions, sign_out,
};
pub use sign_in::{Credentials, SignedIn, sign_in};
pub use sign_up::{SignUp, ensure_user, sign_up};
pub(crate) use verify::send_step_up;
pub use verify::{Link, Opening, confirm_address, follow, open_account};

/// Shorter passwords are refused; longer ones cost time to hash.
pub const PASSWORD_MIN_CHARS: usize = 10;
pub const PASSWORD_MAX_CHARS: usize = 200;
/// The stored hash of who has not chosen a password yet: none matches it.
const NO_PASSWORD: &str = "";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees the portal of one customer.
    Customer,
    /// Sees the console.
    Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: Uuid,
    pub email: String,
    pub name: String,
    pub role: Role,
    /// Set for the role `Customer` and for no other.
    pub customer: Option<CustomerId>,
    /// `None` until the link in the welcome mail was followed; nobody signs in before.
    pub verified_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

impl User {
    /// What the use cases may be asked for in this user's name.
    pub fn principal(&self) -> Principal {
        let scopes = match self.role {
            Role::Customer => Default::default(),
            Role::Operator => Scope::ALL.into_iter().collect(),
        };
        Principal { owner: format!("user:{}", self.id), scopes, customer: self.customer }
    }
}

pub(crate) fn user(row: users::Model) -> Result<User, AppError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("user {}: {what}", row.id));
    let role: Role = row.role.parse().map_err(|()| corrupt("role"))?;
    // An operator's rights must never follow from a customer that is missing.
    if (role == Role::Customer) != row.customer.is_some() {
        return Err(corrupt("role and customer do not go together").into());
    }
    Ok(User {
        id: row.id,
        role,
        customer: row.customer.map(CustomerId::from_uuid),
        verified_at: row.verified_at.map(Timestamp::from_micros_saturating),
        created_at: Timestamp::from_micros_saturating(row.created_at),
        email: row.email,
        name: row.name,
    })
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Customer => "customer",
            Role::Operator => "operator",
        }
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Role, ()> {
        [Role::Customer, Role::Operator].into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

/// Addresses are compared in lower case.
pub(crate) fn normal_email(email: &str) -> String {
    email.trim().to_lowercase()
}
