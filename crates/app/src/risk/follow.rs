//! One follower a process: reads the log of signals and keeps the state.
//!
//! Signals are taken in by their place (time, wallet, source, number), and only once they are
//! [`LAG_SECONDS`] old, so that what every process says about an instant is there before it is taken in. The
//! state is then the same in all of them, bit by bit. A page that comes later than that sends the follower
//! back to a snapshot from before it, and it takes everything in again in the right order.

use std::collections::{BTreeMap, HashMap};

use kernel::{Timestamp, WalletId};
use risk::book::Book;
use risk::record::{Place, Record};
use risk::signal::What;
use store::Uuid;
use store::cold::risk::{cases, pages, watchers};

use super::act::Candidate;
use super::intake::{take_in, take_in_again};
use super::standing::Standing;
use super::{act, log, policy, restrict, snapshots, verdict_named};
use crate::work::chain;
use crate::{App, AppError};

/// How old a signal is when it is taken in.
pub const LAG_SECONDS: i64 = 2;
/// Pages written so long ago are looked for once more, because another process's clock or commit may be late.
const OVERLAP_SECONDS: i64 = 60;
/// How often a late page sends the follower back at most: meanwhile more of them may come.
const GOES_BACK_EVERY_SECONDS: i64 = 30;
/// Pages read at once, and in one tick.
pub(super) const PAGES_AT_ONCE: usize = 64;
const PAGES_MAX: u64 = 4_096;
/// How often a process says how far it has come.
const SAYS_EVERY_SECONDS: i64 = 10;
/// Open cases that are remembered at the start.
const OPEN_MAX: u64 = 100_000;

/// What a follower knows between two ticks.
#[derive(Default)]
pub(super) struct Ticker {
    is_started: bool,
    /// Everything before it is in the state, microseconds.
    pub watermark: i64,
    /// What is younger than the watermark.
    pub pending: BTreeMap<Place, What>,
    /// Pages that were read, with the time they were written.
    seen: HashMap<Uuid, i64>,
    /// When the earliest signal happened that came too late and is not in its place yet.
    pub late: Option<i64>,
    /// Since when something that is not in its place yet happened to these wallets.
    pub late_wallets: HashMap<u128, i64>,
    went_back_at: i64,
    said_at: i64,
    pub applied: u64,
    pub snapshot: snapshots::Held,
}

/// What one tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    pub written: usize,
    pub applied: usize,
    /// Cases opened or sharpened.
    pub acted: usize,
}

/// Writes what this process saw, takes in what is old enough, and acts on it.
pub async fn tick(app: &App) -> Result<Tick, AppError> {
    let desk = &app.inner.risk;
    let mut ticker = desk.ticker.lock().await;
    let done = advance(app, &mut ticker).await;
    let now = app.now().micros();
    if done.is_err() || now >= ticker.said_at + SAYS_EVERY_SECONDS * 1_000_000 || now < ticker.said_at {
        ticker.said_at = now;
        say(app, &ticker, done.as_ref().err()).await?;
    }
    done
}

async fn advance(app: &App, ticker: &mut Ticker) -> Result<Tick, AppError> {
    // What this process says while it writes is in no page yet: nothing of that time is taken in.
    let began = app.now();
    let written = log::flush(app).await?;
    policy::refresh(app).await?;
    if !ticker.is_started {
        start(app, ticker).await?;
    }
    if let Some(at) = read_pages(app, ticker).await? {
        ticker.late = Some(ticker.late.map_or(at, |before| before.min(at)));
    }
    let since = app.now().plus_seconds(-GOES_BACK_EVERY_SECONDS).micros();
    let late = go_back_if_late(app, ticker, since).await?;
    act::on_all(app, late).await;
    let until = began.plus_seconds(-LAG_SECONDS).micros();
    let (applied, candidates) = take_in(app, ticker, until).await?;
    let acted = candidates.len();
    act::on_all(app, candidates).await;
    snapshots::keep(app, ticker).await?;
    Ok(Tick { written, applied, acted })
}

/// Ends the process's part: what it saw is written, and the state is kept when nobody else watches. A state that
/// something late is not in its place in is left to the next start, which takes everything since the last
/// snapshot in again: an end has no time for that.
pub async fn stop(app: &App) -> Result<(), AppError> {
    let mut ticker = app.inner.risk.ticker.lock().await;
    log::flush(app).await?;
    if !ticker.is_started {
        return Ok(());
    }
    let since = app.now().plus_seconds(-OVERLAP_SECONDS).micros();
    watchers::leave(app.store(), app.inner.risk.process).await?;
    let others = watchers::since(app.store().reader(), since).await?;
    if others.iter().any(|other| other.process != app.inner.risk.process) {
        return Ok(());
    }
    let is_in_order = read_pages(app, &mut ticker).await?.is_none() && ticker.late.is_none();
    if !is_in_order {
        return Ok(());
    }
    // Nobody else can say anything about these moments any more.
    let until = app.now().micros() + 1;
    let (_, candidates) = take_in(app, &mut ticker, until).await?;
    act::on_all(app, candidates).await;
    snapshots::save_now(app, &ticker).await
}

/// From the newest snapshot that is readable and complete, or made anew from everything that is kept.
async fn start(app: &App, ticker: &mut Ticker) -> Result<(), AppError> {
    let (watermark, book) = match snapshots::newest(app, app.now().micros()).await? {
        Some(found) => {
            ticker.snapshot.taken_at = found.0;
            found
        }
        None => {
            let now = app.now().plus_seconds(-LAG_SECONDS).micros();
            (now, snapshots::made_anew(app, now).await?)
        }
    };
    begin_at(app, ticker, watermark, book).await?;
    for case in cases::all_open(app.store().reader(), OPEN_MAX).await? {
        let standing = Standing {
            verdict: verdict_named(&case.verdict),
            score: case.score,
            is_too_fast: false,
            rest: restrict::rest_of(&case),
        };
        app.inner.risk.standings.set(WalletId::from_uuid(case.wallet), standing);
    }
    ticker.is_started = true;
    tracing::info!(watermark, wallets = app.inner.risk.watch().book().wallets(), "watching for abuse");
    Ok(())
}

async fn begin_at(app: &App, ticker: &mut Ticker, watermark: i64, book: Book) -> Result<(), AppError> {
    ticker.pending.clear();
    ticker.seen.clear();
    ticker.watermark = watermark;
    for ids in pages::ids_reaching(app.store(), watermark).await?.chunks(PAGES_AT_ONCE) {
        for page in pages::by_ids(app.store(), ids.to_vec()).await? {
            drop(remember(ticker, &page)?);
        }
    }
    app.inner.risk.watch().resume(book);
    Ok(())
}

/// Keeps what is to be taken in; answers the records that lie before.
fn remember(ticker: &mut Ticker, page: &pages::Model) -> Result<Vec<Record>, AppError> {
    ticker.seen.insert(page.id, page.written_at);
    let watermark = ticker.watermark;
    let (young, old): (Vec<_>, Vec<_>) =
        log::read(page)?.into_iter().partition(|record| record.place.at >= watermark);
    ticker.pending.extend(young.into_iter().map(|record| (record.place, record.what)));
    Ok(old)
}

/// Reads pages that are new; answers when the earliest record is that comes too late.
async fn read_pages(app: &App, ticker: &mut Ticker) -> Result<Option<i64>, AppError> {
    let since = app.now().plus_seconds(-OVERLAP_SECONDS).micros();
    let found = pages::ids_since(app.store(), since, PAGES_MAX).await?;
    let new: Vec<Uuid> =
        found.into_iter().map(|(id, _)| id).filter(|id| !ticker.seen.contains_key(id)).collect();
    let mut late: Option<i64> = None;
    for ids in new.chunks(PAGES_AT_ONCE) {
        for page in pages::by_ids(app.store(), ids.to_vec()).await? {
            for Place { at, wallet, .. } in remember(ticker, &page)?.into_iter().map(|record| record.place) {
                late = Some(late.map_or(at, |before| before.min(at)));
                let since = ticker.late_wallets.entry(wallet).or_insert(at);
                *since = at.min(*since);
            }
        }
    }
    ticker.seen.retain(|_, written_at| *written_at >= since);
    Ok(late)
}

/// What came too late is taken in, in its place, as soon as the last such time lies before `since`.
async fn go_back_if_late(app: &App, ticker: &mut Ticker, since: i64) -> Result<Vec<Candidate>, AppError> {
    if ticker.went_back_at > since {
        return Ok(Vec::new());
    }
    let Some(at) = ticker.late else { return Ok(Vec::new()) };
    let candidates = go_back(app, ticker, at).await?;
    ticker.late = None;
    ticker.late_wallets.clear();
    ticker.went_back_at = app.now().micros();
    Ok(candidates)
}

/// Takes everything in again from a snapshot before `at`. Wallets of which something came late are looked at again
/// from there on; nothing is acted on twice, because what was seen then has its case.
async fn go_back(app: &App, ticker: &mut Ticker, at: i64) -> Result<Vec<Candidate>, AppError> {
    metrics::counter!("scrip_risk_late_pages_total").increment(1);
    let reached = ticker.watermark;
    let (watermark, book) = match snapshots::newest(app, at).await? {
        Some(found) => found,
        None => (reached, snapshots::made_anew(app, reached).await?),
    };
    begin_at(app, ticker, watermark, book).await?;
    ticker.snapshot.drop_held();
    let candidates = take_in_again(app, ticker, reached).await?;
    ticker.watermark = reached;
    Ok(candidates)
}

async fn say(app: &App, ticker: &Ticker, error: Option<&AppError>) -> Result<(), AppError> {
    let wallets = app.inner.risk.watch().book().wallets();
    let behind = (app.now().micros() - ticker.watermark).max(0);
    #[allow(clippy::cast_precision_loss, reason = "for a gauge")]
    {
        metrics::gauge!("scrip_risk_wallets").set(wallets as f64);
        metrics::gauge!("scrip_risk_behind_seconds").set(behind as f64 / 1e6);
    }
    metrics::gauge!("scrip_risk_is_watching").set(if error.is_some() { 0.0 } else { 1.0 });
    let (failed_acts, dropped, troubled_at) = app.inner.risk.trouble.so_far();
    let watcher = watchers::Model {
        process: app.inner.risk.process,
        seen_at: app.now().micros(),
        watermark: ticker.watermark,
        wallets: i64::try_from(wallets).unwrap_or(i64::MAX),
        applied: i64::try_from(ticker.applied).unwrap_or(i64::MAX),
        error: error.map(|error| chain(error)),
        failed_acts,
        dropped,
        troubled_at,
    };
    Ok(watchers::say(app.store(), watcher).await?)
}

/// A copy of the whole state and the instant (microseconds) up to which everything is in it.
pub async fn state_of(app: &App) -> (i64, Book) {
    let ticker = app.inner.risk.ticker.lock().await;
    (ticker.watermark, app.inner.risk.watch().book().clone())
}

/// The instant up to which everything is in the state. A process that has not begun to follow begins now.
pub(super) async fn caught_up(app: &App) -> Result<Timestamp, AppError> {
    let mut ticker = app.inner.risk.ticker.lock().await;
    if !ticker.is_started {
        policy::refresh(app).await?;
        start(app, &mut ticker).await?;
    }
    Ok(Timestamp::from_micros_saturating(ticker.watermark))
}
