//! What must not get worse: the goals of the page about risk. A run that misses one fails and says which.

use crate::anomaly;
use crate::service;
use crate::timed::Summary;

/// One number and where it has to be.
struct Goal {
    what: String,
    measured: Option<f64>,
    bound: Bound,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// What a run over abuse set A misses, in sentences.
pub fn missed_on_set_a(summary: &Summary) -> Vec<String> {
    let found = summary.recall_by_archetype.values().copied().reduce(f64::min);
    let flagged = summary.flagged_by_honest_class.values().copied().reduce(f64::max);
    missed(&[
        at_least("area under the ROC curve", Some(summary.auc), 0.985),
        at_least("average precision", Some(summary.ap), 0.95),
        at_least("precision in the first 1 %", Some(summary.precision_at_1), 0.98),
        at_least("lowest share found of a kind of abuse", found, 0.60),
        at_most("highest share flagged of an honest class", flagged, 0.10),
        at_most("median hours to detection", summary.median_hours_to_detection, 6.0),
        at_least("share of the credits spent after detection", Some(summary.preventable_credits), 0.55),
    ])
}

/// What a run over the eight public sets misses.
pub fn missed_on_public_sets(summary: &anomaly::Summary) -> Vec<String> {
    #[allow(clippy::cast_precision_loss)]
    let failures = summary.fit_failures as f64;
    missed(&[
        at_least("mean area under the ROC curve", Some(summary.mean_auc), 0.915),
        at_least("mean average precision", Some(summary.mean_ap), 0.58),
        at_most("fits that failed", Some(failures), 0.0),
    ])
}

/// What the service misses on any set.
pub fn missed_by_service(outcome: &service::Outcome) -> Vec<String> {
    let lost = "the state after the restart is not that of somebody who never stopped";
    if outcome.is_identical_after_restart { Vec::new() } else { vec![lost.to_owned()] }
}

fn missed(goals: &[Goal]) -> Vec<String> {
    goals.iter().filter(|goal| !goal.is_met()).map(Goal::told).collect()
}

fn at_least(what: &str, measured: Option<f64>, floor: f64) -> Goal {
    Goal { what: what.to_owned(), measured, bound: Bound::AtLeast(floor) }
}

fn at_most(what: &str, measured: Option<f64>, ceiling: f64) -> Goal {
    Goal { what: what.to_owned(), measured, bound: Bound::AtMost(ceiling) }
}

impl Goal {
    /// A number that is missing, or none, meets nothing.
    fn is_met(&self) -> bool {
        self.measured.is_some_and(|measured| match self.bound {
            Bound::AtLeast(floor) => measured >= floor,
            Bound::AtMost(ceiling) => measured <= ceiling,
        })
    }

    fn told(&self) -> String {
        let measured = self.measured.map_or_else(|| "not measured".to_owned(), |m| format!("{m:.4}"));
        let (word, bound) = match self.bound {
            Bound::AtLeast(floor) => ("least", floor),
            Bound::AtMost(ceiling) => ("most", ceiling),
        };
        format!("{}: {measured}, the goal is at {word} {bound}", self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each number on its goal.
    fn just_met() -> Summary {
        Summary {
            auc: 0.985,
            ap: 0.95,
            precision_at_1: 0.98,
            recall_by_archetype: [("spike".to_owned(), 1.0), ("stolen_card".to_owned(), 0.60)].into(),
            worst_honest_flagged: 0.10,
            median_hours_to_detection: Some(6.0),
            preventable_credits: 0.55,
            flagged_by_honest_class: [("office".to_owned(), 0.0), ("launch".to_owned(), 0.10)].into(),
        }
    }

    #[test]
    fn a_run_misses_what_is_beyond_its_goal_and_nothing_else() {
        assert_eq!(missed_on_set_a(&just_met()), [""; 0]);
        type Worsen = fn(&mut Summary);
        let worse: [(Worsen, &str); 10] = [
            (|s| s.auc = 0.984, "area under the ROC curve: 0.9840, the goal is at least 0.985"),
            (|s| s.auc = f64::NAN, "area under the ROC curve: NaN, the goal is at least 0.985"),
            (|s| s.ap = 0.94, "average precision: 0.9400, the goal is at least 0.95"),
            (|s| s.precision_at_1 = 0.9, "precision in the first 1 %: 0.9000, the goal is at least 0.98"),
            (
                |s| s.recall_by_archetype.extend([("in_step".to_owned(), 0.59)]),
                "lowest share found of a kind of abuse: 0.5900, the goal is at least 0.6",
            ),
            (
                |s| s.flagged_by_honest_class.extend([("heavy".to_owned(), 0.11)]),
                "highest share flagged of an honest class: 0.1100, the goal is at most 0.1",
            ),
            (
                |s| s.flagged_by_honest_class.clear(),
                "highest share flagged of an honest class: not measured, the goal is at most 0.1",
            ),
            (
                |s| s.median_hours_to_detection = Some(6.1),
                "median hours to detection: 6.1000, the goal is at most 6",
            ),
            (
                |s| s.median_hours_to_detection = None,
                "median hours to detection: not measured, the goal is at most 6",
            ),
            (
                |s| s.preventable_credits = 0.5,
                "share of the credits spent after detection: 0.5000, the goal is at least 0.55",
            ),
        ];
        for (worsen, told) in worse {
            let mut summary = just_met();
            worsen(&mut summary);
            assert_eq!(missed_on_set_a(&summary), [told]);
        }
    }

    #[test]
    fn a_fit_that_failed_is_missed_like_a_mean_below_its_goal() {
        let sets = |mean_auc, mean_ap, fit_failures| anomaly::Summary { mean_auc, mean_ap, fit_failures };
        assert_eq!(missed_on_public_sets(&sets(0.915, 0.58, 0)), [""; 0]);
        assert_eq!(missed_on_public_sets(&sets(0.914, 0.57, 1)).len(), 3);
    }
}
