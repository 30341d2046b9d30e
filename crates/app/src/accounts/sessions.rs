use kernel::{Timestamp, new_uuid};
use store::cold::{sessions as rows, users};
use store::{DatabaseTransaction, StoreError};
use uuid::Uuid;

use super::{SignedIn, User, user};
use crate::{App, AppError, secret};

/// How long a session lives without use.
const IDLE_SECONDS: i64 = 14 * 86_400;
/// How long it lives at most.
const LIFE_SECONDS: i64 = 90 * 86_400;
/// How exact `last_seen` is: a page costs no write more often.
const SEEN_EVERY_SECONDS: i64 = 300;
const USER_AGENT_MAX_CHARS: usize = 200;
/// Sessions that a page lists.
const LISTED: u64 = 50;

/// Who looks at a page, proven by the cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: Uuid,
    pub user: User,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    pub id: Uuid,
    pub user_agent: String,
    pub created_at: Timestamp,
    pub last_seen: Timestamp,
    /// The one that asks.
    pub is_this: bool,
}

pub(crate) struct NewSession {
    pub user: User,
    pub user_agent: String,
}

/// The session behind a cookie's token, or `None`: unknown, ended, or its time is over.
pub async fn session(app: &App, token: &str) -> Result<Option<Session>, AppError> {
    let Some(hash) = secret::hash_brought(token) else { return Ok(None) };
    let now = app.now();
    let db = app.store().reader();
    let Some(row) = rows::valid(db, &hash, now.micros()).await? else { return Ok(None) };
    let Some(owner) = users::by_id(db, row.user_id).await? else { return Ok(None) };
    let created_at = Timestamp::from_micros_saturating(row.created_at);
    if Timestamp::from_micros_saturating(row.last_seen).plus_seconds(SEEN_EVERY_SECONDS) <= now {
        let txn = app.store().write().await?;
        rows::touch(&txn, &hash, now.micros(), expiry(created_at, now).micros()).await?;
        txn.commit().await.map_err(StoreError::from)?;
    }
    Ok(Some(Session { id: row.id, user: user(owner)?, created_at }))
}

/// Those of this user, the last used first.
pub async fn sessions(app: &App, by: &Session) -> Result<Vec<SessionView>, AppError> {
    let rows = rows::of_user(app.store().reader(), by.user.id, app.now().micros(), LISTED).await?;
    let view = |row: rows::Model| SessionView {
        id: row.id,
        user_agent: row.user_agent,
        created_at: Timestamp::from_micros_saturating(row.created_at),
        last_seen: Timestamp::from_micros_saturating(row.last_seen),
        is_this: row.id == by.id,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// Ends the session itself, not only the cookie.
pub async fn sign_out(app: &App, by: &Session) -> Result<(), AppError> {
    end_session(app, by, by.id).await
}

/// Ends one of the user's own sessions; another's is not found.
pub async fn end_session(app: &App, by: &Session, id: Uuid) -> Result<(), AppError> {
    let txn = app.store().write().await?;
    if !rows::end_of_user(&txn, by.user.id, id).await? {
        return Err(AppError::not_found("session"));
    }
    txn.commit().await.map_err(StoreError::from)?;
    Ok(())
}

pub async fn end_other_sessions(app: &App, by: &Session) -> Result<(), AppError> {
    let txn = app.store().write().await?;
    rows::end_all(&txn, by.user.id, Some(by.id)).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(())
}

/// This one, too.
pub async fn end_all_sessions(app: &App, by: &Session) -> Result<(), AppError> {
    let txn = app.store().write().await?;
    rows::end_all(&txn, by.user.id, None).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(())
}

/// Always a new token: none that somebody put into the browser before is ever signed in.
pub(crate) async fn begin(
    app: &App,
    txn: &DatabaseTransaction,
    new: NewSession,
) -> Result<SignedIn, AppError> {
    let (now, token) = (app.now(), secret::new_secret("")?);
    let row = rows::Model {
        token_hash: secret::hash(&token).to_vec(),
        id: new_uuid(),
        user_id: new.user.id,
        user_agent: shown_agent(&new.user_agent),
        created_at: now.micros(),
        last_seen: now.micros(),
        expires_at: expiry(now, now).micros(),
    };
    let session = Session { id: row.id, user: new.user, created_at: now };
    rows::insert(txn, row).await?;
    Ok(SignedIn { session, token })
}

fn expiry(created_at: Timestamp, now: Timestamp) -> Timestamp {
    now.plus_seconds(IDLE_SECONDS).min(created_at.plus_seconds(LIFE_SECONDS))
}

fn shown_agent(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX_CHARS).collect()
}
