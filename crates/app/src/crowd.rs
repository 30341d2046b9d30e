use std::array;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{WalletId, bucket_of};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::AppError;

/// Calls of one customer that this process works on at once: enough for full speed, few enough that another
/// customer's next call is not far behind them.
const AT_WORK: usize = 128;
/// Calls of one customer that are here at once, at work or waiting for it. More are told to come back, so that
/// whoever sends everything leaves places to the others.
const CALLS_PER_CUSTOMER: usize = 600;
const STRIPES: usize = 64;

/// The calls that each customer has here.
pub(crate) struct Crowd {
    stripes: [Mutex<HashMap<WalletId, Room>>; STRIPES],
}

struct Room {
    calls: usize,
    at_work: Arc<Semaphore>,
}

/// A call that is here, until dropped.
struct Guest<'a> {
    crowd: &'a Crowd,
    wallet: WalletId,
}

/// A call at work, until dropped.
pub(crate) struct Place<'a> {
    _permit: OwnedSemaphorePermit,
    _guest: Guest<'a>,
}

impl Default for Crowd {
    fn default() -> Crowd {
        Crowd { stripes: array::from_fn(|_| Mutex::default()) }
    }
}

impl Crowd {
    /// Waits for the customer's turn, first come, first served.
    pub async fn enter(&self, wallet: WalletId) -> Result<Place<'_>, AppError> {
        let (guest, at_work) = self.come_in(wallet)?;
        let stopping = |_| AppError::Overloaded { retry_after_seconds: 1 };
        Ok(Place { _permit: at_work.acquire_owned().await.map_err(stopping)?, _guest: guest })
    }

    fn come_in(&self, wallet: WalletId) -> Result<(Guest<'_>, Arc<Semaphore>), AppError> {
        let mut rooms = self.stripe(wallet);
        let room =
            rooms.entry(wallet).or_insert_with(|| Room { calls: 0, at_work: Semaphore::new(AT_WORK).into() });
        if room.calls >= CALLS_PER_CUSTOMER {
            return Err(AppError::Crowded { limit: CALLS_PER_CUSTOMER, retry_after_seconds: 1 });
        }
        room.calls += 1;
        Ok((Guest { crowd: self, wallet }, room.at_work.clone()))
    }

    fn stripe(&self, wallet: WalletId) -> MutexGuard<'_, HashMap<WalletId, Room>> {
        let stripe = usize::from(bucket_of(wallet).unsigned_abs()) % STRIPES;
        // Counts are changed in one step: a panic elsewhere leaves them true.
        self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let mut rooms = self.crowd.stripe(self.wallet);
        if let Some(room) = rooms.get_mut(&self.wallet) {
            room.calls -= 1;
            if room.calls == 0 {
                rooms.remove(&self.wallet);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use kernel::new_uuid;
    use tokio::task::unconstrained;

    use super::*;

    /// The place, if the call has not to wait for it.
    fn enter(crowd: &Crowd, wallet: WalletId) -> Option<Result<Place<'_>, AppError>> {
        unconstrained(crowd.enter(wallet)).now_or_never()
    }

    #[tokio::test]
    async fn one_customers_calls_wait_for_each_other_and_for_nobody_else() {
        let crowd = Crowd::default();
        let (loud, other) = (WalletId::from_uuid(new_uuid()), WalletId::from_uuid(new_uuid()));
        let mut at_work: Vec<_> =
            (0..AT_WORK).map(|_| enter(&crowd, loud).expect("no wait").expect("a place")).collect();
        let mut waiting: Vec<_> =
            (AT_WORK..CALLS_PER_CUSTOMER).map(|_| Box::pin(unconstrained(crowd.enter(loud)))).collect();
        assert!(waiting.iter_mut().all(|call| call.now_or_never().is_none()));
        let refused = enter(&crowd, loud).expect("no wait");
        assert!(matches!(refused, Err(AppError::Crowded { limit: CALLS_PER_CUSTOMER, .. })));
        assert!(enter(&crowd, other).expect("no wait").is_ok());

        at_work.pop();
        let first = waiting.first_mut().expect("some wait").now_or_never();
        let first = first.expect("a call that ends gives its place on").expect("a place");
        assert!(waiting.iter_mut().skip(1).all(|call| call.now_or_never().is_none()));
        drop((first, waiting, at_work));
        assert!(crowd.stripes.iter().all(|stripe| stripe.lock().expect("no panic").is_empty()));
    }
}
