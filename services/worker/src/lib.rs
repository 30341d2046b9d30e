//! The background work: events of gateways, credits and calls of the outbox, mails, and what recurs.
//!
//! Any number of workers may run; leases in the database keep them off each other's rows. Each loop works
//! until nothing is due, then sleeps until a bell of this process rings or it is time to look again.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use app::{App, AppError, mails, risk, work};
use futures::future::join_all;
use mail::Transport;
use tokio::sync::{Notify, watch};

/// How soon another process's work is found, and what became due by time.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// After a round that failed as a whole, which means that the database does not answer.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// How often signals are written and taken in.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// Watches for abuse until `stop`: writes what this process saw, takes in what all saw, acts on it, and does what
/// recurs around it. A round that fails is tried again; requests go through meanwhile.
pub async fn watch(app: App, stop: impl Future<Output = ()>) {
    let (stopping, is_stopping) = watch::channel(false);
    let (bells, stops) = (app.bells(), || is_stopping.clone());
    let asked = async {
        stop.await;
        risk::end_soon(&app);
        let _ = stopping.send(true);
    };
    let schedules = work::RISK_SCHEDULES.map(|schedule| {
        let app = &app;
        repeat(schedule.name, &bells.schedules, stops(), move || work::schedule_round(app, schedule))
    });
    // What was seen is written also while the watch is busy, at a start for instance.
    let told = every("risk log", stops(), || risk::flush(&app));
    let ticks = every("risk watch", stops(), || risk::tick(&app));
    tokio::join!(asked, told, ticks, join_all(schedules));
    if let Err(error) = risk::stop(&app).await {
        tracing::warn!(%error, "the risk state was not kept; the next start makes it anew");
    }
}

/// For a process that serves no calls of its own to watch: what it saw is told to those that do.
pub async fn tell(app: App, stop: impl Future<Output = ()>) {
    let (stopping, is_stopping) = watch::channel(false);
    let asked = async {
        stop.await;
        let _ = stopping.send(true);
    };
    let told = every("risk log", is_stopping.clone(), || risk::flush(&app));
    tokio::join!(asked, told);
    if let Err(error) = risk::flush(&app).await {
        tracing::warn!(%error, "the last risk signals were not written");
    }
}

async fn every<F, R, T>(name: &'static str, mut stop: watch::Receiver<bool>, round: F)
where
    F: Fn() -> R,
    R: Future<Output = Result<T, AppError>>,
{
    while !*stop.borrow() {
        let pause = match round().await {
            Ok(_) => WATCH_EVERY,
            Err(_) if *stop.borrow() => return,
            Err(error) => {
                tracing::error!(%error, name, "a round of the watch failed; requests go through unjudged");
                PAUSE_AFTER_FAILURE
            }
        };
        let _ = tokio::time::timeout(pause, stop.changed()).await;
    }
}

/// Works until `stop`, then finishes what is under way.
pub async fn run(app: App, mails: Transport, stop: impl Future<Output = ()>) {
    let (stopping, is_stopping) = watch::channel(false);
    let (bells, stops) = (app.bells(), || is_stopping.clone());
    let asked = async {
        stop.await;
        let _ = stopping.send(true);
    };
    // A loop each: what takes an hour holds up no other.
    let schedules = work::SCHEDULES.map(|schedule| {
        let app = &app;
        repeat(schedule.name, &bells.schedules, stops(), move || work::schedule_round(app, schedule))
    });
    tokio::join!(
        asked,
        bring_up(&app, stops()),
        repeat("inbox", &bells.inbox, stops(), || work::inbox_round(&app)),
        repeat("outbox", &bells.outbox, stops(), || work::outbox_round(&app)),
        repeat("mails", &bells.mails, stops(), || mails_round(&app, &mails)),
        join_all(schedules),
    );
}

/// Once: what a process that was killed left behind.
async fn bring_up(app: &App, mut stop: watch::Receiver<bool>) {
    let stopped = stop.wait_for(|is_stopping| *is_stopping);
    tokio::select! {
        found = app.engine().bring_up() => match found {
            Ok(0) => {}
            Ok(wallets) => tracing::info!(wallets, "projections that were left behind are brought up"),
            Err(error) => tracing::warn!(%error, "projections may be behind until their wallets are used"),
        },
        _ = stopped => {}
    }
}

/// Everything that is due now and what follows from it; answers how many pieces that were. For tests,
/// which leave nothing to time.
pub async fn drain(app: &App, mails: &Transport) -> Result<usize, AppError> {
    let mut done = 0;
    loop {
        let round = work::schedules_round(app).await?
            + work::inbox_round(app).await?
            + work::outbox_round(app).await?
            + mails_round(app, mails).await?;
        if round == 0 {
            return Ok(done);
        }
        done += round;
    }
}

async fn repeat<F, R>(name: &'static str, bell: &Notify, mut stop: watch::Receiver<bool>, round: F)
where
    F: Fn() -> R,
    R: Future<Output = Result<usize, AppError>>,
{
    while !*stop.borrow() {
        let pause = match round().await {
            Ok(0) => LOOK_AGAIN_AFTER,
            Ok(_) => continue,
            Err(error) => {
                tracing::error!(%error, name, "a round of work failed");
                PAUSE_AFTER_FAILURE
            }
        };
        let (rung, changed) = (pin!(bell.notified()), pin!(stop.changed()));
        tokio::select! {
            () = rung => {}
            _ = changed => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn mails_round(app: &App, mails: &Transport) -> Result<usize, AppError> {
    let run = mails::send_due(app, mails).await?;
    Ok(usize::try_from(run.sent + run.put_off + run.failed).unwrap_or(usize::MAX))
}
