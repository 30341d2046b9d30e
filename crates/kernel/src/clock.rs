use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

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

/// The id of a request, `req_` and 32 hexadecimal digits: unique across processes, without the system's random bytes for
/// each, and no secret. Two of them do not tell how many requests there were in between.
pub fn new_request_id() -> String {
    static PROCESS: LazyLock<(u64, RandomState)> =
        LazyLock::new(|| (new_uuid().as_u64_pair().0, RandomState::new()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (process, scrambles) = &*PROCESS;
    let number = scrambles.hash_one(COUNT.fetch_add(1, Ordering::Relaxed));
    let mut text = "req_".to_owned();
    text += Uuid::from_u64_pair(*process, number).simple().encode_lower(&mut Uuid::encode_buffer());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_id_comes_twice() {
        let ids: Vec<String> = (0..100).map(|_| new_request_id()).collect();
        let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        let is_hexadecimal = |id: &String| {
            id.len() == 36 && id.strip_prefix("req_").is_some_and(|n| u128::from_str_radix(n, 16).is_ok())
        };
        assert!(ids.iter().all(is_hexadecimal), "{ids:?}");
    }
}
