//! What operators did, and how it is done: the row first, then the act, then what came of it. So nothing
//! happens without a row; a row that stays `asked` tells of an act whose outcome nobody saw.

use std::collections::BTreeMap;
use std::future::Future;

use kernel::{CustomerId, IdempotencyKey, Timestamp, new_uuid};
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::cold::audit;
use store::{DatabaseTransaction, StoreError};
use uuid::Uuid;

use crate::about::to_json;
use crate::accounts::{Role, Session};
use crate::calls::ACTS;
use crate::text::{Checks, SENTENCE_MAX_CHARS};
use crate::{App, AppError, Keyed, Page, PageRequest, Principal, Scope};

const ASKED: &str = "asked";
const DONE: &str = "done";
const REFUSED: &str = "refused";

/// What an operator wants, as a form brings it.
#[derive(Clone, Debug)]
pub struct Act {
    /// Made with the form: sent twice, it is one act.
    pub id: Uuid,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    pub id: Uuid,
    pub actor: String,
    pub action: String,
    pub subject: String,
    pub customer: Option<CustomerId>,
    pub reason: String,
    pub state: String,
    pub input: String,
    pub before: Option<String>,
    pub after: Option<String>,
    pub created_at: Timestamp,
}

/// An act that is to be written down.
pub(crate) struct Asked<'a, I> {
    pub by: &'a Session,
    pub act: &'a Act,
    pub action: &'static str,
    pub subject: String,
    pub customer: Option<CustomerId>,
    pub input: I,
}

/// An act that changes one row, in whose transaction it is written down.
pub(crate) struct Noted<'a, A = Session> {
    pub by: &'a A,
    pub action: &'static str,
    pub subject: String,
    pub customer: Option<CustomerId>,
    /// Empty where nobody is asked for one.
    pub reason: &'a str,
    /// The row's state.
    pub before: &'a str,
    pub after: &'a str,
}

/// Who does what is written down.
pub(crate) trait Actor {
    /// As the audit log names it.
    fn audited(&self) -> &str;
}

impl Actor for Session {
    fn audited(&self) -> &str {
        &self.user.email
    }
}

impl Actor for Principal {
    fn audited(&self) -> &str {
        &self.owner
    }
}

/// An act of somebody who is no operator, before it is done.
pub(crate) struct New {
    pub id: Uuid,
    pub actor: String,
    pub action: &'static str,
    pub subject: String,
    pub customer: CustomerId,
    pub reason: String,
    /// JSON, as the state before.
    pub input: String,
    pub before: String,
}

pub async fn list(
    app: &App,
    by: &Principal,
    customer: Option<CustomerId>,
    page: &PageRequest,
) -> Result<Page<AuditRow>, AppError> {
    by.require(Scope::Admin)?;
    let limit = page.limit()?;
    let before = page.after(|cursor| cursor.parse::<Uuid>().ok())?;
    let owner = customer.map(CustomerId::uuid);
    let rows = audit::page(app.store().reader(), owner, before, limit + 1).await?;
    Ok(Page::cut(rows, limit, |row| row.id.to_string()).map(audit_row))
}

/// Writes down what `txn` does.
pub(crate) async fn note<A: Actor>(
    txn: &DatabaseTransaction,
    noted: Noted<'_, A>,
    now: Timestamp,
) -> Result<(), AppError> {
    let state = |state: &str| to_json(&BTreeMap::from([("state", state)]));
    let row = audit::Model {
        id: new_uuid(),
        actor: noted.by.audited().to_owned(),
        action: noted.action.to_owned(),
        subject: noted.subject,
        customer: noted.customer.map(CustomerId::uuid),
        reason: noted.reason.to_owned(),
        state: DONE.to_owned(),
        input: "{}".to_owned(),
        before: Some(state(noted.before)?),
        after: Some(state(noted.after)?),
        created_at: now.micros(),
    };
    audit::insert_once(txn, row).await?;
    Ok(())
}

/// Runs `work` under the idempotency key of the act. `state` tells what it is about, before and after.
pub(crate) async fn audited<I, T, S, W, SF, WF>(
    app: &App,
    asked: Asked<'_, I>,
    state: S,
    work: W,
) -> Result<T, AppError>
where
    I: Serialize,
    S: Fn() -> SF,
    SF: Future<Output = Result<String, AppError>>,
    W: FnOnce(Keyed) -> WF,
    WF: Future<Output = Result<T, AppError>>,
{
    let id = asked.act.id;
    let keyed = write_down(app, asked, state().await?).await?;
    let done = work(keyed).await;
    conclude(app, id, &done, state).await?;
    done
}

/// Writes down what is about to be done.
pub(crate) async fn ask(app: &App, new: New) -> Result<(), AppError> {
    let row = audit::Model {
        id: new.id,
        actor: new.actor,
        action: new.action.to_owned(),
        subject: new.subject,
        customer: Some(new.customer.uuid()),
        reason: new.reason,
        state: ASKED.to_owned(),
        input: new.input,
        before: Some(new.before),
        after: None,
        created_at: app.now().micros(),
    };
    let txn = app.store().write().await?;
    audit::insert_once(&txn, row).await?;
    Ok(txn.commit().await.map_err(StoreError::from)?)
}

/// Writes down what came of it.
pub(crate) async fn conclude<T, S, F>(
    app: &App,
    id: Uuid,
    done: &Result<T, AppError>,
    state: S,
) -> Result<(), AppError>
where
    S: Fn() -> F,
    F: Future<Output = Result<String, AppError>>,
{
    let (outcome, after) = match done {
        Ok(_) => (DONE, state().await?),
        // Nobody knows what came of it; the same call tells when it is sent again.
        Err(AppError::Unavailable { .. } | AppError::Crowded { .. } | AppError::Overloaded { .. }) => {
            return Ok(());
        }
        Err(error) => (REFUSED, error.to_string()),
    };
    let txn = app.store().write().await?;
    audit::conclude(&txn, id, outcome, Some(after)).await?;
    Ok(txn.commit().await.map_err(StoreError::from)?)
}

async fn write_down<I: Serialize>(app: &App, asked: Asked<'_, I>, before: String) -> Result<Keyed, AppError> {
    let reason = asked.act.reason.trim();
    let mut checks = Checks::default();
    checks.text("reason", reason, SENTENCE_MAX_CHARS);
    checks.done()?;
    if asked.by.user.role != Role::Operator {
        return Err(AppError::Forbidden { needs: "an operator" });
    }
    let input = to_json(&asked.input)?;
    let row = audit::Model {
        id: asked.act.id,
        actor: asked.by.user.email.clone(),
        action: asked.action.to_owned(),
        subject: asked.subject,
        customer: asked.customer.map(CustomerId::uuid),
        reason: reason.to_owned(),
        state: ASKED.to_owned(),
        input: input.clone(),
        before: Some(before),
        after: None,
        created_at: app.now().micros(),
    };
    let (action, subject) = (row.action.clone(), row.subject.clone());
    let txn = app.store().write().await?;
    let first = audit::insert_once(&txn, row).await?;
    txn.commit().await.map_err(StoreError::from)?;
    if (&first.action, &first.subject, &first.input) != (&action, &subject, &input) {
        return Err(AppError::KeyReused);
    }
    let key = IdempotencyKey::new(format!("{ACTS}{}", first.id.simple()));
    let key = key.map_err(|e| AppError::invalid("act", e.to_string()))?;
    Ok(Keyed { key, hash: Sha256::digest(format!("{action} {subject} {input}").as_bytes()).into() })
}

fn audit_row(row: audit::Model) -> AuditRow {
    AuditRow {
        id: row.id,
        actor: row.actor,
        action: row.action,
        subject: row.subject,
        customer: row.customer.map(CustomerId::from_uuid),
        reason: row.reason,
        state: row.state,
        input: row.input,
        before: row.before,
        after: row.after,
        created_at: Timestamp::from_micros_saturating(row.created_at),
    }
}
