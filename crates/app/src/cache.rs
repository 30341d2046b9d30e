//! The three caches that rules.md allows: rate cards (immutable), customer → wallet, API keys (≤ 1 s).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kernel::{CustomerId, Timestamp, WalletId};
use tokio::time::Instant;

use crate::Principal;
use crate::catalogue::Version;

/// How long another process may not notice a revoked key or a newly published card.
const STALE_AFTER: Duration = Duration::from_secs(1);
/// Entries of one map; a full one starts over, which costs a read each.
const ENTRIES_MAX: usize = 100_000;

/// A bounded map behind a lock that is never held over an await.
pub(crate) struct Map<K, V> {
    entries: RwLock<HashMap<K, V>>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Map<K, V> {
        Map { entries: RwLock::default() }
    }
}

impl<K: Eq + Hash, V: Clone> Map<K, V> {
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub fn set(&self, key: K, value: V) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.insert(key, value);
    }

    pub fn forget(&self) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Customers never change their wallet nor their external id.
#[derive(Default)]
pub(crate) struct Directory {
    pub by_id: Map<CustomerId, WalletId>,
    pub by_external_id: Map<String, (CustomerId, WalletId)>,
}

/// By the hash of the secret, with the instant of the look-up.
#[derive(Default)]
pub(crate) struct Keys {
    by_hash: Map<[u8; 32], (Instant, Principal)>,
}

impl Keys {
    pub fn get(&self, hash: &[u8; 32]) -> Option<Principal> {
        self.by_hash.get(hash).filter(|(read_at, _)| is_fresh(*read_at)).map(|(_, principal)| principal)
    }

    pub fn set(&self, hash: [u8; 32], principal: Principal) {
        self.by_hash.set(hash, (Instant::now(), principal));
    }

    pub fn forget(&self) {
        self.by_hash.forget();
    }
}

/// Versions for ever; which of them are published for a second.
#[derive(Default)]
pub(crate) struct Catalogues {
    pub versions: Map<i64, Arc<Version>>,
    published: RwLock<Option<(Instant, Published)>>,
    /// One look-up at a time; the others wait for its result.
    pub reading: tokio::sync::Mutex<()>,
}

/// (instant, version), oldest first.
pub(crate) type Published = Arc<[(Timestamp, i64)]>;

impl Catalogues {
    pub fn published(&self) -> Option<Published> {
        let known = self.published.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|(read_at, _)| is_fresh(*read_at)).map(|(_, published)| published)
    }

    pub fn set_published(&self, published: Published) {
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), published));
    }

    pub fn forget_published(&self) {
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn is_fresh(read_at: Instant) -> bool {
    read_at.elapsed() < STALE_AFTER
}
