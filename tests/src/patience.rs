//! How long a test waits for another process: time in which the machine itself stood still does not count.

use std::time::{Duration, Instant};

/// What one round of waiting counts at most. Whoever was stopped for minutes, and everybody with them, was not
/// slow.
const ROUND_MAX: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub struct Patience {
    left: Duration,
    since: Instant,
}

impl Patience {
    pub fn of(time: Duration) -> Patience {
        Patience { left: time, since: Instant::now() }
    }

    /// Waits a moment; false when patience is at its end.
    pub fn wait(&mut self, pause: Duration) -> bool {
        std::thread::sleep(pause);
        self.round_of(self.since.elapsed());
        self.since = Instant::now();
        !self.left.is_zero()
    }

    fn round_of(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time.min(ROUND_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_stood_still_costs_one_round_and_waiting_has_an_end() {
        let mut patience = Patience::of(Duration::from_secs(10));
        patience.round_of(Duration::from_secs(3_600));
        assert_eq!(patience.left, Duration::from_secs(7));
        for _ in 0..7 {
            patience.round_of(Duration::from_secs(1));
        }
        assert!(patience.left.is_zero() && !patience.wait(Duration::ZERO));
    }
}
