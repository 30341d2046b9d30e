//! The log of signals: what this process saw waits here for a moment, then it is a page that all processes read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Engine, Tap};
use kernel::{WalletId, new_uuid};
use ledger::Entry;
use risk::record::Record;
use risk::stored::{LoadError, records_from_bytes, records_to_bytes};
use store::StoreError;
use store::cold::risk::pages;

use super::signals;
use crate::{App, AppError, prints};

/// Records that wait at most; about a minute of a busy process. Beyond it they are dropped and counted, and the
/// next rebuild from the journal has them again.
const WAITING_MAX: usize = 200_000;
/// Entries that are read before others have their turn.
const ENTRIES_AT_ONCE: usize = 1_000;
/// Records of one page.
const PAGE_MAX: usize = 20_000;

pub(super) struct Log {
    /// What this process's engine committed since the last page.
    tap: Arc<Tap<Committed>>,
    /// What else it saw.
    waiting: Mutex<Vec<Record>>,
    /// Signals that did not fit into the tap and were told of.
    dropped: AtomicU64,
}

/// What a writer leaves here of an entry. Facts are read later, when no caller waits for it.
enum Committed {
    Signal(Record),
    Unread(WalletId, Arc<Entry>),
}

fn keep(wallet: WalletId, entry: &Arc<Entry>) -> Option<Committed> {
    if prints::has_context(entry) {
        return Some(Committed::Unread(wallet, entry.clone()));
    }
    signals::of_entry(wallet, entry).map(Committed::Signal)
}

impl Log {
    pub fn of(engine: &Engine) -> Log {
        Log {
            tap: engine.follow(&signals::KINDS, WAITING_MAX, keep),
            waiting: Mutex::default(),
            dropped: AtomicU64::new(0),
        }
    }

    /// False when there is no room.
    fn push(&self, record: Record) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = waiting.len() < WAITING_MAX;
        if has_room {
            waiting.push(record);
        }
        has_room
    }

    fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers how many signals of what was committed there was no room for.
    async fn read_tap(&self) -> u64 {
        let mut committed = Vec::new();
        for (n, kept) in self.tap.take().into_iter().enumerate() {
            committed.extend(match kept {
                Committed::Signal(record) => Some(record),
                Committed::Unread(wallet, entry) => signals::of_entry(wallet, &entry),
            });
            if n % ENTRIES_AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let room = WAITING_MAX.saturating_sub(waiting.len());
        let lost = committed.len().saturating_sub(room);
        waiting.extend(committed.into_iter().take(room));
        drop(waiting);
        let dropped = self.tap.dropped();
        let before = self.dropped.swap(dropped, Ordering::Relaxed);
        lost as u64 + dropped.saturating_sub(before)
    }

    fn give_back(&self, records: Vec<Record>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = std::mem::replace(&mut *waiting, records);
        waiting.extend(newer);
    }
}

/// Takes in something that has happened and is committed. Never waits and never fails.
pub fn say(app: &App, record: Record) {
    if !app.inner.risk.log.push(record) {
        lost(app, 1);
    }
}

/// Counted, and told to operators.
fn lost(app: &App, signals: u64) {
    metrics::counter!("scrip_risk_signals_dropped_total").increment(signals);
    app.inner.risk.trouble.dropped(signals, app.now());
}

/// Writes what was said since as pages. Every process does so about once a second; nothing is lost when the
/// database does not answer.
pub async fn flush(app: &App) -> Result<usize, AppError> {
    let log = &app.inner.risk.log;
    let dropped = log.read_tap().await;
    if dropped > 0 {
        lost(app, dropped);
        tracing::warn!(
            signals = dropped,
            "more was committed than the watch could take; scores miss it until the state is made anew"
        );
    }
    let mut records = log.take();
    let done = write_all(app, &mut records).await;
    if done.is_err() {
        log.give_back(records);
    }
    done
}

/// Writes records in order; those that were not written stay when the database does not answer.
pub(super) async fn write_all(app: &App, records: &mut Vec<Record>) -> Result<usize, AppError> {
    records.sort_unstable_by_key(|record| record.place);
    records.dedup_by_key(|record| record.place);
    let count = records.len();
    for at in (0..count).step_by(PAGE_MAX) {
        if let Err(error) = write(app, &records[at..count.min(at + PAGE_MAX)]).await {
            records.drain(..at);
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
