//! What is thought of wallets at this moment. Only wallets that are not simply allowed have an entry, so that the
//! look-up of an honest customer is a miss.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use kernel::{Timestamp, WalletId};
use risk::score::Verdict;

/// Of one wallet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    pub verdict: Verdict,
    /// The highest since it left `allow`.
    pub score: f64,
    /// It spends faster than the limits.
    pub is_too_fast: bool,
    pub rest: Rest,
}

/// When a strict verdict holds the wallet (again), microseconds: until then a restriction stands in the journal, or
/// somebody ended one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rest {
    /// For spending too fast.
    pub speed: i64,
    pub rules: i64,
}

impl Rest {
    pub fn is_on(self, now: Timestamp, is_too_fast: bool) -> bool {
        now.micros() < if is_too_fast { self.speed } else { self.rules }
    }
}

impl Standing {
    /// A strict verdict is to be acted on at this moment.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.verdict >= Verdict::Restrict && !self.rest.is_on(now, self.is_too_fast)
    }
}

#[derive(Default)]
pub(super) struct Standings {
    of: RwLock<HashMap<WalletId, Standing>>,
}

impl Standings {
    pub fn get(&self, wallet: WalletId) -> Option<Standing> {
        self.of.read().unwrap_or_else(PoisonError::into_inner).get(&wallet).copied()
    }

    pub fn set(&self, wallet: WalletId, standing: Standing) {
        self.of.write().unwrap_or_else(PoisonError::into_inner).insert(wallet, standing);
    }

    pub fn rest(&self, wallet: WalletId, rest: Rest) {
        if let Some(standing) = self.of.write().unwrap_or_else(PoisonError::into_inner).get_mut(&wallet) {
            standing.rest = rest;
        }
    }

    pub fn forget(&self, wallet: WalletId) {
        self.of.write().unwrap_or_else(PoisonError::into_inner).remove(&wallet);
    }
}
