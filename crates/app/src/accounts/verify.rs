use store::cold::{users, verifications};
use store::{DatabaseTransaction, StoreError};

use super::{Session, User};
use crate::{App, AppError, secret};

/// How long a link works.
const LINK_SECONDS: i64 = 7 * 86_400;
/// The page that the link opens.
const PATH: &str = "/verify?token=";
const TOKEN_MAX_BYTES: usize = 128;

/// What the welcome mail needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationLink {
    pub email: String,
    pub name: String,
    /// Goes behind the portal's address.
    pub path: String,
    pub valid_days: i64,
}

/// Another link for the user's address; earlier ones end.
pub async fn new_verification(app: &App, by: &Session) -> Result<VerificationLink, AppError> {
    let txn = app.store().write().await?;
    let link = link_in(app, &txn, &by.user).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(link)
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
    txn.commit().await.map_err(StoreError::from)?;
    Ok(())
}

pub(crate) async fn link_in(
    app: &App,
    txn: &DatabaseTransaction,
    user: &User,
) -> Result<VerificationLink, AppError> {
    let token = secret::new_secret("")?;
    let row = verifications::Model {
        token_hash: secret::hash(&token).to_vec(),
        user_id: user.id,
        email: user.email.clone(),
        expires_at: app.now().plus_seconds(LINK_SECONDS).micros(),
    };
    verifications::replace(txn, row).await?;
    Ok(VerificationLink {
        email: user.email.clone(),
        name: user.name.clone(),
        path: format!("{PATH}{token}"),
        valid_days: LINK_SECONDS / 86_400,
    })
}
