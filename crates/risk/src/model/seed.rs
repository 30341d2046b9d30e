use rand::RngCore;
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;

/// Where all randomness of a fit comes from: the model's id. The same id and rows give the same bits.
///
/// Floats are made here and not by `rand`'s uniform ranges, which can loop for ever when two bounds of the
/// data nearly touch.
#[derive(Debug, Clone)]
pub struct Seed(Xoshiro256Plus);

impl Seed {
    /// FNV-1a over the id and over the part of the model that asks.
    #[must_use]
    pub fn of(model_id: &str, part: &str) -> Seed {
        let bytes = model_id.bytes().chain([0]).chain(part.bytes());
        let hash =
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Seed(Xoshiro256Plus::seed_from_u64(hash))
    }

    /// At least 0, below 1, 53 bits.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// At least 0, below `bound`; 0 for a bound of 0.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.unit() * bound as f64) as usize).min(bound.saturating_sub(1))
    }

    /// `count` different positions below `bound`, or all of them.
    pub fn sample(&mut self, bound: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..bound).collect();
        let count = count.min(bound);
        for i in 0..count {
            let j = i + self.below(bound - i);
            all.swap(i, j);
        }
        all.truncate(count);
        all
    }

    /// For `linfa`, which wants a generator of its own.
    #[must_use]
    pub fn generator(&self) -> Xoshiro256Plus {
        self.0.clone()
    }
}
