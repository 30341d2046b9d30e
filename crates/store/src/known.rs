use std::collections::BTreeMap;

use kernel::Seq;
use ledger::{Hold, Lot, Wallet};

use crate::rows;

/// A wallet at the head of its journal, and what its projection still lacks.
#[derive(Clone, Debug)]
pub struct Known {
    pub wallet: Wallet,
    pub ahead: Ahead,
}

/// The newest values of all lots and holds whose rows changed since the projection was written.
#[derive(Clone, Debug, Default)]
pub struct Ahead {
    pub projected_seq: Seq,
    /// Journal rows at that seq.
    pub projected_rows: i64,
    pub lots: BTreeMap<Seq, Lot>,
    pub holds: BTreeMap<Seq, Hold>,
    pub is_restricted_anew: bool,
}

impl Ahead {
    /// Nothing.
    fn at(wallet: &Wallet) -> Ahead {
        Ahead { projected_seq: wallet.seq, projected_rows: wallet.rows, ..Ahead::default() }
    }
}

impl Known {
    /// A wallet whose projection is up to date.
    pub fn projected(wallet: Wallet) -> Known {
        Known { ahead: Ahead::at(&wallet), wallet }
    }

    /// Its projection was written as it is now.
    pub fn was_projected(&mut self) {
        self.ahead = Ahead::at(&self.wallet);
    }

    pub fn is_ahead(&self) -> bool {
        self.wallet.seq > self.ahead.projected_seq
    }

    /// More changed than amounts: what is due, open or restricted is found by the projection.
    pub fn has_moved_rows(&self) -> bool {
        self.has_moved_parts() || self.ahead.is_restricted_anew
    }

    /// Rows of lots or holds changed, not the wallet's alone.
    pub fn has_moved_parts(&self) -> bool {
        !self.ahead.lots.is_empty() || !self.ahead.holds.is_empty()
    }

    /// Journal rows that a reader has to fold onto the projection.
    pub fn rows_ahead(&self) -> i64 {
        self.wallet.rows - self.ahead.projected_rows
    }

    /// Goes on to `after`; what closed is kept for the projection and forgotten otherwise.
    pub fn advance(&mut self, mut after: Wallet) {
        for (seq, lot) in &after.lots {
            let before = self.wallet.lots.get(seq);
            let is_same = before.is_some_and(|before| rows::is_same_row(before, lot));
            if !is_same || self.ahead.lots.contains_key(seq) {
                self.ahead.lots.insert(*seq, lot.clone());
            }
        }
        for (seq, hold) in &after.holds {
            if self.wallet.holds.get(seq) != Some(hold) {
                self.ahead.holds.insert(*seq, hold.clone());
            }
        }
        self.ahead.is_restricted_anew |= self.wallet.restriction != after.restriction;
        after.compact();
        self.wallet = after;
    }

    /// Puts a closed lot or hold that is not yet projected back into the wallet; false when there is none.
    pub fn recall(&mut self, seq: Seq) -> bool {
        if self.wallet.lots.contains_key(&seq) || self.wallet.holds.contains_key(&seq) {
            return true;
        }
        if let Some(lot) = self.ahead.lots.get(&seq) {
            self.wallet.lots.insert(seq, lot.clone());
            return true;
        }
        if let Some(hold) = self.ahead.holds.get(&seq) {
            self.wallet.holds.insert(seq, hold.clone());
            return true;
        }
        false
    }
}
