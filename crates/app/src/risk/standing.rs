//! What is thought of wallets at this moment. Only wallets that are not simply allowed have an entry, so that the
//! look-up of an honest customer is a miss.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use kernel::WalletId;
use risk::score::Verdict;

/// Of one wallet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    pub verdict: Verdict,
    /// The highest since it left `allow`.
    pub score: f64,
    /// The restriction stands in the journal, or a person decided against one.
    pub is_settled: bool,
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

    pub fn settle(&self, wallet: WalletId) {
        if let Some(standing) = self.of.write().unwrap_or_else(PoisonError::into_inner).get_mut(&wallet) {
            standing.is_settled = true;
        }
    }

    pub fn forget(&self, wallet: WalletId) {
        self.of.write().unwrap_or_else(PoisonError::into_inner).remove(&wallet);
    }
}
