use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use gateways::{Gateway, Subject};
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::cold::{inbox, queue};
use store::{Queue, StoreError};

use crate::about::{from_json, to_json};
use crate::audit::Actor;
use crate::payments::gateway;
use crate::{App, AppError, Page, PageRequest, Principal, Scope, queues};

/// Longer ids and kinds are cut; Stripe's have 255 characters at most.
const TEXT_MAX_CHARS: usize = 255;
/// The refusal to handle an event again that has nothing to read.
pub const MOVES_NO_CREDITS: &str = "moves_no_credits";
/// Ids that are looked up together.
const KNOWN_AT_ONCE: usize = 200;

/// A stored event and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayEvent {
    pub id: String,
    pub gateway: String,
    /// Such as `checkout.session.completed`.
    pub kind: String,
    /// When the gateway made it.
    pub created_at: Option<Timestamp>,
    pub api_version: Option<String>,
    pub livemode: bool,
    /// The gateway's id of what is read again because of it.
    pub subject: Option<String>,
    pub received_at: Timestamp,
    /// How often it arrived; 0 when the reconciler fetched what never came.
    pub deliveries: u32,
    pub state: WorkState,
    pub attempts: u32,
    pub next_attempt_at: Option<Timestamp>,
    pub effect: Option<String>,
    pub error: Option<String>,
    /// As it came; for operators.
    pub body: String,
}

/// Where a piece of queued work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkState {
    Waiting,
    Done,
    /// Nothing had to be done.
    Ignored,
    /// A dead letter.
    Failed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredSubject {
    Checkout(String),
    Payment(String),
}

/// Stores a verified event, once. An error other than a bad signature means: send it again.
pub async fn receive(app: &App, payload: &[u8], signature: &str) -> Result<(), AppError> {
    let gateway = gateway(app)?;
    let bad = |e: gateways::EventError| AppError::Conflict { code: "bad_signature", detail: e.to_string() };
    let event = gateway.verify_event(payload, signature, app.now()).map_err(bad)?;
    let body = String::from_utf8_lossy(payload).replace('\0', "\u{fffd}");
    let headers = to_json(&json!({ "stripe-signature": text(signature) }))?;
    let row = inbox::Model { deliveries: 1, body, headers, ..row(app, gateway, &event)? };
    store_once(app, row).await?;
    app.bells().inbox.notify_one();
    Ok(())
}

/// Stores what a gateway lists and no webhook brought, to be worked off as if it had; answers how many
/// those were. A webhook that comes later finds its event here.
pub(super) async fn fetch_missed(app: &App, listed: &[gateways::GatewayEvent]) -> Result<usize, AppError> {
    let gateway = gateway(app)?;
    let mut missed = Vec::new();
    for ids in listed.chunks(KNOWN_AT_ONCE) {
        let names = ids.iter().map(|event| text(&event.id)).collect();
        let known: BTreeSet<String> = inbox::known(app.store().reader(), names).await?.into_iter().collect();
        missed.extend(ids.iter().filter(|event| !known.contains(&text(&event.id))));
    }
    for event in &missed {
        let body = json!({
            "id": event.id,
            "object": "event",
            "api_version": event.api_version,
            "created": event.created.map(Timestamp::unix_seconds),
            "data": { "object": event.object, "previous_attributes": event.previous_attributes },
            "livemode": event.livemode,
            "type": event.kind,
        });
        let (body, headers) = (to_json(&body)?, "{}".to_owned());
        let row =
            inbox::Model { body: body.replace("\\u0000", "\u{fffd}"), headers, ..row(app, gateway, event)? };
        let txn = app.store().write().await?;
        inbox::insert_new(&txn, row).await?;
        txn.commit().await.map_err(StoreError::from)?;
    }
    if !missed.is_empty() {
        app.bells().inbox.notify_one();
    }
    Ok(missed.len())
}

/// A row without what only a delivery brings.
fn row(app: &App, gateway: &dyn Gateway, event: &gateways::GatewayEvent) -> Result<inbox::Model, AppError> {
    let subject = subject_of(event)?;
    let now = app.now().micros();
    let is_waiting = subject.is_some();
    Ok(inbox::Model {
        id: text(&event.id),
        gateway: gateway.name().to_owned(),
        kind: text(&event.kind),
        created_at: event.created.map(Timestamp::micros),
        api_version: event.api_version.as_deref().map(text),
        livemode: event.livemode,
        subject,
        body: String::new(),
        headers: String::new(),
        deliveries: 0,
        received_at: now,
        effect: (!is_waiting).then(|| "events of this kind move no credits".to_owned()),
        state: if is_waiting { queue::WAITING } else { queue::IGNORED }.to_owned(),
        attempts: 0,
        next_attempt_at: now,
        lease: None,
        done_at: (!is_waiting).then_some(now),
        error: None,
    })
}

/// As it is stored.
fn subject_of(event: &gateways::GatewayEvent) -> Result<Option<String>, AppError> {
    let stored = event.subject.as_ref().map(|subject| match subject {
        Subject::Checkout(id) => StoredSubject::Checkout(id.0.clone()),
        Subject::Payment(id) => StoredSubject::Payment(id.0.clone()),
    });
    stored.as_ref().map(to_json).transpose()
}

/// Two deliveries that meet may collide on the key; the second try counts the other's.
async fn store_once(app: &App, row: inbox::Model) -> Result<(), AppError> {
    let attempt = async || -> Result<(), StoreError> {
        let txn = app.store().write().await?;
        inbox::insert(&txn, row.clone()).await?;
        txn.commit().await.map_err(StoreError::from)
    };
    match attempt().await {
        Err(error) if error.is_transient() => Ok(attempt().await?),
        done => Ok(done?),
    }
}

/// Last arrived first.
pub async fn events(
    app: &App,
    by: &Principal,
    state: Option<WorkState>,
    page: &PageRequest,
) -> Result<Page<GatewayEvent>, AppError> {
    by.require(Scope::Read)?;
    let limit = page.limit()?;
    let before = page.after(cursor)?;
    let state = state.map(WorkState::as_str);
    let rows = inbox::page(app.store().reader(), state, before, limit + 1).await?;
    let page = Page::cut(rows, limit, |row| format!("{}.{}", row.received_at, row.id));
    let next_cursor = page.next_cursor;
    Ok(Page { data: page.data.into_iter().map(shown).collect::<Result<_, _>>()?, next_cursor })
}

pub async fn event(app: &App, by: &Principal, id: &str) -> Result<GatewayEvent, AppError> {
    by.require(Scope::Read)?;
    shown(stored(app, id).await?)
}

/// Works an event off again that has ended; answers it as it waits.
pub async fn replay(app: &App, by: &Principal, id: &str) -> Result<GatewayEvent, AppError> {
    by.require(Scope::Admin)?;
    handle_again(app, by, id).await?;
    shown(stored(app, id).await?)
}

/// Makes an event wait again that has ended; what it did before is not done twice. Its subject is found
/// anew: an older version may have seen none in an event that this one understands.
pub(crate) async fn handle_again<A: Actor>(app: &App, by: &A, id: &str) -> Result<(), AppError> {
    let row = stored(app, id).await?;
    let Some(subject) = subject_anew(app, &row)? else {
        return Err(AppError::Conflict {
            code: MOVES_NO_CREDITS,
            detail: "events of this kind move no credits".to_owned(),
        });
    };
    let noted = queues::replayed(by, "event.replay", id.to_owned(), &row.state);
    let txn = app.store().write().await?;
    queues::again(&txn, Queue::Inbox, id, noted, app.now()).await?;
    inbox::set_subject(&txn, id, &subject).await?;
    txn.commit().await.map_err(StoreError::from)?;
    app.bells().inbox.notify_one();
    Ok(())
}

async fn stored(app: &App, id: &str) -> Result<inbox::Model, AppError> {
    inbox::by_id(app.store().reader(), id).await?.ok_or(AppError::not_found("gateway event"))
}

/// What this version reads in the body, else what was read when the event came.
fn subject_anew(app: &App, row: &inbox::Model) -> Result<Option<String>, AppError> {
    let gateway = gateway(app).ok().filter(|gateway| gateway.name() == row.gateway);
    let found = match gateway {
        Some(gateway) => subject_of(&gateway.stored_event(row.body.as_bytes()))?,
        None => None,
    };
    Ok(found.or_else(|| row.subject.clone()))
}

fn cursor(text: &str) -> Option<(i64, String)> {
    let (at, id) = text.split_once('.')?;
    Some((at.parse().ok()?, id.to_owned()))
}

/// What may be stored on every database.
fn text(text: &str) -> String {
    text.chars().take(TEXT_MAX_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn shown(row: inbox::Model) -> Result<GatewayEvent, AppError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("gateway event {}: {what}", row.id));
    let state: WorkState = row.state.parse().map_err(|()| corrupt("state"))?;
    let subject: Option<StoredSubject> = row.subject.as_deref().map(from_json).transpose()?;
    let is_waiting = state == WorkState::Waiting;
    Ok(GatewayEvent {
        attempts: u32::try_from(row.attempts).map_err(|_| corrupt("attempts"))?,
        deliveries: u32::try_from(row.deliveries).map_err(|_| corrupt("deliveries"))?,
        created_at: row.created_at.map(Timestamp::from_micros_saturating),
        received_at: Timestamp::from_micros_saturating(row.received_at),
        next_attempt_at: is_waiting.then(|| Timestamp::from_micros_saturating(row.next_attempt_at)),
        subject: subject.map(|subject| match subject {
            StoredSubject::Checkout(id) | StoredSubject::Payment(id) => id,
        }),
        state,
        id: row.id,
        gateway: row.gateway,
        kind: row.kind,
        api_version: row.api_version,
        livemode: row.livemode,
        effect: row.effect,
        error: row.error,
        body: row.body,
    })
}

impl WorkState {
    pub const ALL: [WorkState; 4] =
        [WorkState::Waiting, WorkState::Done, WorkState::Ignored, WorkState::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            WorkState::Waiting => queue::WAITING,
            WorkState::Done => queue::DONE,
            WorkState::Ignored => queue::IGNORED,
            WorkState::Failed => queue::FAILED,
        }
    }
}

impl FromStr for WorkState {
    type Err = ();

    fn from_str(text: &str) -> Result<WorkState, ()> {
        WorkState::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

impl fmt::Display for WorkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
