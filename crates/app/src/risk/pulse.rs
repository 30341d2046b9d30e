//! Is anybody watching? Requests go through when nobody is, so operators must hear of it.

use std::sync::atomic::{AtomicI64, Ordering};

use kernel::Timestamp;
use store::cold::risk::watchers;
use store::{Store, StoreError};

use super::alerts;
use super::recover::recover;
use super::restrict::learn_holds;
use crate::{App, AppError};

/// A watch that has not come so far is one that stands still.
pub const BEHIND_SECONDS: i64 = 120;

/// How the watch over abuse does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// Nobody ever watched here.
    Never,
    Watching {
        watermark: Timestamp,
        wallets: i64,
    },
    /// Since when, and why if somebody said so.
    Still {
        since: Timestamp,
        error: Option<String>,
    },
}

/// Of all processes on this database, the one that has come furthest.
pub async fn pulse(store: &Store, now: Timestamp) -> Result<Pulse, StoreError> {
    let recent = now.plus_seconds(-BEHIND_SECONDS).micros();
    let furthest = watchers::since(store.reader(), recent).await?.into_iter().next();
    let watcher = match furthest {
        Some(furthest) => Some(furthest),
        // It may be one that has said its first word only now.
        None => watchers::last(store.reader()).await?,
    };
    let at = Timestamp::from_micros_saturating;
    Ok(match watcher {
        None => Pulse::Never,
        Some(watcher) if watcher.seen_at >= recent && watcher.watermark >= recent => {
            Pulse::Watching { watermark: at(watcher.watermark), wallets: watcher.wallets }
        }
        Some(watcher) => Pulse::Still { since: at(watcher.watermark), error: watcher.error },
    })
}

/// What went wrong in this process since it began.
#[derive(Default)]
pub(super) struct Trouble {
    failed_acts: AtomicI64,
    dropped: AtomicI64,
    /// Microseconds; 0 when nothing did.
    at: AtomicI64,
}

impl Trouble {
    pub fn act_failed(&self, now: Timestamp) {
        self.failed_acts.fetch_add(1, Ordering::Relaxed);
        self.at.store(now.micros(), Ordering::Relaxed);
    }

    pub fn dropped(&self, signals: u64, now: Timestamp) {
        self.dropped.fetch_add(i64::try_from(signals).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.at.store(now.micros(), Ordering::Relaxed);
    }

    /// Failed acts, dropped signals, and when the last of these was.
    pub fn so_far(&self) -> (i64, i64, Option<i64>) {
        let at = self.at.load(Ordering::Relaxed);
        let (failed, dropped) = (&self.failed_acts, &self.dropped);
        (failed.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed), (at != 0).then_some(at))
    }
}

/// The schedule that looks every minute: one mail to operators for each time the watch stands still, in all processes
/// or in one of them, and one a day when something was missed.
pub(crate) async fn look(app: &App) -> Result<String, AppError> {
    let recent = app.now().plus_seconds(-BEHIND_SECONDS).micros();
    let watchers = watchers::since(app.store().reader(), recent).await?;
    let is_seeing = watchers.iter().any(|watcher| watcher.watermark >= recent);
    for blind in watchers.iter().filter(|watcher| is_seeing && watcher.watermark < recent) {
        let since = Timestamp::from_micros_saturating(blind.watermark);
        alerts::of_blind_process(app, blind.process, (since, blind.error.as_deref())).await?;
    }
    if is_seeing {
        for gone in watchers::before(app.store().reader(), recent).await? {
            recover(app, &gone).await?;
        }
    }
    learn_holds(app).await?;
    let troubled = watchers.iter().filter(|w| w.troubled_at.is_some_and(|at| at >= recent));
    let missed = troubled.fold((0, 0), |(acts, dropped), w| (acts + w.failed_acts, dropped + w.dropped));
    if missed != (0, 0) {
        alerts::of_trouble(app, app.now(), missed).await?;
    }
    match pulse(app.store(), app.now()).await? {
        Pulse::Never => Ok("nobody watches here".to_owned()),
        Pulse::Watching { watermark, wallets } => Ok(format!("{wallets} wallets watched up to {watermark}")),
        Pulse::Still { since, error } => {
            alerts::of_standstill(app, since, error.as_deref()).await?;
            Ok(format!("the watch stands still since {since}"))
        }
    }
}
