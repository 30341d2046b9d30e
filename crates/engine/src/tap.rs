//! What was committed, for whoever follows along in this process. Nobody who follows can slow a writer down:
//! what does not fit is dropped and counted, and stands in the journal.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use kernel::WalletId;
use ledger::{Entry, EntryKind};

use crate::request::{Answer, EngineError};

/// What a follower keeps of a committed entry, if anything. A writer calls it, so it takes no time worth speaking of.
pub type Keeps<T> = fn(WalletId, &Arc<Entry>) -> Option<T>;

/// Where writers leave what is kept of what they committed until it is taken; see [`crate::Engine::follow`]. A
/// writer locks it once a batch.
pub struct Tap<T> {
    kinds: &'static [EntryKind],
    places: usize,
    keeps: Keeps<T>,
    waiting: Mutex<Vec<T>>,
    dropped: AtomicU64,
}

impl<T> fmt::Debug for Tap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap")
            .field("kinds", &self.kinds)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

type Answered<'a> = (WalletId, &'a Result<Answer, EngineError>);

/// A tap of whatever is kept.
trait Listens: Send + Sync {
    fn hear(&self, answers: &mut dyn Iterator<Item = Answered<'_>>, unsure: bool);
}

/// Those who follow one engine.
#[derive(Clone, Default)]
pub(crate) struct Followers(Arc<RwLock<Vec<Weak<dyn Listens>>>>);

impl Followers {
    pub fn add<T: Send + 'static>(
        &self,
        kinds: &'static [EntryKind],
        places: usize,
        keeps: Keeps<T>,
    ) -> Arc<Tap<T>> {
        let waiting = Mutex::new(Vec::new());
        let tap = Arc::new(Tap { kinds, places, keeps, waiting, dropped: AtomicU64::new(0) });
        let listener: Weak<Tap<T>> = Arc::downgrade(&tap);
        let mut followers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        followers.retain(|other| other.strong_count() > 0);
        followers.push(listener);
        tap
    }

    /// `unsure`: an earlier try may have committed, so that what looks like a repeat was never told.
    pub fn tell<'a>(&self, answers: impl Iterator<Item = Answered<'a>> + Clone, unsure: bool) {
        let followers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for follower in followers.iter().filter_map(Weak::upgrade) {
            follower.hear(&mut answers.clone(), unsure);
        }
    }
}

impl<T: Send> Listens for Tap<T> {
    fn hear(&self, answers: &mut dyn Iterator<Item = Answered<'_>>, unsure: bool) {
        let mut dropped = 0;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (wallet, answer) in answers {
            let Ok(Answer { entry, replayed }) = answer else { continue };
            let is_news = !replayed || unsure;
            if !is_news || entry.key.is_none() || !self.kinds.contains(&entry.kind) {
                continue;
            }
            let Some(kept) = (self.keeps)(wallet, entry) else { continue };
            if waiting.len() < self.places {
                waiting.push(kept);
            } else {
                dropped += 1;
            }
        }
        drop(waiting);
        if dropped > 0 {
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
            metrics::counter!("scrip_engine_tap_dropped_total").increment(dropped);
        }
    }
}

impl<T> Tap<T> {
    /// All that waits.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many did not fit so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
