use store::StoreError;
use store::cold::{sessions, users};

use super::networks::Network;
use super::passwords::{Account, Knock};
use super::sessions::{NewSession, Session, begin};
use super::{Role, normal_email, passwords, user};
use crate::{App, AppError};

/// Wrong passwords before an address has to wait.
const FREE_TRIES: i32 = 5;
/// The first wait; each further wrong password doubles it.
const FIRST_WAIT_SECONDS: i64 = 5;
const LONGEST_WAIT_SECONDS: i64 = 900;

#[derive(Clone, Debug)]
pub struct Credentials {
    pub email: String,
    pub password: String,
    /// Whose pages: an operator's password opens no portal, a customer's no console.
    pub role: Role,
    pub user_agent: String,
    /// Where they sit; `None` on this machine itself.
    pub network: Option<Network>,
    /// The token of the session that this browser had; it ends.
    pub earlier: Option<String>,
}

/// A new session with the token that goes into the cookie; only its hash is stored.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub session: Session,
    pub token: String,
}

/// Errors: one and the same for unknown addresses, those that were never proven, wrong passwords and
/// addresses that have to wait, so that nobody reads from a page which addresses are customers. Each of them
/// costs a hash of a password, and the write of a try that counts happens beside the hash. Overloaded, before
/// anything was counted, when too many wait for theirs, of all, of this network or of this account.
pub async fn sign_in(app: &App, with: Credentials) -> Result<SignedIn, AppError> {
    let email = normal_email(&with.email);
    let knock = Knock { network: with.network, account: Some(Account::Address(email.clone())) };
    let guest = passwords::come_in(app, knock)?;
    let stored = users::by_email(app.store().reader(), &email).await?;
    let stored = stored.filter(|row| row.role == with.role.as_str() && row.verified_at.is_some());
    // Nothing is judged that was not counted: parallel guesses count each other.
    let counted = async {
        match &stored {
            Some(row) => count_try(app, row).await,
            None => Ok(false),
        }
    };
    let password_hash = stored.as_ref().map(|row| row.password_hash.clone());
    let matching = guest.matches(&with.password, password_hash);
    let (is_counted, is_right) = tokio::try_join!(counted, matching)?;
    let row = stored.filter(|_| is_counted && is_right).ok_or_else(refused)?;
    let txn = app.store().write().await?;
    users::forget_tries(&txn, row.id).await?;
    sessions::forget_expired(&txn, row.id, app.now().micros()).await?;
    if let Some(earlier) = &with.earlier {
        sessions::end(&txn, &crate::secret::hash(earlier)).await?;
    }
    let signed_in = begin(app, &txn, NewSession { user: user(row)?, user_agent: with.user_agent }).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(signed_in)
}

/// `false` while the address has to wait, or when another try came first.
pub(super) async fn count_try(app: &App, row: &users::Model) -> Result<bool, AppError> {
    let now = app.now();
    if row.locked_until > now.micros() {
        return Ok(false);
    }
    let wait = wait_seconds(row.failed_sign_ins.saturating_add(1));
    let until = if wait == 0 { 0 } else { now.plus_seconds(wait).micros() };
    let txn = app.store().write().await?;
    let counted = users::count_try(&txn, row.id, row.failed_sign_ins, until).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(counted)
}

/// How long the next try waits after so many wrong ones.
fn wait_seconds(failed: i32) -> i64 {
    let doublings = u32::try_from(failed - FREE_TRIES).ok();
    doublings.map_or(0, |n| FIRST_WAIT_SECONDS.saturating_mul(1 << n.min(20)).min(LONGEST_WAIT_SECONDS))
}

pub(super) fn refused() -> AppError {
    AppError::Conflict {
        code: "sign_in_refused",
        detail: "This e-mail address and password do not go together. After several wrong passwords an \
                 address has to wait, up to 15 minutes. A new account opens with the link that we mailed."
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_begins_after_five_and_doubles_up_to_a_quarter_of_an_hour() {
        let waits: Vec<i64> = [1, 4, 5, 6, 7, 12, 13, 100, i32::MAX].map(wait_seconds).to_vec();
        assert_eq!(waits, [0, 0, 5, 10, 20, 640, 900, 900, 900]);
    }
}
