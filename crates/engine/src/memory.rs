//! What a writer knows of its lane while the fence is at `gsn`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::ops::Bound;

use kernel::WalletId;
use ledger::Wallet;
use store::{Known, Uuid};

/// Journal rows that a reader folds at most while a lane is busy: then its wallet's projection is written.
const ROWS_BEFORE_PROJECTING: i64 = 1_024;
/// An idle lane writes at once what a reader would fold so much onto.
const ROWS_BEFORE_PROJECTING_IDLY: i64 = 64;
/// Wallets whose projections one transaction writes.
pub(crate) const WALLETS_PER_PROJECTION: usize = 1_000;
/// Keys of one of the two generations that [`Recent`] has.
const RECENT_KEYS: usize = 65_536;

#[derive(Default)]
pub(crate) struct Memory {
    pub gsn: Option<i64>,
    /// Rows of this lane were sealed: the journal's unique key no longer tells every repeat.
    pub has_sealed: bool,
    pub wallets: HashMap<WalletId, Known>,
    /// Wallets whose projections are behind their journals.
    behind: Ring,
    /// Those of them that wait for no more than idleness.
    due: Ring,
    /// Those of them that a reader has to fold too much onto.
    far_behind: Ring,
    pub recent: Recent,
}

/// Wallets that are taken in turn.
struct Ring {
    wallets: BTreeSet<WalletId>,
    taken_up_to: WalletId,
}

impl Default for Ring {
    fn default() -> Ring {
        Ring { wallets: BTreeSet::new(), taken_up_to: WalletId::from_uuid(Uuid::nil()) }
    }
}

impl Ring {
    /// On from where the last turn ended, so that everybody's comes; they stay.
    fn turn(&mut self, at_most: usize) -> Vec<WalletId> {
        let after = (Bound::Excluded(self.taken_up_to), Bound::Unbounded);
        let upcoming = self.wallets.range(after).chain(self.wallets.range(..=self.taken_up_to));
        let taken: Vec<WalletId> = upcoming.take(at_most).copied().collect();
        self.taken_up_to = taken.last().copied().unwrap_or(self.taken_up_to);
        taken
    }
}

/// Keys that were used lately, as hashes: a key that is among them is looked up before it is decided.
/// One that is not, and was used all the same, runs into the journal's unique key.
#[derive(Default)]
pub(crate) struct Recent {
    hasher: RandomState,
    new: Hashes,
    old: Hashes,
}

type Hashes = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// For what is a hash already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Which projections to write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behind {
    Any,
    /// In lots, holds or a restriction, which others act on, or by [`ROWS_BEFORE_PROJECTING_IDLY`] or more.
    Due,
    /// By [`ROWS_BEFORE_PROJECTING`] or more.
    Far,
}

/// How far a wallet's projection is behind.
#[derive(Clone, Copy, Default)]
struct Lag {
    is_behind: bool,
    is_due: bool,
    is_far: bool,
}

impl Lag {
    fn of(known: &Known) -> Lag {
        let rows = known.rows_ahead();
        Lag {
            is_behind: known.is_ahead(),
            is_due: known.has_moved_rows() || rows >= ROWS_BEFORE_PROJECTING_IDLY,
            is_far: rows >= ROWS_BEFORE_PROJECTING,
        }
    }
}

impl Memory {
    /// The keys stay: what was used remains used. So do the names of wallets whose projections are owed.
    pub fn forget(&mut self) {
        let Memory { recent, behind, due, .. } = std::mem::take(self);
        *self = Memory { recent, behind, due, ..Memory::default() };
    }

    /// Makes room: only half of `wallets` stay, whichever, and those whose projections are behind.
    pub fn shrink(&mut self, wallets: usize) {
        let mut room = wallets / 2;
        let behind = &self.behind;
        self.wallets.retain(|id, _| {
            room = room.saturating_sub(1);
            room > 0 || behind.wallets.contains(id)
        });
    }

    /// Closed lots and holds that a command named and left as they were.
    pub fn compact(&mut self, ids: impl Iterator<Item = WalletId>) {
        for id in ids {
            if let Some(known) = self.wallets.get_mut(&id) {
                known.wallet.compact();
            }
        }
    }

    /// Takes wallets in as they were loaded; of some the projections may be behind.
    pub fn learn(&mut self, loaded: HashMap<WalletId, Known>) {
        for (id, known) in loaded {
            let lag = Lag::of(&known);
            self.wallets.insert(id, known);
            self.note(id, Lag::default(), lag);
        }
    }

    /// That the wallet lags behind like this now, and how it did before.
    fn note(&mut self, id: WalletId, before: Lag, now: Lag) {
        for (was, is, ring) in [
            (before.is_behind, now.is_behind, &mut self.behind),
            (before.is_due, now.is_due, &mut self.due),
            (before.is_far, now.is_far, &mut self.far_behind),
        ] {
            if is && !was {
                ring.wallets.insert(id);
            }
        }
    }

    pub fn is_behind(&self) -> bool {
        !self.behind.wallets.is_empty()
    }

    pub fn next_to_project(&mut self, which: Behind, at_most: usize) -> Vec<WalletId> {
        let ring = match which {
            Behind::Any => &mut self.behind,
            Behind::Due => &mut self.due,
            Behind::Far => &mut self.far_behind,
        };
        ring.turn(at_most)
    }

    /// The projections of these wallets were written.
    pub fn projected(&mut self, gsn: i64, ids: &[WalletId]) {
        self.gsn = Some(gsn);
        for id in ids {
            for ring in [&mut self.behind, &mut self.due, &mut self.far_behind] {
                ring.wallets.remove(id);
            }
            if let Some(known) = self.wallets.get_mut(id) {
                known.was_projected();
            }
        }
    }

    /// A batch was written: its wallets as they are now, and the keys it used.
    pub fn remember<'k>(
        &mut self,
        gsn: i64,
        touched: HashMap<WalletId, Wallet>,
        keys: impl Iterator<Item = &'k (WalletId, String)>,
    ) {
        self.gsn = Some(gsn);
        for (id, after) in touched {
            let Some(known) = self.wallets.get_mut(&id) else { continue };
            let before = Lag::of(known);
            known.advance(after);
            let now = Lag::of(known);
            self.note(id, before, now);
        }
        keys.for_each(|key| self.recent.add(key));
    }
}

impl Recent {
    pub fn has(&self, key: &(WalletId, String)) -> bool {
        let hash = self.hasher.hash_one(key);
        self.new.contains(&hash) || self.old.contains(&hash)
    }

    fn add(&mut self, key: &(WalletId, String)) {
        if self.new.len() >= RECENT_KEYS {
            // Its room is used again: to grow means to move every key.
            std::mem::swap(&mut self.old, &mut self.new);
            self.new.clear();
        }
        self.new.insert(self.hasher.hash_one(key));
    }
}
