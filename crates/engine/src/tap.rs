//! What was committed, for whoever follows along in this process. Nobody who follows can slow a writer down:
//! what does not fit is dropped and counted, and stands in the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel::WalletId;
use ledger::Entry;
use tokio::sync::mpsc;

use crate::request::{Answer, EngineError};

/// An entry that is durable.
#[derive(Clone, Debug)]
pub struct Committed {
    pub wallet: WalletId,
    pub entry: Arc<Entry>,
}

/// Where writers offer what they committed; part of [`crate::EngineConfig`].
#[derive(Clone, Debug)]
pub struct Tap {
    sender: mpsc::Sender<Committed>,
    dropped: Arc<AtomicU64>,
}

/// The other end of a [`Tap`].
#[derive(Debug)]
pub struct Tapped {
    receiver: mpsc::Receiver<Committed>,
    dropped: Arc<AtomicU64>,
}

/// A tap with so many places. The entries of callers' commands, those of one wallet in their order; what time
/// did (lapses, expiries) is not among them. After a broken connection an entry may be offered twice: wallet
/// and seq tell. Other processes' entries, and dropped ones, only the journal tells.
pub fn tap(places: usize) -> (Tap, Tapped) {
    let (sender, receiver) = mpsc::channel(places);
    let dropped = Arc::new(AtomicU64::new(0));
    (Tap { sender, dropped: dropped.clone() }, Tapped { receiver, dropped })
}

impl Tap {
    /// `unsure`: an earlier try may have committed, so that what looks like a repeat was never offered.
    pub(crate) fn offer<'a>(
        &self,
        answers: impl Iterator<Item = (WalletId, &'a Result<Answer, EngineError>)>,
        unsure: bool,
    ) {
        for (wallet, answer) in answers {
            let Ok(Answer { entry, replayed }) = answer else { continue };
            if entry.key.is_none() || (*replayed && !unsure) {
                continue;
            }
            if self.sender.try_send(Committed { wallet, entry: entry.clone() }).is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                metrics::counter!("scrip_engine_tap_dropped_total").increment(1);
            }
        }
    }
}

impl Tapped {
    /// Waits for entries and takes at most `limit`; 0 when every engine of this tap was stopped and
    /// dropped.
    pub async fn take(&mut self, into: &mut Vec<Committed>, limit: usize) -> usize {
        self.receiver.recv_many(into, limit).await
    }

    /// As [`Tapped::take`], without waiting.
    pub fn take_ready(&mut self, into: &mut Vec<Committed>, limit: usize) -> usize {
        let before = into.len();
        while into.len() - before < limit
            && let Ok(committed) = self.receiver.try_recv()
        {
            into.push(committed);
        }
        into.len() - before
    }

    /// How many did not fit so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
