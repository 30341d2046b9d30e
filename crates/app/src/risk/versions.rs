//! Versions of the settings of the watch: they never change, and the newest is in force.

use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use store::DatabaseTransaction;
use store::cold::risk::settings as rows;

use super::settings::Settings;
use crate::about::{from_json, to_json};
use crate::accounts::Session;
use crate::audit::{self, Act, Asked, Noted, audited};
use crate::cold::{Route, once};
use crate::text::{Checks, SENTENCE_MAX_CHARS};
use crate::{App, AppError, Done, Keyed, Page, PageRequest, Principal, Scope};

/// In the audit log.
const CHANGED: &str = "risk.settings";
const SUBJECT: &str = "risk settings";
const CREATE: Route = Route("POST /v1/risk/settings");

/// A version; 0 is what holds before anybody made one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    pub version: i64,
    pub settings: Settings,
    /// An operator's address, or the API key.
    pub author: String,
    pub reason: String,
    /// `None` for version 0.
    pub created_at: Option<Timestamp>,
}

/// What is in force.
pub async fn current(app: &App, by: &Principal) -> Result<Version, AppError> {
    by.require(Scope::Read)?;
    newest(app).await
}

pub(super) async fn newest(app: &App) -> Result<Version, AppError> {
    match rows::last(app.store().reader()).await? {
        Some(row) => version(row),
        None => Ok(Version {
            version: 0,
            settings: Settings::default(),
            author: "system".to_owned(),
            reason: "the defaults".to_owned(),
            created_at: None,
        }),
    }
}

/// Newest first; version 0 is not among them.
pub async fn history(app: &App, by: &Principal, page: &PageRequest) -> Result<Page<Version>, AppError> {
    by.require(Scope::Read)?;
    let limit = page.limit()?;
    let before = page.after(|cursor| cursor.parse::<i64>().ok())?;
    let found = rows::page(app.store().reader(), before, limit + 1).await?;
    let page = Page::cut(found, limit, |row| row.version.to_string());
    let data = page.data.into_iter().map(version).collect::<Result<_, _>>()?;
    Ok(Page { data, next_cursor: page.next_cursor })
}

/// Puts another version in force, with a row in the audit log; every process follows within
/// [`super::policy::STALE_SECONDS`].
pub async fn change(
    app: &App,
    by: &Principal,
    (settings, reason): (Settings, String),
    keyed: Option<&Keyed>,
) -> Result<Done<Version>, AppError> {
    change_by(app, by, (settings, reason, None), keyed).await
}

async fn change_by(
    app: &App,
    by: &Principal,
    (settings, reason, operator): (Settings, String, Option<String>),
    keyed: Option<&Keyed>,
) -> Result<Done<Version>, AppError> {
    by.require(Scope::Admin)?;
    settings.check()?;
    let mut checks = Checks::default();
    checks.text("reason", &reason, SENTENCE_MAX_CHARS);
    checks.done()?;
    let row = rows::Model {
        version: 0,
        settings: to_json(&settings)?,
        author: operator.clone().unwrap_or_else(|| by.owner.clone()),
        reason,
        created_at: app.now().micros(),
    };
    let done = once(app, by, CREATE, keyed, move |txn| {
        // What an operator does in the console is written down already.
        let (row, key) = (row.clone(), operator.is_none().then(|| by.clone()));
        Box::pin(async move { append(txn, row, key).await })
    })
    .await?;
    app.inner.risk.policy.expire();
    Ok(done)
}

/// An operator's new version, with a row in the audit log; the act's reason is the version's.
pub async fn change_as_operator(
    app: &App,
    by: &Session,
    act: &Act,
    settings: Settings,
) -> Result<Version, AppError> {
    let principal = by.user.principal();
    let (action, subject) = (CHANGED, SUBJECT.to_owned());
    let asked = Asked { by, act, action, subject, customer: None, input: settings.clone() };
    let state = || async { to_json(&newest(app).await?.settings) };
    let reason = act.reason.trim().to_owned();
    let work = async |keyed: Keyed| {
        let author = Some(by.user.email.clone());
        Ok(change_by(app, &principal, (settings, reason, author), Some(&keyed)).await?.value)
    };
    audited(app, asked, state, work).await
}

async fn append(
    txn: &DatabaseTransaction,
    row: rows::Model,
    key: Option<Principal>,
) -> Result<Version, AppError> {
    let last = rows::last(txn).await?.map_or(0, |row| row.version);
    let row = rows::Model { version: last + 1, ..row };
    rows::insert(txn, row.clone()).await?;
    if let Some(by) = &key {
        let noted = Noted {
            by,
            action: CHANGED,
            subject: SUBJECT.to_owned(),
            customer: None,
            reason: &row.reason,
            before: &format!("version {last}"),
            after: &format!("version {}", row.version),
        };
        audit::note(txn, noted, Timestamp::from_micros_saturating(row.created_at)).await?;
    }
    version(row)
}

fn version(row: rows::Model) -> Result<Version, AppError> {
    Ok(Version {
        version: row.version,
        settings: from_json(&row.settings)?,
        author: row.author,
        reason: row.reason,
        created_at: Some(Timestamp::from_micros_saturating(row.created_at)),
    })
}
