//! CloudEvents: reports of work that is done, charged as far as the wallet and the policy go.

use catalog::Options;
use engine::{EngineCommand, KeyedInput, Request};
use futures::future::try_join_all;
use kernel::Timestamp;
use ledger::{Command, Gate, WhenShort};
use metering::{Event, Mapping, Usage, parse_events, usage_of, without_context};
use sha2::{Digest, Sha256};

use crate::about::{ChargeFacts, to_json};
use crate::customers::Known;
use crate::submit::submit;
use crate::{App, AppError, Context, CustomerRef, EventIdentity, FieldError, Principal, Scope, Work};
use crate::{catalogue, customers, pricing, prints};

/// Of the sentence that says why an event has no price; it may quote what was reported.
const REASON_MAX_CHARS: usize = 300;

/// Stores all events of a request or, when one of them is malformed or of an unknown customer, none.
/// Answers once every charge is committed; an event that was stored before changes nothing.
pub async fn ingest(app: &App, by: &Principal, body: &[u8]) -> Result<(), AppError> {
    by.require(Scope::Usage)?;
    let invalid = |e: metering::EventError| FieldError { field: e.field, message: e.message };
    let events = parse_events(body)
        .map_err(|errors| AppError::Invalid { errors: errors.into_iter().map(invalid).collect() })?;
    let subjects = find_subjects(app, &events).await?;
    let mut requests = Vec::with_capacity(events.len());
    for (event, known) in events.iter().zip(subjects) {
        requests.push(prepare(app, event, known).await?);
    }
    try_join_all(requests.into_iter().map(|request| submit(app, request))).await?;
    Ok(())
}

async fn find_subjects(app: &App, events: &[Event]) -> Result<Vec<Known>, AppError> {
    let (mut subjects, mut errors) = (Vec::with_capacity(events.len()), Vec::new());
    for (i, event) in events.iter().enumerate() {
        match customers::find(app, &CustomerRef::from(event.subject.as_str())).await? {
            Some(known) => subjects.push(known),
            None => errors.push(FieldError::new(subject_field(i, events.len()), "is not a customer")),
        }
    }
    if errors.is_empty() { Ok(subjects) } else { Err(AppError::Invalid { errors }) }
}

/// As `metering` names fields: a lone event has no index.
fn subject_field(i: usize, events: usize) -> String {
    if events == 1 { "subject".to_owned() } else { format!("[{i}].subject") }
}

async fn prepare(app: &App, event: &Event, known: Known) -> Result<Request, AppError> {
    let (command, facts) = match rate(app, event).await? {
        Ok(rated) => {
            let print = prints::of(app, &rated.context, Some(&rated.work)).await?;
            (rated.command, ChargeFacts { priced: Some(rated.priced.into()), print, ..facts(event, known) })
        }
        Err(reason) => (Command::Unrated, unrated(event, known, reason, &app.config().mappings)),
    };
    Ok(Request {
        wallet: known.wallet,
        key: KeyedInput::Event {
            source: event.source.clone(),
            id: event.id.clone(),
            hash: Sha256::digest(to_json(event)?.as_bytes()).into(),
        },
        command: EngineCommand::Ledger(command),
        about: Some(to_json(&facts)?.into()),
        vendor_transaction: None,
    })
}

/// An event with its price.
struct Rated {
    command: Command,
    priced: crate::Priced,
    work: Work,
    context: Context,
}

/// The debit for an event, or why it has no price. The work is done: no plan refuses it any more.
async fn rate(app: &App, event: &Event) -> Result<Result<Rated, String>, AppError> {
    let usage = match usage_of(event, &app.config().mappings) {
        Ok(usage) => usage,
        Err(unrated) => return Ok(Err(unrated.to_string())),
    };
    let at = instant(usage.occurred_at, app.now());
    let Some(version) = catalogue::at(app, at).await? else {
        return Ok(Err(pricing::no_rate_card().to_string()));
    };
    let (work, context) = (work(&usage), context(usage));
    let priced = match pricing::price(&version, &work, &Context::default(), at) {
        Ok(priced) => priced,
        Err(error) => return Ok(Err(format!("{} {error}", error.field()))),
    };
    let when_short = pricing::when_short(&version, &work.feature, WhenShort::Unbilled);
    let gate = Gate { is_done: true, ..Gate::default() };
    let command = Command::Debit { price: priced.price.credits, gate, when_short };
    Ok(Ok(Rated { command, priced, work, context }))
}

/// A reporter's clock that runs ahead does not reach a card of the future.
fn instant(occurred_at: Option<Timestamp>, now: Timestamp) -> Timestamp {
    occurred_at.map_or(now, |at| at.min(now))
}

fn context(mut usage: Usage) -> Context {
    let mut told = |name: &str| usage.context.remove(name);
    Context { ip: told("ip"), user_agent: told("user_agent"), device: told("device"), prompt: told("prompt") }
}

fn work(usage: &Usage) -> Work {
    let option = |name: &str| usage.options.get(name).cloned();
    let options = Options {
        codec: option("codec"),
        style: option("style"),
        quality: option("quality"),
        operation: option("operation"),
    };
    Work {
        feature: usage.feature.clone(),
        model: usage.model.clone(),
        quantities: usage.quantities.clone(),
        options,
    }
}

fn facts(event: &Event, known: Known) -> ChargeFacts {
    ChargeFacts {
        occurred_at: event.time,
        event: Some(EventIdentity { source: event.source.clone(), id: event.id.clone() }),
        ..ChargeFacts::of(known.id)
    }
}

/// Kept with the whole report, so that it can be rated later.
fn unrated(event: &Event, known: Known, reason: String, mappings: &[Mapping]) -> ChargeFacts {
    let data = without_context(event, mappings);
    let report = serde_json::json!({ "type": &event.kind, "data": data });
    let reason = reason.chars().take(REASON_MAX_CHARS).collect();
    ChargeFacts { unrated: Some(reason), report: Some(report), ..facts(event, known) }
}
