//! Work that happens after the answer: what is due in the outbox and the inbox, what recurs, what time
//! owes to wallets that nobody uses. Every function may run in many processes at once and at any time.

use engine::{EngineCommand, EngineError, KeyedInput, Request};
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream;
use jobs::{Backoff, Claim, Outcome, Queue, Schedule};
use kernel::{Timestamp, WalletId};
use store::Uuid;
use store::cold::{inbox, outbox, queue, schedules};
use tokio::sync::Notify;

use crate::accounts;
use crate::payments;
use crate::{App, AppError, Principal, notices, outages, retention, risk, verification};

/// Claims of one round of a queue.
const ROUND: u64 = 64;
/// Claimed rows that are worked on at once.
const AT_ONCE: usize = 8;
/// A worker that dies gives its rows back after this long. Handlers may run twice, so it is short.
const LEASE_SECONDS: i64 = 30;
/// The gateway's idempotency keys live a day; a caller has long gone.
const OPENING: Backoff = Backoff { first_seconds: 5, longest_seconds: 600, attempts_max: 12 };
/// Wallets settled at once, in one round, and rounds in one run.
const SETTLED_AT_ONCE: usize = 64;
const SETTLED_ROUND: u64 = 500;
const SETTLED_ROUNDS: u32 = 20;

/// How far back the reconciler looks every minute.
const REACH_SECONDS: i64 = 2 * 3_600;
/// How far back it looks every hour, counted from the last such run that succeeded.
const LONG_REACH_SECONDS: i64 = 72 * 3_600;
/// How far back it looks after the longest silence: Stripe keeps events for 30 days.
const REACH_MAX_SECONDS: i64 = 30 * 86_400;

/// Everything that recurs. The last one tells operators of an outage, so it comes after what caught up.
pub const SCHEDULES: [Schedule; 11] = [
    Schedule { name: "reconcile", cron: "* * * * *", lease_seconds: 300 },
    Schedule { name: "reconcile_long", cron: "7 * * * *", lease_seconds: 900 },
    Schedule { name: "settle_idle_wallets", cron: "* * * * *", lease_seconds: 300 },
    VERIFY,
    Schedule { name: "seal", cron: "* * * * *", lease_seconds: 3_600 },
    Schedule { name: "forget", cron: "41 4 * * *", lease_seconds: 3_600 },
    RISK_PULSE,
    RISK_TRAIN,
    RISK_DIGEST,
    Schedule { name: "notices", cron: "*/5 * * * *", lease_seconds: 900 },
    CATCH_UP,
];

/// What recurs where abuse is watched for.
pub const RISK_SCHEDULES: [Schedule; 3] = [RISK_PULSE, RISK_TRAIN, RISK_DIGEST];

const RISK_PULSE: Schedule = Schedule { name: "risk_pulse", cron: "* * * * *", lease_seconds: 60 };
const RISK_TRAIN: Schedule = Schedule { name: "risk_train", cron: "23 2 * * *", lease_seconds: 3_600 };
const RISK_DIGEST: Schedule = Schedule { name: "risk_digest", cron: "0 7 * * *", lease_seconds: 300 };
const CATCH_UP: Schedule = Schedule { name: "catch_up", cron: "*/5 * * * *", lease_seconds: 300 };
pub(crate) const VERIFY: Schedule = Schedule { name: "verify", cron: "17 3 * * *", lease_seconds: 3_600 };

/// Rung when there is new work, so that it need not wait for the next look.
#[derive(Debug, Default)]
pub struct Bells {
    pub outbox: Notify,
    pub inbox: Notify,
    pub mails: Notify,
    pub schedules: Notify,
}

/// Works off what is due in the outbox; answers how many rows were ours.
pub async fn outbox_round(app: &App) -> Result<usize, AppError> {
    let claims =
        jobs::claim_due::<Uuid>(app.store(), Queue::Outbox, (app.now(), LEASE_SECONDS), ROUND).await?;
    let count = claims.len();
    let each = stream::iter(claims).map(|claim| work_off(app, claim));
    each.buffer_unordered(AT_ONCE).for_each(|done| async { log(done) }).await;
    Ok(count)
}

/// Works off what is due in the inbox; answers how many events were ours.
pub async fn inbox_round(app: &App) -> Result<usize, AppError> {
    let claims =
        jobs::claim_due::<String>(app.store(), Queue::Inbox, (app.now(), LEASE_SECONDS), ROUND).await?;
    let count = claims.len();
    let each = stream::iter(claims).map(|claim| handle_event(app, claim));
    each.buffer_unordered(AT_ONCE).for_each(|done| async { log(done) }).await;
    Ok(count)
}

/// Runs every schedule that is due and not running elsewhere, all at once and the last one after the
/// others; answers how many that were.
pub async fn schedules_round(app: &App) -> Result<usize, AppError> {
    let [others @ .., last] = &SCHEDULES;
    let rounds = join_all(others.iter().map(|schedule| schedule_round(app, *schedule))).await;
    let ran: usize = rounds.into_iter().sum::<Result<_, _>>()?;
    Ok(ran + schedule_round(app, *last).await?)
}

/// Runs one schedule if it is due and not running elsewhere; answers how often it ran. The last one of
/// [`SCHEDULES`] waits until no other is due or running.
pub async fn schedule_round(app: &App, schedule: Schedule) -> Result<usize, AppError> {
    jobs::prepare(app.store(), schedule, app.now()).await?;
    if schedule == CATCH_UP {
        let rows = schedules::all(app.store().reader()).await?;
        let now = app.now().micros();
        if rows.iter().any(|row| row.name != CATCH_UP.name && row.next_run_at <= now) {
            return Ok(0);
        }
    }
    let Some(turn) = jobs::begin(app.store(), schedule, app.now()).await? else { return Ok(0) };
    let result = run(app, schedule.name, turn.due_at).await.map_err(|error| chain(&error));
    if let Err(error) = &result {
        tracing::error!(schedule = schedule.name, error, "a schedule failed");
    }
    jobs::finish(app.store(), turn, result, app.now()).await?;
    Ok(1)
}

async fn run(app: &App, name: &str, due_at: Timestamp) -> Result<String, AppError> {
    match name {
        "reconcile" => payments::reconcile(app, app.now().plus_seconds(-REACH_SECONDS)).await,
        "reconcile_long" => payments::reconcile_long(app, long_reach(app, name).await?).await,
        "verify" => {
            let run = verification::run(app, &Principal::system()).await?;
            Ok(format!("{} breaks in {} wallets", run.breaks, run.found.wallets))
        }
        "seal" => seal(app).await.map(|rows| format!("{rows} journal rows sealed")),
        "forget" => retention::run(app).await,
        "settle_idle_wallets" => settle_idle_wallets(app).await.map(|n| format!("{n} wallets settled")),
        "risk_pulse" => risk::pulse::look(app).await,
        "risk_train" => risk::nightly(app).await,
        "risk_digest" => risk::daily(app, due_at).await,
        "catch_up" => outages::tell(app, due_at).await,
        _ => {
            let found = notices::scan(app).await?;
            app.bells().mails.notify_one();
            Ok(format!("{} expiring, {} low", found.expiring, found.low))
        }
    }
}

/// The oldest instant that may be looked at, and the one since which everything is: whatever began or was
/// paid after the last run that succeeded lies after it. Without such a run both are the same.
async fn long_reach(app: &App, name: &str) -> Result<(Timestamp, Timestamp), AppError> {
    let now = app.now();
    let oldest = now.plus_seconds(-REACH_MAX_SECONDS);
    let succeeded = schedules::by_name(app.store().reader(), name).await?.and_then(|row| row.last_success_at);
    let since = succeeded.map_or(oldest, |at| {
        Timestamp::from_micros_saturating(at).min(now).plus_seconds(-LONG_REACH_SECONDS).max(oldest)
    });
    Ok((oldest, since))
}

/// Seals the older half when the journal's hot table has grown beyond `hot_rows`; answers how many rows.
async fn seal(app: &App) -> Result<u64, AppError> {
    let limit = app.config().hot_rows;
    if store::seal::hot_rows(app.store()).await? <= limit {
        return Ok(0);
    }
    Ok(store::seal::seal_beside(app.store(), limit / 2).await?)
}

/// Posts what time owes to wallets that nobody uses; answers to how many.
pub async fn settle_idle_wallets(app: &App) -> Result<usize, AppError> {
    let mut settled = 0;
    for _ in 0..SETTLED_ROUNDS {
        let due = store::due::wallets(app.store(), app.now(), SETTLED_ROUND).await?;
        let results: Vec<Result<bool, AppError>> = stream::iter(due)
            .map(|wallet| settle(app, wallet))
            .buffer_unordered(SETTLED_AT_ONCE)
            .collect()
            .await;
        let count =
            results.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().filter(|done| *done).count();
        settled += count;
        if count == 0 {
            break;
        }
    }
    Ok(settled)
}

async fn settle(app: &App, wallet: WalletId) -> Result<bool, AppError> {
    let request = Request {
        wallet,
        key: KeyedInput::Time,
        command: EngineCommand::Settle,
        about: None,
        vendor_transaction: None,
    };
    match app.engine().submit(request).await {
        Ok(_) => Ok(true),
        Err(EngineError::NothingDue) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Works off one row of the outbox at once, if it is due and nobody else has it.
pub(crate) async fn attempt_outbox(app: &App, id: Uuid) -> Result<(), AppError> {
    let token = kernel::new_uuid();
    let (now, until) = (app.now().micros(), app.now().plus_seconds(LEASE_SECONDS).micros());
    if queue::claim(app.store(), Queue::Outbox, id, token, (now, until)).await? {
        work_off(app, Claim { id, token }).await?;
    }
    Ok(())
}

async fn work_off(app: &App, claim: Claim<Uuid>) -> Result<(), AppError> {
    let Some(work) = outbox::by_id(app.store().reader(), claim.id).await? else { return Ok(()) };
    let done = match work.kind.as_str() {
        payments::CREDIT_COMMAND => payments::move_credits(app, &work).await,
        payments::OPEN_CHECKOUT => payments::open_at_gateway(app, &work).await,
        accounts::PASSWORD_RESET => accounts::send_reset(app, &work).await,
        risk::RISK_ORDER => risk::carry_out(app, &work).await,
        payments::REFUND => payments::refund_at_gateway(app, &work).await,
        kind => Ok(Outcome::Failed { error: format!("nobody here handles {kind}") }),
    };
    let outcome = done.unwrap_or_else(|error| Outcome::Retry { error: chain(&error) });
    let backoff = if work.kind == payments::OPEN_CHECKOUT { OPENING } else { Backoff::CALLS };
    let attempts = u32::try_from(work.attempts).unwrap_or(1);
    let state =
        jobs::conclude(app.store(), Queue::Outbox, claim.token, &outcome, (attempts, backoff, app.now()))
            .await?;
    report("outbox", &work.key, &outcome, state);
    if state == queue::FAILED && work.kind == payments::OPEN_CHECKOUT {
        payments::give_up_opening(app, &work).await?;
    }
    Ok(())
}

async fn handle_event(app: &App, claim: Claim<String>) -> Result<(), AppError> {
    let Some(event) = inbox::by_id(app.store().reader(), &claim.id).await? else { return Ok(()) };
    let done = payments::process(app, &claim, &event).await;
    let outcome = done.unwrap_or_else(|error| Outcome::Retry { error: chain(&error) });
    let attempts = u32::try_from(event.attempts).unwrap_or(1);
    let plan = (attempts, Backoff::CALLS, app.now());
    let state = jobs::conclude(app.store(), Queue::Inbox, claim.token, &outcome, plan).await?;
    report("inbox", &claim.id, &outcome, state);
    Ok(())
}

fn report(queue: &'static str, row: &str, outcome: &Outcome, state: &'static str) {
    metrics::counter!("scrip_jobs_total", "queue" => queue, "state" => state).increment(1);
    match outcome {
        Outcome::Failed { error } | Outcome::Retry { error } if state == queue::FAILED => {
            tracing::error!(queue, row, error, "a dead letter");
        }
        Outcome::Retry { error } => tracing::warn!(queue, row, error, "tried again later"),
        _ => {}
    }
}

fn log(done: Result<(), AppError>) {
    if let Err(error) = done {
        // The lease ends by itself, then the row is tried again.
        tracing::error!(error = chain(&error), "a job could not be concluded");
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
