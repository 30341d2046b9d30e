use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use uuid::Uuid;

use crate::Timestamp;

/// Where `now` comes from. Pure crates never hold one: they take the instant as an argument.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until a test moves it.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start`.
    pub fn manual(start: Timestamp) -> Clock {
        Clock::Manual(Arc::new(AtomicI64::new(start.micros())))
    }

    #[allow(clippy::disallowed_methods, reason = "the one door to the machine's clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => Timestamp::from_micros_saturating(chrono::Utc::now().timestamp_micros()),
            Clock::Manual(at) => Timestamp::from_micros_saturating(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward; the machine's clock does not obey.
    pub fn advance_seconds(&self, seconds: i64) {
        if let Clock::Manual(at) = self {
            at.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
        }
    }
}

/// A new UUIDv7: sorts by time of making, unique across processes.
#[allow(clippy::disallowed_methods, reason = "the one door to new ids")]
pub fn new_uuid() -> Uuid {
    Uuid::now_v7()
}
