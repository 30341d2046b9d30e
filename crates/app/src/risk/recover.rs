//! What a process that was killed had committed and not said: the journal and the tables know of it.

use std::collections::HashSet;

use kernel::Timestamp;
use risk::record::{Place, Record};
use store::cold::risk::{pages, watchers};
use store::walk::Walk;

use super::follow::PAGES_AT_ONCE;
use super::{log, signals};
use crate::{App, AppError};

/// A process says every ten seconds how far it has come, unless a tick takes long; what it had not said was committed
/// around the last time, microseconds.
const BEFORE: i64 = 10_000_000;
const AFTER: i64 = 600_000_000;
/// Entries of the journal that are read at once.
const ENTRIES_AT_ONCE: usize = 1_000;

/// Says for a process that ended without a word what it had not said. Everybody takes it in as what comes late.
/// Of the journal it reads what is not sealed, and the ends of wallets that did something since.
pub(super) async fn recover(app: &App, gone: &watchers::Model) -> Result<usize, AppError> {
    let (since, until) = (gone.seen_at - BEFORE, (gone.seen_at + AFTER).min(app.now().micros()));
    let known = said(app, (since, until)).await?;
    let is_news = |record: &Record| !known.contains(&record.place);
    let mut missing = signals::beside_the_journal(app, (since, until)).await?;
    missing.retain(is_news);
    let at = Timestamp::from_micros_saturating;
    let mut walk = Walk::between(app.store(), &signals::KINDS, at(since), at(until)).lately();
    loop {
        let entries = walk.next(ENTRIES_AT_ONCE).await?;
        if entries.is_empty() {
            break;
        }
        let told = entries.iter().filter_map(|(wallet, entry)| signals::of_entry(*wallet, entry));
        missing.extend(told.filter(is_news));
    }
    log::write_all(app, &mut missing).await?;
    watchers::leave(app.store(), gone.process).await?;
    tracing::info!(process = %gone.process, signals = missing.len(), "said what a process that was killed had not");
    Ok(missing.len())
}

/// Places of everything in this time that was said.
async fn said(app: &App, (since, until): (i64, i64)) -> Result<HashSet<Place>, AppError> {
    let mut known = HashSet::new();
    for ids in pages::ids_reaching(app.store(), since).await?.chunks(PAGES_AT_ONCE) {
        for page in pages::by_ids(app.store(), ids.to_vec()).await? {
            let places = log::read(&page)?.into_iter().map(|record| record.place);
            known.extend(places.filter(|place| (since..until).contains(&place.at)));
        }
    }
    Ok(known)
}
