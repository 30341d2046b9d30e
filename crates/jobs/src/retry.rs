use kernel::Timestamp;

/// How often and how soon something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first_seconds: i64,
    /// Each pause is twice the one before, up to this.
    pub longest_seconds: i64,
    /// After so many attempts it is a dead letter.
    pub attempts_max: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    At(Timestamp),
    /// A person must look.
    DeadLetter,
}

impl Backoff {
    /// 5 s, 10 s, … 1 h: about a day in all.
    pub const CALLS: Backoff = Backoff { first_seconds: 5, longest_seconds: 3_600, attempts_max: 32 };

    /// When to try again after `attempts` (from 1). `seed` spreads what failed together over the second
    /// half of the pause.
    pub fn next(&self, attempts: u32, now: Timestamp, seed: u64) -> Next {
        if attempts >= self.attempts_max {
            return Next::DeadLetter;
        }
        let doublings = attempts.saturating_sub(1).min(30);
        let pause = self.first_seconds.saturating_mul(1 << doublings).clamp(1, self.longest_seconds.max(1));
        let millis = pause.saturating_mul(1_000);
        let half = millis / 2;
        let jitter = i64::try_from(mix(seed) % u64::try_from(half.max(1)).unwrap_or(1)).unwrap_or(0);
        let micros = now.micros().saturating_add((millis - jitter).saturating_mul(1_000));
        Next::At(Timestamp::from_micros_saturating(micros))
    }
}

/// SplitMix64's finaliser: neighbouring seeds give unrelated numbers.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first_seconds: 2, longest_seconds: 60, attempts_max: 10 };

    #[test]
    fn pauses_double_up_to_the_longest_and_then_it_is_a_dead_letter() {
        let pauses = [2, 4, 8, 16, 32, 60, 60, 60, 60];
        for (attempts, longest) in (1..).zip(pauses) {
            for seed in 0..100 {
                let Next::At(at) = BACKOFF.next(attempts, Timestamp::EPOCH, seed) else {
                    panic!("{attempts}")
                };
                let seconds = at.micros() as f64 / 1e6;
                assert!(seconds > f64::from(longest) / 2.0 && seconds <= f64::from(longest), "{seconds}");
            }
        }
        assert_eq!(BACKOFF.next(10, Timestamp::EPOCH, 1), Next::DeadLetter);
    }

    #[test]
    fn what_failed_together_is_not_tried_together() {
        let mut at: Vec<Next> = (0..50).map(|seed| BACKOFF.next(6, Timestamp::EPOCH, seed)).collect();
        at.dedup();
        assert!(at.len() > 45);
    }
}
