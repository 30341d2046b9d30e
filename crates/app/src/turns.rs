use std::array;

use kernel::{HoldId, bucket_of};
use tokio::sync::{Mutex, MutexGuard};

/// Captures of different holds rarely share one.
const STRIPES: usize = 64;

/// Where captures of one hold queue in this process after they met each other. A matter of speed only:
/// the ledger refuses a capture that was priced on a hold that moved, wherever it came from.
pub(crate) struct Turns {
    stripes: [Mutex<()>; STRIPES],
}

impl Default for Turns {
    fn default() -> Turns {
        Turns { stripes: array::from_fn(|_| Mutex::default()) }
    }
}

impl Turns {
    pub async fn wait(&self, hold: HoldId) -> MutexGuard<'_, ()> {
        let mixed = u64::from(bucket_of(hold.wallet).unsigned_abs()).wrapping_add(hold.seq.unsigned_abs());
        let stripe = usize::try_from(mixed % STRIPES as u64).unwrap_or(0);
        self.stripes[stripe].lock().await
    }
}
