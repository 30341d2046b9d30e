//! Windows over the past in constant space.

use serde::{Deserialize, Serialize};

use crate::signal::Millis;

pub const SECOND: Millis = 1_000;
pub const MINUTE: Millis = 60 * SECOND;
pub const HOUR: Millis = 60 * MINUTE;
pub const DAY: Millis = 24 * HOUR;

/// A sum in which everything fades: after `SPAN_MINUTES` a thing counts 1/e. It stands for a window of that
/// length, without its edge.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Fading<const SPAN_MINUTES: i64> {
    sum: f64,
    at: Millis,
}

impl<const SPAN_MINUTES: i64> Fading<SPAN_MINUTES> {
    pub fn add(&mut self, amount: f64, now: Millis) {
        self.sum = self.at(now) + amount;
        self.at = self.at.max(now);
    }

    /// The sum as it is worth now.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a lifetime fit a double")]
    pub fn at(&self, now: Millis) -> f64 {
        let past = (now - self.at).max(0);
        if self.sum == 0.0 { 0.0 } else { self.sum * (-(past as f64) / (SPAN_MINUTES * MINUTE) as f64).exp() }
    }
}

pub type Hourly = Fading<60>;
pub type Daily = Fading<1_440>;
pub type Weekly = Fading<10_080>;
pub type Monthly = Fading<43_200>;

/// The last `N` different values with the time each was last seen. The one unseen for longest leaves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(u32, Millis)>", into = "Vec<(u32, Millis)>")]
pub struct Distinct<const N: usize> {
    seen: [(u32, Millis); N],
}

impl<const N: usize> Default for Distinct<N> {
    fn default() -> Self {
        Distinct { seen: [(0, Millis::MIN); N] }
    }
}

impl<const N: usize> Distinct<N> {
    /// Whether the value is new here.
    pub fn add(&mut self, value: u32, now: Millis) -> bool {
        if let Some(known) = self.seen.iter_mut().find(|(v, at)| *v == value && *at > Millis::MIN) {
            known.1 = now;
            return false;
        }
        if let Some(oldest) = self.seen.iter_mut().min_by_key(|(_, at)| *at) {
            *oldest = (value, now);
        }
        true
    }

    /// How many were seen in the last `span`.
    #[must_use]
    pub fn count(&self, span: Millis, now: Millis) -> usize {
        self.seen.iter().filter(|(_, at)| *at > Millis::MIN && now - *at <= span).count()
    }
}

impl<const N: usize> From<Vec<(u32, Millis)>> for Distinct<N> {
    fn from(entries: Vec<(u32, Millis)>) -> Self {
        let mut distinct = Distinct::default();
        distinct.seen.iter_mut().zip(entries).for_each(|(place, entry)| *place = entry);
        distinct
    }
}

impl<const N: usize> From<Distinct<N>> for Vec<(u32, Millis)> {
    fn from(distinct: Distinct<N>) -> Self {
        distinct.seen.to_vec()
    }
}
