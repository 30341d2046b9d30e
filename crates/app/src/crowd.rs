use std::collections::{HashMap, VecDeque};
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use kernel::WalletId;
use tokio::sync::oneshot;

use crate::AppError;

/// Calls that this process works on at once, for each core: enough for full speed, few enough that the next one is
/// not far behind them.
const AT_WORK_PER_CORE: usize = 128;
/// Calls of one customer that are here at once, at work or waiting for it. More are told to come back, so that
/// whoever sends everything leaves room to the others. While others wait, no more than there are places.
const CALLS_PER_CUSTOMER: usize = 600;

/// The calls that are here. While all places are taken, customers take turns, however many calls each of them has.
pub(crate) struct Crowd {
    places: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    rooms: HashMap<WalletId, Room>,
    /// Customers whose `waiting` is not empty, each once.
    turns: VecDeque<WalletId>,
}

/// The calls of one customer.
#[derive(Default)]
struct Room {
    calls: usize,
    /// Some of those who wait went away, and nobody noticed yet.
    waiting: VecDeque<oneshot::Sender<Permit>>,
}

/// A call that is here, until dropped.
struct Guest {
    crowd: Arc<Crowd>,
    wallet: WalletId,
}

/// One of the places, until dropped; then the next in turn has it.
struct Permit {
    /// `None` once it was handed on.
    crowd: Option<Arc<Crowd>>,
}

/// A call at work, until dropped.
pub(crate) struct Place {
    _permit: Permit,
    _guest: Guest,
}

impl Default for Crowd {
    fn default() -> Crowd {
        Crowd::of(AT_WORK_PER_CORE * available_parallelism().map_or(1, usize::from))
    }
}

enum Entered {
    AtOnce(Permit),
    Waits(oneshot::Receiver<Permit>),
}

impl Crowd {
    fn of(places: usize) -> Crowd {
        let state = State { free: places, rooms: HashMap::new(), turns: VecDeque::new() };
        Crowd { places, state: Mutex::new(state) }
    }

    /// Waits for the customer's turn; one customer's calls are first come, first served.
    pub async fn enter(self: &Arc<Self>, wallet: WalletId) -> Result<Place, AppError> {
        let (guest, entered) = self.come_in(wallet)?;
        let permit = match entered {
            Entered::AtOnce(permit) => permit,
            Entered::Waits(turn) => {
                turn.await.map_err(|_| AppError::Overloaded { retry_after_seconds: 1 })?
            }
        };
        Ok(Place { _permit: permit, _guest: guest })
    }

    fn come_in(self: &Arc<Self>, wallet: WalletId) -> Result<(Guest, Entered), AppError> {
        let mut state = self.state();
        let State { free, rooms, turns } = &mut *state;
        let others_wait = turns.iter().any(|other| *other != wallet);
        let limit = if others_wait { CALLS_PER_CUSTOMER.min(self.places) } else { CALLS_PER_CUSTOMER };
        let room = rooms.entry(wallet).or_default();
        if room.calls >= limit {
            return Err(AppError::Crowded { limit, retry_after_seconds: 1 });
        }
        room.calls += 1;
        let entered = if *free > 0 {
            *free -= 1;
            Entered::AtOnce(Permit { crowd: Some(self.clone()) })
        } else {
            let (gives, turn) = oneshot::channel();
            if room.waiting.is_empty() {
                turns.push_back(wallet);
            } else if room.waiting.len() >= room.calls {
                room.waiting.retain(|call| !call.is_closed());
            }
            room.waiting.push_back(gives);
            Entered::Waits(turn)
        };
        Ok((Guest { crowd: self.clone(), wallet }, entered))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Changed in one step: a panic elsewhere leaves it true.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Who has the place that became free: the first call of the customer whose turn it is, if any waits.
    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        while let Some(wallet) = self.turns.pop_front() {
            let Some(room) = self.rooms.get_mut(&wallet) else { continue };
            let first = iter::from_fn(|| room.waiting.pop_front()).find(|call| !call.is_closed());
            if !room.waiting.is_empty() {
                self.turns.push_back(wallet);
            }
            if first.is_some() {
                return first;
            }
        }
        self.free += 1;
        None
    }
}

impl Drop for Permit {
    /// The next in turn has it; one who went away meanwhile is passed over.
    fn drop(&mut self) {
        let mut place = self.crowd.take();
        while let Some(crowd) = place.take() {
            let Some(next) = crowd.state().next() else { return };
            if let Err(mut back) = next.send(Permit { crowd: Some(crowd) }) {
                place = back.crowd.take();
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut state = self.crowd.state();
        let State { rooms, turns, .. } = &mut *state;
        let Some(room) = rooms.get_mut(&self.wallet) else { return };
        room.calls -= 1;
        if room.calls == 0 {
            if !room.waiting.is_empty() {
                turns.retain(|wallet| *wallet != self.wallet);
            }
            rooms.remove(&self.wallet);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use kernel::new_uuid;
    use tokio::task::unconstrained;

    use super::*;

    const PLACES: usize = 4;

    fn crowd() -> Arc<Crowd> {
        Crowd::of(PLACES).into()
    }

    fn somebody() -> WalletId {
        WalletId::from_uuid(new_uuid())
    }

    /// The place, if the call has not to wait for it.
    fn enter(crowd: &Arc<Crowd>, wallet: WalletId) -> Option<Result<Place, AppError>> {
        unconstrained(crowd.enter(wallet)).now_or_never()
    }

    /// A call that waits.
    fn wait(crowd: &Arc<Crowd>, wallet: WalletId) -> impl Future<Output = Result<Place, AppError>> + Unpin {
        let crowd = crowd.clone();
        let mut call = Box::pin(unconstrained(async move { crowd.enter(wallet).await }));
        assert!(call.as_mut().now_or_never().is_none(), "it has to wait");
        call
    }

    fn is_empty(crowd: &Crowd) -> bool {
        let state = crowd.state();
        state.free == PLACES && state.rooms.is_empty() && state.turns.is_empty()
    }

    #[tokio::test]
    async fn customers_take_turns_however_many_calls_one_of_them_has() {
        let crowd = crowd();
        let (loud, quiet, late) = (somebody(), somebody(), somebody());
        let mut at_work: Vec<_> =
            (0..PLACES).map(|_| enter(&crowd, loud).expect("no wait").expect("a place")).collect();
        let (mut first, mut second) = (wait(&crowd, loud), wait(&crowd, loud));
        let (mut of_quiet, mut of_late) = (wait(&crowd, quiet), wait(&crowd, late));

        let mut came = Vec::new();
        for _ in 0..PLACES {
            at_work.pop();
            for (name, call) in [
                ("loud", &mut first),
                ("quiet", &mut of_quiet),
                ("late", &mut of_late),
                ("again", &mut second),
            ] {
                if !came.contains(&name)
                    && let Some(place) = call.now_or_never()
                {
                    came.push(name);
                    std::mem::forget(place.expect("a place"));
                }
            }
        }
        assert_eq!(came, ["loud", "quiet", "late", "again"]);
    }

    #[tokio::test]
    async fn who_went_away_is_passed_over_and_nothing_is_left_behind() {
        let crowd = crowd();
        let (loud, other) = (somebody(), somebody());
        let mut at_work: Vec<_> =
            (0..PLACES).map(|_| enter(&crowd, loud).expect("no wait").expect("a place")).collect();
        let gone: Vec<_> = (0..3).map(|_| wait(&crowd, loud)).collect();
        let mut stays = wait(&crowd, other);
        drop(gone);
        at_work.pop();
        let place = (&mut stays).now_or_never().expect("its turn").expect("a place");

        // It has a place and never learns of it.
        let unaware = wait(&crowd, other);
        at_work.pop();
        drop(unaware);
        assert!(enter(&crowd, loud).expect("no wait").is_ok());
        drop((place, at_work));
        assert!(is_empty(&crowd));
    }

    #[tokio::test]
    async fn calls_that_went_away_give_their_customer_no_more_turns_and_no_fewer() {
        let crowd = crowd();
        let (busy, restless, quiet) = (somebody(), somebody(), somebody());
        let mut at_work: Vec<_> =
            (0..PLACES).map(|_| enter(&crowd, busy).expect("no wait").expect("a place")).collect();
        for _ in 0..10 {
            drop(wait(&crowd, restless));
        }
        assert!(crowd.state().turns.is_empty());
        let gone: Vec<_> = (0..10).map(|_| wait(&crowd, restless)).collect();
        let (mut first, mut second) = (wait(&crowd, restless), wait(&crowd, restless));
        let mut of_quiet = wait(&crowd, quiet);
        drop(gone);
        assert_eq!(crowd.state().turns, [restless, quiet]);

        at_work.pop();
        let _first = (&mut first).now_or_never().expect("those before it went away");
        at_work.pop();
        assert!((&mut second).now_or_never().is_none(), "it is another customer's turn");
        let _of_quiet = (&mut of_quiet).now_or_never().expect("its turn");
        at_work.pop();
        assert!((&mut second).now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_customer_has_a_bound_and_a_lower_one_while_others_wait() {
        let crowd = crowd();
        let (loud, other) = (somebody(), somebody());
        let at_work: Vec<_> = (0..PLACES).map(|_| enter(&crowd, loud).expect("no wait")).collect();
        let mut waiting: Vec<_> = (PLACES..CALLS_PER_CUSTOMER).map(|_| wait(&crowd, loud)).collect();
        let refused = enter(&crowd, loud).expect("no wait");
        assert!(matches!(refused, Err(AppError::Crowded { limit: CALLS_PER_CUSTOMER, .. })));

        waiting.truncate(1);
        let of_other = wait(&crowd, other);
        let refused = enter(&crowd, loud).expect("no wait");
        assert!(matches!(refused, Err(AppError::Crowded { limit: PLACES, .. })));
        drop(of_other);
        drop((waiting, at_work));
        assert!(is_empty(&crowd));
    }
}
