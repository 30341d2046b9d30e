use kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// Length of the window in seconds: a plan's limit is for any minute.
const WINDOW_SECONDS: i64 = 60;

/// Calls that began work (holds and reported usage), counted by whole second.
/// A second counts until all of it lies outside of the window, so the limit is never exceeded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallWindow(Vec<(i64, u32)>);

impl CallWindow {
    pub(crate) fn count(&mut self, at: Timestamp) {
        let second = at.unix_seconds();
        self.0.retain(|(s, _)| *s >= second - WINDOW_SECONDS);
        match self.0.last_mut() {
            Some((s, n)) if *s == second => *n = n.saturating_add(1),
            _ => self.0.push((second, 1)),
        }
    }

    /// Seconds until one more call fits under `limit` in any minute; `None` when it fits now.
    /// Under a limit of 0 nothing ever fits: the answer is the whole window.
    pub(crate) fn wait_seconds(&self, limit: u32, now: Timestamp) -> Option<i64> {
        let first = now.unix_seconds() - WINDOW_SECONDS;
        let inside = self.0.iter().filter(|(s, _)| *s >= first);
        let mut used: u64 = inside.clone().map(|(_, n)| u64::from(*n)).sum();
        if used < u64::from(limit) {
            return None;
        }
        for (second, n) in inside {
            used -= u64::from(*n);
            if used < u64::from(limit) {
                return Some(second - first + 1);
            }
        }
        Some(WINDOW_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::EPOCH.plus_seconds(1_000 + seconds)
    }

    #[test]
    fn the_limit_holds_in_any_minute_and_the_wait_is_long_enough() {
        let mut window = CallWindow::default();
        for second in [0, 0, 10] {
            assert_eq!(window.wait_seconds(3, at(second)), None);
            window.count(at(second));
        }
        assert_eq!(window.wait_seconds(3, at(10)), Some(51));
        assert_eq!(window.wait_seconds(3, at(60)), Some(1));
        assert_eq!(window.wait_seconds(3, at(61)), None);
    }

    #[test]
    fn a_limit_of_zero_refuses_everything() {
        assert_eq!(CallWindow::default().wait_seconds(0, at(0)), Some(60));
    }
}
