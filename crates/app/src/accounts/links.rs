//! Links in mails, each as good as a password for one purpose: its token is random and stored hashed.

use kernel::Timestamp;
use store::cold::mailed_links::{self, CHOOSE_PASSWORD, LIFT_HOLD, OPEN_ACCOUNT};
use store::{ConnectionTrait, DatabaseTransaction};
use uuid::Uuid;

use crate::{App, AppError, secret};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    OpenAccount,
    LiftHold,
    ChoosePassword,
}

/// Whose link it is, and what following it proves.
pub(super) struct Mailed {
    pub user_id: Uuid,
    pub email: String,
}

/// A link that somebody came by.
pub(super) struct Followed {
    pub to: Mailed,
    pub mailed_at: Timestamp,
}

/// A link that is not in its mail yet.
pub(super) struct NewLink {
    pub token: String,
    /// Exclusive.
    pub expires_at: Timestamp,
    row: mailed_links::Model,
}

impl NewLink {
    pub fn of(app: &App, purpose: Purpose, to: Mailed) -> Result<NewLink, AppError> {
        let token = secret::new_secret("")?;
        let expires_at = app.now().plus_seconds(purpose.life_seconds());
        let row = mailed_links::Model {
            token_hash: secret::hash(&token).to_vec(),
            user_id: to.user_id,
            purpose: purpose.as_str().to_owned(),
            email: to.email,
            expires_at: expires_at.micros(),
        };
        Ok(NewLink { token, expires_at, row })
    }

    /// Makes it work; earlier ones of its user and purpose end.
    pub async fn put(self, txn: &DatabaseTransaction) -> Result<(), AppError> {
        Ok(mailed_links::replace(txn, self.row).await?)
    }
}

/// The link behind a token, if it is for this purpose and its time is not over.
pub(super) async fn followed(
    app: &App,
    db: &impl ConnectionTrait,
    purpose: Purpose,
    token: &str,
) -> Result<Option<Followed>, AppError> {
    let Some(hash) = secret::hash_brought(token) else { return Ok(None) };
    let row = mailed_links::valid(db, &hash, app.now().micros()).await?;
    let row = row.filter(|row| row.purpose == purpose.as_str());
    Ok(row.map(|row| Followed {
        mailed_at: Timestamp::from_micros_saturating(row.expires_at).plus_seconds(-purpose.life_seconds()),
        to: Mailed { user_id: row.user_id, email: row.email },
    }))
}

/// Ends what was mailed to a user for this purpose.
pub(super) async fn end(txn: &DatabaseTransaction, user: Uuid, purpose: Purpose) -> Result<(), AppError> {
    Ok(mailed_links::forget(txn, user, purpose.as_str()).await?)
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Purpose::OpenAccount => OPEN_ACCOUNT,
            Purpose::LiftHold => LIFT_HOLD,
            Purpose::ChoosePassword => CHOOSE_PASSWORD,
        }
    }

    /// Nobody is in a hurry to open an account; the others were asked for just now.
    const fn life_seconds(self) -> i64 {
        match self {
            Purpose::OpenAccount => 7 * 86_400,
            Purpose::LiftHold | Purpose::ChoosePassword => 3_600,
        }
    }
}
