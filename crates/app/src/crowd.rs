use std::array;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::{WalletId, bucket_of};

use crate::AppError;

/// Calls of one customer that this process works on at once. More are told to come back, so that whoever
/// sends everything leaves places to the others.
const CALLS_PER_CUSTOMER: usize = 600;
const STRIPES: usize = 64;

/// How many calls each customer has under way in this process.
pub(crate) struct Crowd {
    stripes: [Mutex<HashMap<WalletId, usize>>; STRIPES],
}

/// A call under way, until dropped.
pub(crate) struct Place<'a> {
    crowd: &'a Crowd,
    wallet: WalletId,
}

impl Default for Crowd {
    fn default() -> Crowd {
        Crowd { stripes: array::from_fn(|_| Mutex::default()) }
    }
}

impl Crowd {
    pub fn enter(&self, wallet: WalletId) -> Result<Place<'_>, AppError> {
        let mut calls = self.stripe(wallet);
        let under_way = calls.entry(wallet).or_insert(0);
        if *under_way >= CALLS_PER_CUSTOMER {
            return Err(AppError::Crowded { limit: CALLS_PER_CUSTOMER, retry_after_seconds: 1 });
        }
        *under_way += 1;
        Ok(Place { crowd: self, wallet })
    }

    fn stripe(&self, wallet: WalletId) -> MutexGuard<'_, HashMap<WalletId, usize>> {
        let stripe = usize::from(bucket_of(wallet).unsigned_abs()) % STRIPES;
        // Counts are changed in one step: a panic elsewhere leaves them true.
        self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut calls = self.crowd.stripe(self.wallet);
        if let Some(under_way) = calls.get_mut(&self.wallet) {
            *under_way -= 1;
            if *under_way == 0 {
                calls.remove(&self.wallet);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::new_uuid;

    use super::*;

    #[test]
    fn a_customer_with_all_its_places_taken_waits_and_others_do_not() {
        let crowd = Crowd::default();
        let (loud, other) = (WalletId::from_uuid(new_uuid()), WalletId::from_uuid(new_uuid()));
        let mut places: Vec<Place<'_>> =
            (0..CALLS_PER_CUSTOMER).map(|_| crowd.enter(loud).expect("a place")).collect();
        assert!(matches!(crowd.enter(loud), Err(AppError::Crowded { limit: CALLS_PER_CUSTOMER, .. })));
        assert!(crowd.enter(other).is_ok());
        places.pop();
        assert!(crowd.enter(loud).is_ok(), "a call that ends gives its place back");
        places.clear();
        assert!(crowd.stripes.iter().all(|stripe| stripe.lock().expect("no panic").is_empty()));
    }
}
