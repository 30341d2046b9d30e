//! Processor time: what other work on the machine does not change much.

use nix::time::{ClockId, clock_gettime};

/// Seconds that this thread has worked so far.
pub fn of_thread() -> f64 {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// Seconds that all threads of this process have worked so far.
pub fn of_process() -> f64 {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// Both clocks are there on every system that this is built for.
#[allow(clippy::cast_precision_loss)]
fn read(clock: ClockId) -> f64 {
    clock_gettime(clock).map_or(f64::NAN, |time| time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}
