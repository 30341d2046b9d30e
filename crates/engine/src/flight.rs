//! Batches on their way to the disk: while one waits for it, the next is decided and its rows are sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use kernel::WalletId;
use ledger::Entry;
use store::{Fence, Forerunner, LaneConnection, Store, StoreError};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use crate::batch::Keys;
use crate::request::{Answer, EngineError, Request};
use crate::writer::Outcome;

/// A batch that is being written. The lane's memory is already as after it; its callers wait.
pub(crate) struct Flight {
    pub requests: Vec<Request>,
    pub callers: Vec<oneshot::Sender<Outcome>>,
    pub answers: Vec<Result<Answer, EngineError>>,
    pub keys: Keys,
    pub landing: JoinHandle<Landing>,
}

/// How a flight ended: its connection comes back, and whether the fence was where it had to be.
pub(crate) struct Landing {
    connection: LaneConnection,
    written: Result<bool, StoreError>,
}

/// What a flight takes along.
pub(crate) struct Cargo {
    pub store: Store,
    pub connection: LaneConnection,
    pub forerunner: Forerunner,
    pub fence: Fence,
    pub entries: Vec<(WalletId, Arc<Entry>)>,
}

impl Cargo {
    /// Goes on when nobody waits for it.
    pub fn fly(self) -> JoinHandle<Landing> {
        tokio::spawn(async move {
            let Cargo { store, mut connection, forerunner, fence, entries } = self;
            let entries: Vec<(WalletId, &Entry)> =
                entries.iter().map(|(id, entry)| (*id, &**entry)).collect();
            let written = store.append_at_once(&mut connection, forerunner, fence, &entries).await;
            Landing { connection, written }
        })
    }
}

impl Flight {
    /// Whether one of the keys was used by this flight: the journal does not show it yet.
    pub fn uses_any(&self, keys: &Keys) -> bool {
        let (few, many): (&BTreeSet<_>, &BTreeSet<_>) = match self.keys.all.len() < keys.all.len() {
            true => (&self.keys.all, &keys.all),
            false => (&keys.all, &self.keys.all),
        };
        few.iter().any(|key| many.contains(key))
    }
}

/// The connection, and why the flight did not write; a flight that panicked has lost its connection.
pub(crate) fn landed(landing: Result<Landing, JoinError>) -> (LaneConnection, Result<bool, StoreError>) {
    match landing {
        Ok(Landing { connection, written }) => (connection, written),
        Err(error) => {
            let lost = StoreError::Corrupt(format!("a batch was not sent: {error}"));
            (LaneConnection::default(), Err(lost))
        }
    }
}
