//! Snapshots of the state in the database, so that a start need not begin at the first signal.

use std::collections::VecDeque;

use risk::book::Book;
use risk::stored::{book_from_bytes, book_to_bytes};
use store::StoreError;
use store::cold::risk::{pages, snapshots};

use super::follow::Ticker;
use crate::{App, AppError};

/// How often one is taken.
const EVERY_SECONDS: i64 = 300;
/// A snapshot waits for so long before it is written: a page that comes late would make it wrong.
const SETTLED_SECONDS: i64 = 60;
/// Older ones are forgotten.
const KEPT_SECONDS: i64 = 24 * 3_600;
/// Snapshots that are tried at a start.
const TRIES: u64 = 16;

/// The last snapshot that was taken, until it is settled.
#[derive(Default)]
pub(super) struct Held {
    taken_at: i64,
    waiting: VecDeque<(i64, Vec<u8>)>,
}

impl Held {
    /// What was taken is wrong: something came that belongs before it.
    pub fn drop_held(&mut self) {
        self.waiting.clear();
    }
}

/// Takes one when it is time, and writes one that is settled.
pub(super) async fn keep(app: &App, ticker: &mut Ticker) -> Result<(), AppError> {
    let (watermark, micros) = (ticker.watermark, 1_000_000);
    if ticker.late.is_none() && watermark >= ticker.snapshot.taken_at + EVERY_SECONDS * micros {
        let bytes = bytes_of(app)?;
        ticker.snapshot.taken_at = watermark;
        ticker.snapshot.waiting.push_back((watermark, bytes));
    }
    while let Some((taken_at, bytes)) = ticker.snapshot.waiting.front() {
        if watermark < taken_at + SETTLED_SECONDS * micros {
            break;
        }
        snapshots::save(app.store(), *taken_at, app.now().micros(), bytes).await?;
        snapshots::forget(app.store(), taken_at - KEPT_SECONDS * micros).await?;
        ticker.snapshot.waiting.pop_front();
    }
    Ok(())
}

/// Writes the state as it is.
pub(super) async fn save_now(app: &App, ticker: &Ticker) -> Result<(), AppError> {
    let bytes = bytes_of(app)?;
    Ok(snapshots::save(app.store(), ticker.watermark, app.now().micros(), &bytes).await?)
}

fn bytes_of(app: &App) -> Result<Vec<u8>, AppError> {
    let bytes = book_to_bytes(app.inner.risk.watch().book());
    Ok(bytes.map_err(|e| StoreError::Corrupt(format!("risk snapshot: {e}")))?)
}

/// The newest one of `until` or before that can be read and to which nothing came later.
pub(super) async fn newest(app: &App, until: i64) -> Result<Option<(i64, Book)>, AppError> {
    for watermark in snapshots::watermarks(app.store(), until, TRIES).await? {
        let Some((taken_at, bytes)) = snapshots::load(app.store(), watermark).await? else { continue };
        if pages::is_late(app.store(), watermark, taken_at).await? {
            continue;
        }
        match book_from_bytes(&bytes) {
            Ok(book) => return Ok(Some((watermark, book))),
            Err(error) => tracing::warn!(watermark, %error, "a snapshot of the risk state cannot be used"),
        }
    }
    Ok(None)
}
