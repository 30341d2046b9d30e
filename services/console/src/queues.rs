//! Events of gateways, our own work, schedules.

use app::AppError;
use app::payments::MOVES_NO_CREDITS;
use app::queues::{self, DONE_ALREADY, Event, Progress, Schedule, Work};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use site::{Failure, Form, Member, Nothing, Shell, instant, render};

use crate::list::{Filter, ListQuery};
use crate::{Console, by, shell};

const EVENTS: &str = "/console/webhooks";
const WORK: &str = "/console/outbox";
const SCHEDULES: &str = "/console/schedules";

/// Events or work: the same list.
#[derive(Template)]
#[template(path = "console/queue.html")]
pub struct QueuePage {
    pub shell: Shell,
    pub about: &'static str,
    pub filters: Vec<Filter>,
    pub rows: Vec<Row>,
    pub next: Option<String>,
}

pub struct Row {
    pub path: String,
    pub at: String,
    pub kind: String,
    pub id: String,
    pub state: String,
    pub attempts: i32,
    /// Effect or error, else when it is tried next.
    pub outcome: String,
}

/// One event or piece of work, with all it says.
#[derive(Template)]
#[template(path = "console/queue_row.html")]
pub struct RowPage {
    pub shell: Shell,
    pub facts: Vec<(&'static str, String)>,
    pub body: String,
    /// Where it is begun anew; nothing that still waits is.
    pub replay: Option<String>,
    pub back: &'static str,
}

#[derive(Template)]
#[template(path = "console/schedules.html")]
pub struct SchedulesPage {
    pub shell: Shell,
    pub rows: Vec<Run>,
}

pub struct Run {
    pub name: String,
    pub cron: String,
    pub next: String,
    pub last: String,
    pub result: String,
    pub runs: i64,
    pub is_failing: bool,
}

pub async fn events(
    State(console): State<Console>,
    member: Member,
    Query(query): Query<ListQuery>,
) -> Result<Response, Failure> {
    let page =
        queues::events(console.site.app(), &by(&member), query.one_of(&queues::STATES)?, &query.page())
            .await?;
    let page = QueuePage {
        shell: shell("Webhooks", EVENTS, &member),
        about: "Events that gateways sent, verified and stored before they were answered.",
        filters: query.filters(EVENTS, &queues::STATES),
        next: query.next(EVENTS, page.next_cursor.as_ref()),
        rows: page.data.iter().map(event_row).collect(),
    };
    Ok(member.visitor.page(render(&page)?))
}

pub async fn event(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let event = queues::one_event(console.site.app(), &by(&member), &id).await?;
    let page = event_page(shell("Webhook event", EVENTS, &member), &event);
    Ok(member.visitor.page(render(&page)?))
}

pub async fn replay_event(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { .. }: Form<Nothing>,
) -> Result<Response, Failure> {
    let done = queues::replay_event(console.site.app(), &member.session, &id).await;
    Ok(member.visitor.redirect(&format!("{EVENTS}/{id}"), Some(said(done)?)))
}

pub async fn work(
    State(console): State<Console>,
    member: Member,
    Query(query): Query<ListQuery>,
) -> Result<Response, Failure> {
    let page =
        queues::work(console.site.app(), &by(&member), query.one_of(&queues::STATES)?, &query.page()).await?;
    let page = QueuePage {
        shell: shell("Work", WORK, &member),
        about: "What changes left to be done: credits to move, calls to gateways. Failed rows are dead \
                letters: a person must look.",
        filters: query.filters(WORK, &queues::STATES),
        next: query.next(WORK, page.next_cursor.as_ref()),
        rows: page.data.iter().map(work_row).collect(),
    };
    Ok(member.visitor.page(render(&page)?))
}

pub async fn one_work(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = id.parse().map_err(|_| Failure::NotFound)?;
    let work = queues::one_work(console.site.app(), &by(&member), id).await?;
    let page = work_page(shell("Piece of work", WORK, &member), &work);
    Ok(member.visitor.page(render(&page)?))
}

pub async fn replay_work(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { .. }: Form<Nothing>,
) -> Result<Response, Failure> {
    let id: uuid::Uuid = id.parse().map_err(|_| Failure::NotFound)?;
    let done = queues::replay_work(console.site.app(), &member.session, id).await;
    Ok(member.visitor.redirect(&format!("{WORK}/{id}"), Some(said(done)?)))
}

pub async fn schedules(State(console): State<Console>, member: Member) -> Result<Response, Failure> {
    let rows = queues::schedules(console.site.app(), &by(&member)).await?;
    let shell = shell("Schedules", SCHEDULES, &member);
    let page = SchedulesPage { shell, rows: rows.iter().map(run).collect() };
    Ok(member.visitor.page(render(&page)?))
}

/// The flash of a replay.
pub fn said(done: Result<(), AppError>) -> Result<&'static str, Failure> {
    match done {
        Ok(()) => Ok("again"),
        Err(AppError::Conflict { code: MOVES_NO_CREDITS, .. }) => Ok("no-credits"),
        Err(AppError::Conflict { code: DONE_ALREADY, .. }) => Ok("done-already"),
        Err(AppError::Conflict { .. }) => Ok("waiting"),
        Err(error) => Err(error.into()),
    }
}

pub fn event_row(event: &Event) -> Row {
    Row {
        path: format!("{EVENTS}/{}", event.id),
        at: instant(event.received_at),
        kind: event.kind.clone(),
        id: event.id.clone(),
        state: event.progress.state.clone(),
        attempts: event.progress.attempts,
        outcome: event.effect.clone().unwrap_or_else(|| outcome(&event.progress)),
    }
}

pub fn work_row(work: &Work) -> Row {
    Row {
        path: format!("{WORK}/{}", work.id),
        at: instant(work.created_at),
        kind: work.kind.clone(),
        id: work.key.clone(),
        state: work.progress.state.clone(),
        attempts: work.progress.attempts,
        outcome: outcome(&work.progress),
    }
}

pub fn event_page(shell: Shell, event: &Event) -> RowPage {
    let mut facts = vec![
        ("Event", event.id.clone()),
        ("Type", event.kind.clone()),
        ("Gateway", event.gateway.clone()),
        ("API version", event.api_version.clone().unwrap_or_default()),
        ("Received", instant(event.received_at)),
        ("Deliveries", event.deliveries.to_string()),
        ("Effect", event.effect.clone().unwrap_or_default()),
    ];
    facts.extend(progress_facts(&event.progress));
    let path = format!("{EVENTS}/{}/replay", event.id);
    let replay = event.progress.has_ended().then_some(path);
    RowPage { shell, facts, body: event.body.clone(), replay, back: EVENTS }
}

pub fn work_page(shell: Shell, work: &Work) -> RowPage {
    let mut facts =
        vec![("Key", work.key.clone()), ("Kind", work.kind.clone()), ("Made", instant(work.created_at))];
    facts.extend(progress_facts(&work.progress));
    let may_replay = work.progress.has_ended() && !work.progress.is_done();
    let replay = may_replay.then(|| format!("{WORK}/{}/replay", work.id));
    RowPage { shell, facts, body: work.payload.clone(), replay, back: WORK }
}

fn progress_facts(progress: &Progress) -> Vec<(&'static str, String)> {
    vec![
        ("State", progress.state.clone()),
        ("Attempts", progress.attempts.to_string()),
        ("Outcome", outcome(progress)),
    ]
}

fn outcome(progress: &Progress) -> String {
    match (&progress.error, progress.done_at) {
        (Some(error), _) => error.clone(),
        (None, Some(at)) => format!("ended {}", instant(at)),
        (None, None) => format!("next attempt {}", instant(progress.next_attempt_at)),
    }
}

pub fn run(schedule: &Schedule) -> Run {
    let next = if schedule.is_running { "running now".to_owned() } else { instant(schedule.next_run_at) };
    Run {
        name: schedule.name.clone(),
        cron: schedule.cron.clone(),
        next,
        last: schedule.last_run_at.map_or_else(|| "never".to_owned(), instant),
        result: schedule.last_result.clone().unwrap_or_default(),
        runs: schedule.runs,
        is_failing: schedule.has_failed == Some(true),
    }
}
