//! What was committed, for whoever follows along in this process. Nobody who follows can slow a writer down:
//! what does not fit is dropped and counted, and stands in the journal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kernel::WalletId;
use ledger::{Entry, EntryKind};

use crate::request::{Answer, EngineError};

/// An entry that is durable.
#[derive(Clone, Debug)]
pub struct Committed {
    pub wallet: WalletId,
    pub entry: Arc<Entry>,
}

/// Where writers leave what they committed until it is taken; see [`crate::Engine::follow`]. A writer locks
/// it once a batch.
#[derive(Debug)]
pub struct Tap {
    kinds: &'static [EntryKind],
    places: usize,
    waiting: Mutex<Vec<Committed>>,
    dropped: AtomicU64,
}

impl Tap {
    pub(crate) fn new(kinds: &'static [EntryKind], places: usize) -> Tap {
        Tap { kinds, places, waiting: Mutex::default(), dropped: AtomicU64::new(0) }
    }

    /// `unsure`: an earlier try may have committed, so that what looks like a repeat was never offered.
    pub(crate) fn offer<'a>(
        &self,
        answers: impl Iterator<Item = (WalletId, &'a Result<Answer, EngineError>)>,
        unsure: bool,
    ) {
        let mut dropped = 0;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (wallet, answer) in answers {
            let Ok(Answer { entry, replayed }) = answer else { continue };
            let is_news = !replayed || unsure;
            if !is_news || entry.key.is_none() || !self.kinds.contains(&entry.kind) {
                continue;
            }
            if waiting.len() < self.places {
                waiting.push(Committed { wallet, entry: entry.clone() });
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

    /// All that waits.
    pub fn take(&self) -> Vec<Committed> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many did not fit so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
