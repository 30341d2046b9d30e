//! Snapshots of the state in the database, so that a start need not begin at the first signal.

use std::collections::VecDeque;

use risk::book::Book;
use risk::stored::{book_from_bytes, book_to_bytes};
use store::StoreError;
use store::cold::risk::{pages, snapshots};

use super::follow::Ticker;
use super::rebuild::rebuild;
use crate::{App, AppError};

/// How often one is taken at most.
const EVERY_SECONDS: i64 = 300;
/// However little happened, after so long: pages of the log are kept for some days only.
const AT_LEAST_EVERY_SECONDS: i64 = 6 * 3_600;
/// A snapshot waits for so long before it is written: a page that comes late would make it wrong.
const SETTLED_SECONDS: i64 = 60;
/// Older ones are forgotten.
const KEPT: u64 = 6;
/// Snapshots that are tried at a start.
const TRIES: u64 = 16;

/// Snapshots that were taken, until they are settled.
#[derive(Default)]
pub(super) struct Held {
    /// The watermark of the newest, or of that which this process began with.
    pub taken_at: i64,
    /// Signals that were in the state then.
    applied: u64,
    waiting: VecDeque<(i64, Vec<u8>)>,
}

impl Held {
    /// What was taken is wrong: something came that belongs before it.
    pub fn drop_held(&mut self) {
        self.waiting.clear();
    }

    /// Writing a snapshot costs by the wallets, doing without one by the signals that are taken in again: it is
    /// time when there are as many of these.
    fn is_due(&self, watermark: i64, applied: u64, wallets: usize) -> bool {
        let is_after = |seconds: i64| watermark >= self.taken_at + seconds * 1_000_000;
        let is_worth_it = applied.saturating_sub(self.applied) >= wallets as u64;
        is_after(EVERY_SECONDS) && (is_worth_it || is_after(AT_LEAST_EVERY_SECONDS))
    }
}

/// Takes one when it is time, and writes one that is settled.
pub(super) async fn keep(app: &App, ticker: &mut Ticker) -> Result<(), AppError> {
    let (watermark, wallets) = (ticker.watermark, app.inner.risk.watch().book().wallets());
    if ticker.late.is_none() && ticker.snapshot.is_due(watermark, ticker.applied, wallets) {
        let bytes = bytes_of(app.inner.risk.watch().book())?;
        (ticker.snapshot.taken_at, ticker.snapshot.applied) = (watermark, ticker.applied);
        ticker.snapshot.waiting.push_back((watermark, bytes));
    }
    while let Some((taken_at, bytes)) = ticker.snapshot.waiting.front() {
        if watermark < taken_at + SETTLED_SECONDS * 1_000_000 {
            break;
        }
        if !is_kept_by_another(app, *taken_at).await? {
            snapshots::save(app.store(), *taken_at, app.now().micros(), bytes).await?;
            forget(app).await?;
        }
        ticker.snapshot.waiting.pop_front();
    }
    Ok(())
}

/// All processes have the same state; one of them writes it.
async fn is_kept_by_another(app: &App, taken_at: i64) -> Result<bool, AppError> {
    let newest = snapshots::watermarks(app.store(), i64::MAX, 1).await?;
    Ok(newest.first().is_some_and(|newest| *newest > taken_at - EVERY_SECONDS * 1_000_000))
}

async fn forget(app: &App) -> Result<(), AppError> {
    let kept = snapshots::watermarks(app.store(), i64::MAX, KEPT).await?;
    let Some(oldest) = kept.last() else { return Ok(()) };
    Ok(snapshots::forget(app.store(), *oldest).await?)
}

/// Writes the state as it is.
pub(super) async fn save_now(app: &App, ticker: &Ticker) -> Result<(), AppError> {
    let bytes = bytes_of(app.inner.risk.watch().book())?;
    Ok(snapshots::save(app.store(), ticker.watermark, app.now().micros(), &bytes).await?)
}

/// Made anew from everything that is kept, and written: what comes late afterwards goes back to this and not to the
/// journal's first entry.
pub(super) async fn made_anew(app: &App, watermark: i64) -> Result<Book, AppError> {
    let taken_at = app.now().micros();
    let book = rebuild(app, watermark).await?;
    snapshots::save(app.store(), watermark, taken_at, &bytes_of(&book)?).await?;
    Ok(book)
}

fn bytes_of(book: &Book) -> Result<Vec<u8>, AppError> {
    Ok(book_to_bytes(book).map_err(|e| StoreError::Corrupt(format!("risk snapshot: {e}")))?)
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
