use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kernel::WalletId;

use crate::linear::{NEVER, Seen, What};
use crate::wire::Wire;

use super::operation::FIRST_TIMED;

const FIRST_WRITE_WITHIN: Duration = Duration::from_secs(60);
const OPERATIONS_WITHIN: Duration = Duration::from_secs(3_600);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(2);

/// A customer of the bank with one wallet.
pub struct Holder {
    pub customer: String,
    pub wallet: WalletId,
}

/// What the tellers, the readers and the fault know together.
pub struct Shared {
    pub holders: Vec<Holder>,
    pub is_closing: AtomicBool,
    /// How many times the fault has struck.
    pub life: AtomicUsize,
    /// Answers 503 so far.
    pub turned_away: Arc<AtomicU64>,
    /// New writes that were acknowledged in each life.
    acknowledged: Vec<AtomicU64>,
    /// All moments of the histories count from here.
    begin: Instant,
}

/// Ends the tellers also when the fault fails, so that its failure is seen.
pub struct Closing<'a>(pub &'a Shared);

impl Shared {
    pub fn open(wire: &mut Wire, wallets: usize, strikes: usize, turned_away: Arc<AtomicU64>) -> Shared {
        Shared {
            holders: (0..wallets).map(|number| holder(wire, number)).collect(),
            is_closing: AtomicBool::new(false),
            life: AtomicUsize::new(0),
            turned_away,
            acknowledged: (0..=strikes).map(|_| AtomicU64::new(0)).collect(),
            begin: Instant::now(),
        }
    }

    pub fn acknowledge(&self, life: usize, operations: usize) {
        self.acknowledged[life].fetch_add(operations as u64, Ordering::SeqCst);
    }

    pub fn wait_for_a_write(&self, life: usize) {
        let begin = Instant::now();
        while self.acknowledged[life].load(Ordering::SeqCst) == 0 {
            assert!(begin.elapsed() < FIRST_WRITE_WITHIN, "no write was acknowledged in life {life}");
            thread::sleep(LOOK_AGAIN_AFTER);
        }
    }

    pub fn wait_for_operations(&self, wanted: usize) {
        let begin = Instant::now();
        let all = || self.acknowledged.iter().map(|life| life.load(Ordering::SeqCst)).sum::<u64>();
        while all() < wanted as u64 {
            assert!(begin.elapsed() < OPERATIONS_WITHIN, "{} of {wanted} operations", all());
            thread::sleep(LOOK_AGAIN_AFTER);
        }
    }

    /// Nanoseconds on the clock of the histories.
    pub fn moment(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(NEVER)
    }

    /// `None` for a wallet that time moves as well.
    pub fn seen(&self, wallet: usize, begin: u64, what: What) -> Option<(usize, Seen)> {
        (wallet < FIRST_TIMED).then(|| (wallet, Seen { begin, end: self.moment(), what }))
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.is_closing.store(true, Ordering::SeqCst);
    }
}

fn holder(wire: &mut Wire, number: usize) -> Holder {
    let customer = format!("holder-{number}");
    let body = format!(
        r#"{{"external_id": "{customer}", "kind": "individual", "name": "{customer}", "email": "{customer}@example.com"}}"#
    );
    let made = wire.post("/v1/customers", &customer, &body).expect("the server runs");
    assert_eq!(made.status, 201, "{}", made.body);
    let wallet = wire.get(&format!("/v1/customers/{customer}/wallet")).expect("the server runs");
    let id = wallet.text("id").parse().unwrap_or_else(|_| panic!("a wallet has an id: {}", wallet.body));
    Holder { customer, wallet: id }
}
