//! Which wallet a call is for.

use std::sync::Arc;

use ::tests::random::SplitMix64;

/// Of the Zipf distribution: the wallet of rank k is called with a weight of 1 / k^1.1.
pub const ZIPF_EXPONENT: f64 = 1.1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Spread {
    Uniform,
    Zipf,
    /// One wallet.
    Hot,
}

impl Spread {
    pub const ALL: [Spread; 3] = [Spread::Uniform, Spread::Zipf, Spread::Hot];

    pub fn name(self) -> &'static str {
        match self {
            Spread::Uniform => "uniform",
            Spread::Zipf => "Zipf 1.1",
            Spread::Hot => "hot",
        }
    }
}

/// Draws wallets by index, each caller with a generator of its own.
#[derive(Clone)]
pub struct Chooser {
    spread: Spread,
    wallets: usize,
    /// Of each rank: the share of all calls that it and those before it get. Empty unless Zipf.
    shares: Arc<[f64]>,
    random: SplitMix64,
}

impl Chooser {
    pub fn new(spread: Spread, wallets: usize, seed: u64) -> Chooser {
        let shares = if spread == Spread::Zipf { shares(wallets) } else { Arc::default() };
        Chooser { spread, wallets, shares, random: SplitMix64::seeded(seed) }
    }

    pub fn fork(&mut self) -> Chooser {
        Chooser { random: self.random.fork(), ..self.clone() }
    }

    pub fn draw(&mut self) -> usize {
        match self.spread {
            Spread::Hot => 0,
            Spread::Uniform => self.random.below(self.wallets),
            Spread::Zipf => {
                let at = self.fraction();
                self.shares.partition_point(|share| *share <= at).min(self.wallets - 1)
            }
        }
    }

    /// 0 to `limit` - 1, whatever the spread.
    pub fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit)
    }

    /// 0 to 1, 1 excluded.
    fn fraction(&mut self) -> f64 {
        (self.random.draw() >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn shares(wallets: usize) -> Arc<[f64]> {
    let mut total = 0.0;
    let mut shares: Vec<f64> = (1..=wallets)
        .map(|rank| {
            total += (rank as f64).powf(-ZIPF_EXPONENT);
            total
        })
        .collect();
    shares.iter_mut().for_each(|share| *share /= total);
    shares.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(spread: Spread, wallets: usize, draws: usize) -> Vec<f64> {
        let mut chooser = Chooser::new(spread, wallets, 7);
        let mut counts = vec![0.0; wallets];
        for _ in 0..draws {
            counts[chooser.draw()] += 1.0;
        }
        counts
    }

    #[test]
    fn zipf_ranks_are_drawn_in_proportion_to_their_weight() {
        let counts = counts(Spread::Zipf, 1_000, 200_000);
        let total: f64 = (1..=1_000).map(|k| f64::from(k).powf(-1.1)).sum();
        for rank in [1u32, 2, 10] {
            let expected = 200_000.0 * f64::from(rank).powf(-1.1) / total;
            let seen = counts[rank as usize - 1];
            assert!((seen / expected - 1.0).abs() < 0.1, "rank {rank}: {seen}, expected {expected}");
        }
    }

    #[test]
    fn uniform_reaches_every_wallet_alike_and_hot_only_the_first() {
        assert!(counts(Spread::Uniform, 100, 100_000).iter().all(|n| (800.0..1_200.0).contains(n)));
        assert!(counts(Spread::Hot, 100, 1_000)[1..].iter().all(|n| *n == 0.0));
    }

    #[test]
    fn two_callers_draw_different_wallets_and_the_same_seed_the_same() {
        let mut one = Chooser::new(Spread::Uniform, 1_000_000, 1);
        let (mut a, mut b) = (one.fork(), one.fork());
        let mut again = Chooser::new(Spread::Uniform, 1_000_000, 1).fork();
        let first = a.draw();
        assert_eq!(first, again.draw());
        assert_ne!(first, b.draw());
    }
}
