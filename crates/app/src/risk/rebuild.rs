//! The state made anew, without what the log of signals no longer has.

use std::sync::atomic::Ordering;

use engine::EngineError;
use kernel::Timestamp;
use risk::book::Book;
use store::cold::risk::pages;
use store::walk::Walk;
use tokio::time::{Instant, sleep};

use super::follow::PAGES_AT_ONCE;
use super::{log, signals};
use crate::{App, AppError};

/// Entries of the journal that are read at once.
const ENTRIES_AT_ONCE: usize = 1_000;

/// The state made anew from what is kept for ever, up to `until` (microseconds): the journal, customers,
/// payments and deliveries, and what of the log is still there. Reads the whole journal, and rests as long as it
/// reads: callers are served meanwhile.
pub async fn rebuild(app: &App, until: i64) -> Result<Book, AppError> {
    let mut others = signals::beside_the_journal(app, (0, until)).await?;
    for ids in pages::ids_reaching(app.store(), 0).await?.chunks(PAGES_AT_ONCE) {
        for page in pages::by_ids(app.store(), ids.to_vec()).await? {
            others.extend(log::read(&page)?.into_iter().filter(|record| record.place.at < until));
        }
    }
    others.sort_unstable_by_key(|record| record.place);
    others.dedup_by_key(|record| record.place);
    let (mut book, mut others) = (Book::default(), others.into_iter().peekable());
    let end = Timestamp::from_micros_saturating(until);
    let mut walk = Walk::between(app.store(), &signals::KINDS, Timestamp::EPOCH, end);
    loop {
        if app.inner.risk.ends_soon.load(Ordering::Relaxed) {
            return Err(EngineError::Stopping.into());
        }
        let began = Instant::now();
        let entries = walk.next(ENTRIES_AT_ONCE).await?;
        if entries.is_empty() {
            break;
        }
        for record in entries.iter().filter_map(|(wallet, entry)| signals::of_entry(*wallet, entry)) {
            while let Some(other) = others.next_if(|other| other.place <= record.place) {
                if other.place != record.place {
                    book.take(&other.signal());
                }
            }
            book.take(&record.signal());
        }
        sleep(began.elapsed()).await;
    }
    others.for_each(|other| drop(book.take(&other.signal())));
    Ok(book)
}
