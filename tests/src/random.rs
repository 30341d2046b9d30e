use kernel::new_uuid;

use crate::say;

/// Set to the number that a failed run printed to see the same choices again.
const SEED_VARIABLE: &str = "SCRIP_TEST_SEED";

/// Steele, Lea and Flood's SplitMix64: small, seeded, good enough to choose what to try.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    pub fn seeded(seed: u64) -> SplitMix64 {
        SplitMix64(seed)
    }

    /// The seed of the environment or a new one, printed either way with `purpose`.
    pub fn announced(purpose: &str) -> SplitMix64 {
        let given = std::env::var(SEED_VARIABLE).ok();
        let seed = match given {
            Some(text) => text.parse().expect("SCRIP_TEST_SEED is a number"),
            None => new_uuid().as_u64_pair().1,
        };
        say(&format!("{purpose}: {SEED_VARIABLE}={seed}"));
        SplitMix64(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `limit` - 1. The bias of the remainder does not matter to tests.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("a usize fits");
        usize::try_from(self.draw() % limit).expect("it is below a usize")
    }

    /// 1 to `most`.
    pub fn amount(&mut self, most: i64) -> i64 {
        i64::try_from(self.draw() % most.unsigned_abs()).expect("it is below an i64") + 1
    }

    /// A generator of its own for each thread.
    pub fn fork(&mut self) -> SplitMix64 {
        SplitMix64(self.draw())
    }
}

#[cfg(test)]
mod tests {
    use super::SplitMix64;

    #[test]
    fn it_is_the_published_sequence() {
        let mut random = SplitMix64(1_234_567);
        let drawn = [random.draw(), random.draw(), random.draw()];
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }
}
