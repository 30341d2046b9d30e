//! What waits, what is done and what failed: events of gateways, our own work, schedules. For operators;
//! each failed row can be begun anew.

use kernel::Timestamp;
use store::cold::queue::{self, Queue};
use store::cold::{inbox, outbox, schedules};
use store::{DatabaseTransaction, StoreError};
use uuid::Uuid;

use crate::accounts::Session;
use crate::audit::{self, Actor, Noted};
use crate::{App, AppError, Page, PageRequest, Principal, Scope, payments};

/// States that a list can be narrowed to.
pub const STATES: [&str; 4] = [queue::WAITING, queue::DONE, queue::IGNORED, queue::FAILED];

/// An event as a gateway sent it, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: String,
    pub gateway: String,
    pub kind: String,
    pub api_version: Option<String>,
    pub body: String,
    pub deliveries: i32,
    pub received_at: Timestamp,
    pub effect: Option<String>,
    pub progress: Progress,
}

/// Work of our own that a change left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    pub id: Uuid,
    pub key: String,
    pub kind: String,
    pub payload: String,
    pub created_at: Timestamp,
    pub progress: Progress,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub state: String,
    pub attempts: i32,
    pub next_attempt_at: Timestamp,
    pub done_at: Option<Timestamp>,
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub name: String,
    pub cron: String,
    pub next_run_at: Timestamp,
    pub last_run_at: Option<Timestamp>,
    /// Of the last run; `None` before the first.
    pub has_failed: Option<bool>,
    pub last_result: Option<String>,
    pub runs: i64,
    pub is_running: bool,
}

impl Progress {
    pub fn has_ended(&self) -> bool {
        self.state != queue::WAITING
    }

    pub fn is_done(&self) -> bool {
        self.state == queue::DONE
    }
}

/// The last arrived first.
pub async fn events(
    app: &App,
    by: &Principal,
    state: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Event>, AppError> {
    by.require(Scope::Admin)?;
    let limit = page.limit()?;
    let before = page.after(|cursor| {
        let (at, id) = cursor.split_once('.')?;
        Some((at.parse::<i64>().ok()?, id.to_owned()))
    })?;
    let rows = inbox::page(app.store().reader(), known(state)?, before, limit + 1).await?;
    let page = Page::cut(rows, limit, |row| format!("{}.{}", row.received_at, row.id));
    Ok(page.map(event))
}

pub async fn one_event(app: &App, by: &Principal, id: &str) -> Result<Event, AppError> {
    by.require(Scope::Admin)?;
    let row = inbox::by_id(app.store().reader(), id).await?;
    Ok(event(row.ok_or(AppError::not_found("event"))?))
}

/// Handles the event again; what it did before it will not do twice.
pub async fn replay_event(app: &App, by: &Session, id: &str) -> Result<(), AppError> {
    by.user.principal().require(Scope::Admin)?;
    payments::handle_again(app, by, id).await
}

/// Newest first.
pub async fn work(
    app: &App,
    by: &Principal,
    state: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Work>, AppError> {
    by.require(Scope::Admin)?;
    let limit = page.limit()?;
    let before = page.after(|cursor| cursor.parse::<Uuid>().ok())?;
    let rows = outbox::page(app.store().reader(), known(state)?, before, limit + 1).await?;
    Ok(Page::cut(rows, limit, |row| row.id.to_string()).map(piece))
}

pub async fn one_work(app: &App, by: &Principal, id: Uuid) -> Result<Work, AppError> {
    by.require(Scope::Admin)?;
    let row = outbox::by_id(app.store().reader(), id).await?;
    Ok(piece(row.ok_or(AppError::not_found("work"))?))
}

/// Code of the refusal to begin anew with work that is done.
pub const DONE_ALREADY: &str = "done_already";

/// Begins anew with work that failed. What is done stays so: a refund is not asked for twice.
pub async fn replay_work(app: &App, by: &Session, id: Uuid) -> Result<(), AppError> {
    let before = one_work(app, &by.user.principal(), id).await?.progress;
    if before.is_done() {
        let detail = "it is done, and nothing is done twice".to_owned();
        return Err(AppError::Conflict { code: DONE_ALREADY, detail });
    }
    let noted = replayed(by, "work.replay", id.to_string(), &before.state);
    let txn = app.store().write().await?;
    again(&txn, Queue::Outbox, id, noted, app.now()).await?;
    txn.commit().await.map_err(StoreError::from)?;
    app.bells().outbox.notify_one();
    Ok(())
}

pub(crate) fn replayed<'a, A>(
    by: &'a A,
    action: &'static str,
    subject: String,
    before: &'a str,
) -> Noted<'a, A> {
    Noted { by, action, subject, customer: None, reason: "", before, after: queue::WAITING }
}

pub async fn schedules(app: &App, by: &Principal) -> Result<Vec<Schedule>, AppError> {
    by.require(Scope::Admin)?;
    let now = app.now().micros();
    let rows = schedules::all(app.store().reader()).await?;
    Ok(rows.into_iter().map(|row| schedule(row, now)).collect())
}

/// Begins anew with a row that has ended, and writes down who wished it.
pub(crate) async fn again<A: Actor>(
    txn: &DatabaseTransaction,
    queue: Queue,
    id: impl Into<store::Value>,
    noted: Noted<'_, A>,
    now: Timestamp,
) -> Result<(), AppError> {
    if queue::again(txn, queue, id, now.micros()).await? {
        return audit::note(txn, noted, now).await;
    }
    Err(AppError::Conflict {
        code: "still_waiting",
        detail: "it waits for its next attempt already".to_owned(),
    })
}

fn known(state: Option<&str>) -> Result<Option<&str>, AppError> {
    match state {
        Some(text) if !STATES.contains(&text) => {
            Err(AppError::invalid("state", format!("must be one of {}", STATES.join(", "))))
        }
        state => Ok(state),
    }
}

fn event(row: inbox::Model) -> Event {
    Event {
        id: row.id,
        gateway: row.gateway,
        kind: row.kind,
        api_version: row.api_version,
        body: row.body,
        deliveries: row.deliveries,
        received_at: Timestamp::from_micros_saturating(row.received_at),
        effect: row.effect,
        progress: Progress {
            state: row.state,
            attempts: row.attempts,
            next_attempt_at: Timestamp::from_micros_saturating(row.next_attempt_at),
            done_at: row.done_at.map(Timestamp::from_micros_saturating),
            error: row.error,
        },
    }
}

fn piece(row: outbox::Model) -> Work {
    Work {
        id: row.id,
        key: row.key,
        kind: row.kind,
        payload: row.payload,
        created_at: Timestamp::from_micros_saturating(row.created_at),
        progress: Progress {
            state: row.state,
            attempts: row.attempts,
            next_attempt_at: Timestamp::from_micros_saturating(row.next_attempt_at),
            done_at: row.done_at.map(Timestamp::from_micros_saturating),
            error: row.error,
        },
    }
}

fn schedule(row: schedules::Model, now: i64) -> Schedule {
    Schedule {
        name: row.name,
        cron: row.cron,
        next_run_at: Timestamp::from_micros_saturating(row.next_run_at),
        last_run_at: row.last_run_at.map(Timestamp::from_micros_saturating),
        has_failed: row.last_state.map(|state| state == schedules::FAILED),
        last_result: row.last_result,
        runs: row.runs,
        is_running: row.lease_until.is_some_and(|until| until > now),
    }
}
