//! Is anybody watching? Requests go through when nobody is, so operators must hear of it.

use kernel::Timestamp;
use store::cold::risk::watchers;
use store::{Store, StoreError};

use super::alerts;
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
    let at = Timestamp::from_micros_saturating;
    if let Some(watcher) = furthest {
        return Ok(if watcher.watermark >= recent {
            Pulse::Watching { watermark: at(watcher.watermark), wallets: watcher.wallets }
        } else {
            Pulse::Still { since: at(watcher.watermark), error: watcher.error }
        });
    }
    let last = watchers::last(store.reader()).await?;
    Ok(last
        .map_or(Pulse::Never, |watcher| Pulse::Still { since: at(watcher.watermark), error: watcher.error }))
}

/// The schedule that looks every minute: one mail to operators for each time the watch stands still.
pub(crate) async fn look(app: &App) -> Result<String, AppError> {
    match pulse(app.store(), app.now()).await? {
        Pulse::Never => Ok("nobody watches here".to_owned()),
        Pulse::Watching { watermark, wallets } => Ok(format!("{wallets} wallets watched up to {watermark}")),
        Pulse::Still { since, error } => {
            alerts::of_standstill(app, since, error.as_deref()).await?;
            Ok(format!("the watch stands still since {since}"))
        }
    }
}
