//! Work that is done later, once, by whichever process comes first: claims with a lease, retries with a
//! backoff, dead letters, schedules.
//!
//! What this crate does not know: what the work is. `app` handles it and says how it ended; a handler may
//! run twice, because a lease can end while it still works.

mod retry;
mod schedule;
mod work;

pub use retry::{Backoff, Next};
pub use schedule::{Schedule, ScheduleError, Turn, begin, finish, hasten, prepare};
pub use store::cold::queue::Queue;
pub use work::{Claim, JobError, Outcome, claim_due, conclude};
