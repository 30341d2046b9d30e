//! What a process remembers, as rules.md allows: rate cards and what holds were authorized with (immutable),
//! customer → wallet, API keys (≤ 1 s).

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
/// Entries of one generation of most maps.
const ROOM: usize = 200_000;

/// A bounded map behind a lock that is never held over an await. Bounded by two generations: when the newer
/// is full the older one goes, and what is asked for moves to the newer.
pub(crate) struct Map<K, V> {
    generations: RwLock<Generations<K, V>>,
    room: usize,
}

struct Generations<K, V> {
    newer: HashMap<K, V>,
    older: HashMap<K, V>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Map<K, V> {
        Map::holding(ROOM)
    }
}

impl<K, V> Map<K, V> {
    /// At most `room` entries in each generation.
    pub fn holding(room: usize) -> Map<K, V> {
        let generations = Generations { newer: HashMap::new(), older: HashMap::new() };
        Map { generations: RwLock::new(generations), room }
    }
}

impl<K: Eq + Hash, V: Clone> Map<K, V> {
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        let (value, is_old) = {
            let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
            match generations.newer.get(key) {
                Some(value) => (value.clone(), false),
                None => (generations.older.get(key)?.clone(), true),
            }
        };
        if is_old {
            self.set(key.to_owned(), value.clone());
        }
        Some(value)
    }

    pub fn set(&self, key: K, value: V) {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if generations.newer.len() >= self.room {
            generations.older = std::mem::take(&mut generations.newer);
        }
        generations.newer.insert(key, value);
    }

    pub fn forget(&self) {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        generations.newer.clear();
        generations.older.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entries_last_asked_for_stay_and_the_number_of_all_is_bounded() {
        let map: Map<u32, u32> = Map::holding(10);
        for n in 0..1_000 {
            map.set(n, n * n);
            assert_eq!(map.get(&7), (n >= 7).then_some(49), "asked for all the time, after {n}");
        }
        assert!((992..1_000).all(|n| map.get(&n) == Some(n * n)), "the newest");
        assert!((0..1_000).filter(|n| map.get(n).is_some()).count() <= 20);
    }
}
