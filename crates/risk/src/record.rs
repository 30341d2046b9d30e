//! Signals with their place in the one order in which every process takes them in.

use serde::{Deserialize, Serialize};

use crate::signal::{Signal, What};

/// Where a signal stands: by time, then by wallet, then by where it was written and under which number there.
/// No two signals have the same place, so the order of a set of them is always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Microseconds since 1970, UTC.
    pub at: i64,
    pub wallet: u128,
    pub source: Source,
    /// The number of the journal's entry, or of the row.
    pub number: i64,
}

/// What a signal was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Source {
    Customers,
    Payments,
    Journal,
    Deliveries,
}

/// A signal as it is handed from process to process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub place: Place,
    pub what: What,
}

impl Record {
    #[must_use]
    pub fn signal(&self) -> Signal {
        Signal { wallet: self.place.wallet, at: self.place.at.div_euclid(1_000), what: self.what }
    }
}
