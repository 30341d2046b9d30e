//! Where commands wait for their lane.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::request::EngineError;
use crate::writer::Pending;

/// The callers' end.
pub(crate) struct Queue {
    groups: mpsc::UnboundedSender<Vec<Pending>>,
    commands: Arc<AtomicUsize>,
    room: usize,
}

/// The writer's end.
pub(crate) struct Waiting {
    groups: mpsc::UnboundedReceiver<Vec<Pending>>,
    commands: Arc<AtomicUsize>,
}

/// With room for so many commands.
pub(crate) fn queue(room: usize) -> (Queue, Waiting) {
    let (to, from) = mpsc::unbounded_channel();
    let commands = Arc::new(AtomicUsize::new(0));
    (Queue { groups: to, commands: commands.clone(), room }, Waiting { groups: from, commands })
}

impl Queue {
    /// All or none of them; they stay together.
    pub fn put(&self, group: Vec<Pending>) -> Result<(), EngineError> {
        let count = group.len();
        let add = |waiting: usize| waiting.checked_add(count).filter(|all| *all <= self.room);
        let added = self.commands.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
        added.map_err(|_| EngineError::Overloaded)?;
        self.groups.send(group).map_err(|_| EngineError::Stopping)
    }

    pub fn waiting(&self) -> usize {
        self.commands.load(Ordering::Acquire)
    }

    pub fn is_closed(&self) -> bool {
        self.groups.is_closed()
    }
}

impl Waiting {
    /// What waits, whole groups until there are `enough`; waits for the first. Empty when nothing will come any more.
    pub async fn take(&mut self, enough: usize) -> Vec<Pending> {
        let mut batch = self.groups.recv().await.unwrap_or_default();
        while batch.len() < enough
            && let Ok(group) = self.groups.try_recv()
        {
            batch.extend(group);
        }
        self.commands.fetch_sub(batch.len(), Ordering::AcqRel);
        batch
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Nobody can put anything into it any more, and nothing is in it.
    pub fn is_over(&self) -> bool {
        self.groups.is_closed() && self.groups.is_empty()
    }
}
