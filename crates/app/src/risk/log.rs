//! The log of signals: what this process saw waits here for a moment, then it is a page that all processes read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Committed, Engine, Tap};
use kernel::new_uuid;
use risk::record::Record;
use risk::stored::{LoadError, records_from_bytes, records_to_bytes};
use store::StoreError;
use store::cold::risk::pages;

use super::signals;
use crate::{App, AppError};

/// Records that wait at most; about a minute of a busy process. Beyond it they are dropped and counted, and the
/// next rebuild from the journal has them again.
const WAITING_MAX: usize = 200_000;
/// Committed entries that wait at most, until they are such records.
const COMMITTED_MAX: usize = 100_000;
/// Records of one page.
const PAGE_MAX: usize = 20_000;
/// Entries that are read before others have their turn.
const ENTRIES_AT_ONCE: usize = 1_000;

pub(super) struct Log {
    /// What this process's engine committed since the last page.
    tap: Arc<Tap>,
    /// What else it saw.
    waiting: Mutex<Vec<Record>>,
    /// Entries that did not fit into the tap and were told of.
    dropped: AtomicU64,
}

impl Log {
    pub fn of(engine: &Engine) -> Log {
        Log {
            tap: engine.follow(&signals::KINDS, COMMITTED_MAX),
            waiting: Mutex::default(),
            dropped: AtomicU64::new(0),
        }
    }

    fn push(&self, record: Record) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING_MAX {
            waiting.push(record);
        } else {
            metrics::counter!("scrip_risk_signals_dropped_total").increment(1);
        }
    }

    fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was committed becomes signals here and not where it was committed: nobody waits for it.
    async fn read_tap(&self) {
        for entries in self.tap.take().chunks(ENTRIES_AT_ONCE) {
            let of_entry = |committed: &Committed| signals::of_entry(committed.wallet, &committed.entry);
            entries.iter().filter_map(of_entry).for_each(|record| self.push(record));
            tokio::task::yield_now().await;
        }
        let dropped = self.tap.dropped();
        let before = self.dropped.swap(dropped, Ordering::Relaxed);
        if dropped > before {
            tracing::warn!(
                entries = dropped - before,
                "more was committed than the watch could take; scores miss it until the state is made anew"
            );
        }
    }

    fn give_back(&self, records: Vec<Record>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = std::mem::replace(&mut *waiting, records);
        waiting.extend(newer);
    }
}

/// Takes in something that has happened and is committed. Never waits and never fails.
pub fn say(app: &App, record: Record) {
    app.inner.risk.log.push(record);
}

/// Writes what was said since as pages. Every process does so about once a second; nothing is lost when the
/// database does not answer.
pub async fn flush(app: &App) -> Result<usize, AppError> {
    let log = &app.inner.risk.log;
    log.read_tap().await;
    let mut records = log.take();
    records.sort_unstable_by_key(|record| record.place);
    records.dedup_by_key(|record| record.place);
    let count = records.len();
    for at in (0..count).step_by(PAGE_MAX) {
        let page = &records[at..count.min(at + PAGE_MAX)];
        if let Err(error) = write(app, page).await {
            log.give_back(records.split_off(at));
            return Err(error);
        }
    }
    Ok(count)
}

async fn write(app: &App, records: &[Record]) -> Result<(), AppError> {
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(()) };
    let page = pages::Model {
        id: new_uuid(),
        process: app.inner.risk.process,
        first_at: first.place.at,
        last_at: last.place.at,
        written_at: app.now().micros(),
        records: i32::try_from(records.len()).unwrap_or(i32::MAX),
        bytes: records_to_bytes(records).map_err(|e| unreadable(&e))?,
    };
    Ok(pages::insert(app.store(), page).await?)
}

pub(super) fn read(page: &pages::Model) -> Result<Vec<Record>, AppError> {
    Ok(records_from_bytes(&page.bytes).map_err(|e| unreadable(&e))?)
}

fn unreadable(error: &LoadError) -> StoreError {
    StoreError::Corrupt(format!("page of risk signals: {error}"))
}
