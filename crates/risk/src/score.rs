//! From features to a score with reasons and a verdict.

use serde::{Deserialize, Serialize};

use crate::detectors::Detector;
use crate::features::Features;
use crate::model::Ensemble;

/// How suspicious one wallet is at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assessment {
    /// 0 to 1.
    pub score: f64,
    pub features: Features,
    pub strengths: [f64; Detector::ALL.len()],
    /// The share of the wallet-days of training that were less unusual; none without a model.
    pub unusual: Option<f64>,
}

/// One contribution to a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// A detector's name, or `unusual`.
    pub name: String,
    /// 0 to 1.
    pub strength: f64,
    pub sentence: String,
}

/// A detector alone never makes certain.
const MOST: f64 = 0.98;
/// What unusual alone can make of a wallet. Little, because many honest customers are unusual: it orders those
/// whom no detector names.
const MOST_BY_UNUSUAL: f64 = 0.04;
/// The model speaks above this share of the wallet-days of training.
const UNUSUAL: f64 = 0.98;
/// Weaker contributions are no reasons.
const LEAST_REASON: f64 = 0.05;
/// How unusual a wallet is has little weight and is worth a sentence all the same.
const LEAST_UNUSUAL: f64 = 0.01;
const MOST_REASONS: usize = 4;

impl Assessment {
    /// Detectors and model joined by noisy-or: each has its own chance of being right.
    #[must_use]
    pub fn of(features: Features, model: Option<&Ensemble>) -> Assessment {
        let strengths = Detector::ALL.map(|detector| detector.strength(&features));
        let unusual = model.map(|model| model.share_below(&features.vector()));
        let innocent: f64 = strengths.iter().map(|s| 1.0 - MOST * s).product();
        let score = 1.0 - innocent * (1.0 - by_unusual(unusual));
        Assessment { score, features, strengths, unusual }
    }

    /// The score when only some patterns count. How unusual it is counts always: it names nothing.
    #[must_use]
    pub fn score_by(&self, counted: Counted) -> f64 {
        let strengths = self.strengths.iter().zip(Detector::ALL);
        let innocent: f64 =
            strengths.filter(|(_, d)| counted.has(*d)).map(|(strength, _)| 1.0 - MOST * strength).product();
        1.0 - innocent * (1.0 - by_unusual(self.unusual))
    }

    /// The strongest contributions first.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        self.reasons_by(Counted::ALL)
    }

    /// As [`Assessment::reasons`], of the patterns that count.
    #[must_use]
    pub fn reasons_by(&self, counted: Counted) -> Vec<Reason> {
        let strengths = self.strengths.iter().zip(Detector::ALL).filter(|(_, d)| counted.has(*d));
        let mut found: Vec<(f64, Option<Detector>)> =
            strengths.map(|(s, detector)| (*s, Some(detector))).collect();
        found.push((by_unusual(self.unusual), None));
        let least = |pattern: Option<Detector>| if pattern.is_some() { LEAST_REASON } else { LEAST_UNUSUAL };
        found.retain(|(strength, pattern)| *strength >= least(*pattern));
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.truncate(MOST_REASONS);
        found.into_iter().map(|(strength, detector)| self.reason(strength, detector)).collect()
    }

    fn reason(&self, strength: f64, detector: Option<Detector>) -> Reason {
        let (name, sentence) = match detector {
            Some(detector) => (detector.name(), detector.sentence(&self.features)),
            None => (
                "unusual",
                format!(
                    "More unusual than {:.1} % of all wallet-days the model has seen.",
                    self.unusual.unwrap_or_default() * 100.0
                ),
            ),
        };
        Reason { name: name.to_owned(), strength, sentence }
    }
}

fn by_unusual(share: Option<f64>) -> f64 {
    let above = (share.unwrap_or_default() - UNUSUAL).max(0.0) / (1.0 - UNUSUAL);
    MOST_BY_UNUSUAL * above
}

/// Which patterns count: a set of [`Detector`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Counted(u16);

impl Counted {
    pub const ALL: Counted = Counted(u16::MAX);

    #[must_use]
    pub fn has(self, detector: Detector) -> bool {
        self.0 & bit(detector) != 0
    }

    #[must_use]
    pub fn without(self, detector: Detector) -> Counted {
        Counted(self.0 & !bit(detector))
    }

    /// Those that count in both.
    #[must_use]
    pub fn and(self, other: Counted) -> Counted {
        Counted(self.0 & other.0)
    }
}

fn bit(detector: Detector) -> u16 {
    1 << Detector::ALL.iter().position(|d| *d == detector).unwrap_or(15)
}

/// What follows from a score. Never a ban: `restrict` pauses and asks for a proof, `block` refuses until a person
/// has looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allow,
    Review,
    Restrict,
    Block,
}

/// Scores from which each verdict holds. A wallet leaves a verdict only when its score falls below `release`
/// times the threshold, so that nobody flips at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    pub review: f64,
    pub restrict: f64,
    pub block: f64,
    pub release: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        // Nothing blocks by itself: 1 is never reached.
        Thresholds { review: 0.5, restrict: 0.9, block: 1.0, release: 0.6 }
    }
}

impl Thresholds {
    /// The verdict on `score` for a wallet under `before`.
    #[must_use]
    pub fn verdict(&self, score: f64, before: Verdict) -> Verdict {
        let steps = [
            (Verdict::Block, self.block),
            (Verdict::Restrict, self.restrict),
            (Verdict::Review, self.review),
        ];
        let holds = |verdict, from| score >= if before >= verdict { from * self.release } else { from };
        steps.into_iter().find(|(verdict, from)| holds(*verdict, *from)).map_or(Verdict::Allow, |(v, _)| v)
    }

    /// Thresholds that a share of wallets exceeds: 1 % of active wallets a week can be reviewed, 0.2 % may be
    /// held. Without enough scores the defaults stay.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub fn for_budget(week: &[f64], review_share: f64, restrict_share: f64) -> Thresholds {
        let default = Thresholds::default();
        if week.len() < FEWEST_FOR_BUDGET {
            return default;
        }
        let mut sorted: Vec<f64> = week.iter().copied().filter(|s| s.is_finite()).collect();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let at = |share: f64| {
            let place = (share * sorted.len() as f64) as usize;
            sorted.get(place).copied().unwrap_or(1.0)
        };
        let review = at(review_share).clamp(LOWEST_REVIEW, default.restrict);
        let restrict = at(restrict_share).max(default.restrict);
        Thresholds { review, restrict, ..default }
    }
}

/// Fewer scores tell nothing of so small shares.
pub const FEWEST_FOR_BUDGET: usize = 200;
/// Below this no pattern is there, however free the reviewers are.
const LOWEST_REVIEW: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_unusual_and_nothing_else_reads_why() {
        // Above 98 % of the wallet-days each tenth of the rest is worth 0.004: a quarter of it is the least.
        for (unusual, sentences) in [
            (None, vec![]),
            (Some(0.98), vec![]),
            (Some(0.984), vec![]),
            (Some(0.986), vec!["More unusual than 98.6 % of all wallet-days the model has seen."]),
            (Some(1.0), vec!["More unusual than 100.0 % of all wallet-days the model has seen."]),
        ] {
            let nothing = Assessment::of(Features::default(), None);
            let seen = Assessment { unusual, ..nothing };
            let told: Vec<String> = seen.reasons().into_iter().map(|reason| reason.sentence).collect();
            assert_eq!(told, sentences, "{unusual:?}");
            assert!(seen.score_by(Counted::ALL) <= nothing.score + MOST_BY_UNUSUAL, "{unusual:?}");
        }
    }
}
