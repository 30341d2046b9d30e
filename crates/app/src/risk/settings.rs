//! Thresholds, rules and limits of the watch.

use std::collections::BTreeMap;

use kernel::Credits;
pub use ledger::StepUp;
use risk::detectors::Detector;
use risk::score::{Counted, Thresholds};
pub use risk::training::REVIEWERS;
use serde::{Deserialize, Serialize};

use super::policy::Heard;
pub use super::versions::{Version, change, change_as_operator, current, history};
use crate::AppError;
use crate::text::Checks;

/// A restriction that nobody looks at ends by itself after at most a month.
const MINUTES_MAX: i64 = 30 * 24 * 60;

/// The limits of speed, as a reason of a case and as what can be snoozed.
pub(super) const VELOCITY: &str = "velocity";

/// What can be silenced for one customer.
pub(super) fn can_be_snoozed(rule: &str) -> bool {
    rule == VELOCITY || is_rule(rule)
}

fn is_rule(name: &str) -> bool {
    name == REVIEWERS || Detector::by_name(name).is_some()
}

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleState {
    /// It counts.
    #[default]
    On,
    /// It is reckoned and reported, and counts for nothing.
    Shadow,
    Off,
}

/// How fast credits may go before a wallet is held for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Velocity {
    /// In one hour, whoever it is. No limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits_per_hour: Option<Credits>,
    /// So many times the wallet's own usual hour, once it has seven days of history. No limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times_usual_hour: Option<u32>,
    /// The second limit is silent below this, so that nobody is held for a little.
    #[serde(default = "few")]
    pub least_credits: Credits,
}

fn few() -> Credits {
    Credits::whole(500)
}

/// One version's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Scores from 0 to 1 from which a case is opened, a wallet restricted, blocked. 1 is never reached.
    pub review: f64,
    pub restrict: f64,
    pub block: f64,
    /// A verdict is left below this part of its threshold.
    pub release: f64,
    /// By the names of the detectors, and `reviewers` for what these taught; one that is not named is on.
    #[serde(default)]
    pub rules: BTreeMap<String, RuleState>,
    #[serde(default)]
    pub velocity: Velocity,
    /// How long a restriction lasts that came by itself.
    pub restrict_minutes: i64,
    pub step_up: StepUp,
    /// Restrictions of wallets that can spend more than this are mailed at once, others once a day.
    pub mail_above: Credits,
}

impl Default for Settings {
    fn default() -> Settings {
        let Thresholds { review, restrict, block, release } = Thresholds::default();
        Settings {
            review,
            restrict,
            block,
            release,
            rules: BTreeMap::new(),
            velocity: Velocity { credits_per_hour: None, times_usual_hour: Some(50), least_credits: few() },
            restrict_minutes: 24 * 60,
            step_up: StepUp::VerifyMail,
            mail_above: Credits::whole(100),
        }
    }
}

impl Settings {
    pub(super) fn thresholds(&self) -> Thresholds {
        Thresholds { review: self.review, restrict: self.restrict, block: self.block, release: self.release }
    }

    pub fn rule(&self, detector: Detector) -> RuleState {
        self.rules.get(detector.name()).copied().unwrap_or_default()
    }

    /// Every rule by its name, in the order of the detectors; what reviewers taught is the last.
    pub fn states(&self) -> impl Iterator<Item = (&'static str, RuleState)> + '_ {
        let named = |name| (name, self.rules.get(name).copied().unwrap_or_default());
        Detector::ALL.into_iter().map(Detector::name).chain([REVIEWERS]).map(named)
    }

    pub(super) fn counted(&self) -> Counted {
        self.heard().patterns
    }

    pub(super) fn heard(&self) -> Heard {
        let silent = self.states().filter(|(_, state)| *state != RuleState::On);
        silent.fold(Heard::default(), |heard, (rule, _)| heard.without(rule))
    }

    pub(super) fn check(&self) -> Result<(), AppError> {
        let mut checks = Checks::default();
        let is_share = |value: f64| (0.0..=1.0).contains(&value);
        for (field, value) in [("review", self.review), ("restrict", self.restrict), ("block", self.block)] {
            checks.ensure(is_share(value) && value >= 0.05, field, "must be 0.05 to 1");
        }
        let is_ordered = self.review <= self.restrict && self.restrict <= self.block;
        checks.ensure(is_ordered, "restrict", "must lie between review and block");
        checks.ensure(is_share(self.release), "release", "must be 0 to 1");
        for name in self.rules.keys() {
            checks.ensure(is_rule(name), &format!("rules.{name}"), "is not a rule");
        }
        let is_shadow = self.rules.get(REVIEWERS) == Some(&RuleState::Shadow);
        checks.ensure(
            !is_shadow,
            "rules.reviewers",
            "must be on or off; each model is watched for a day first",
        );
        let minutes = (1..=MINUTES_MAX).contains(&self.restrict_minutes);
        checks.ensure(minutes, "restrict_minutes", "must be 1 to 43200");
        let is_limit =
            |credits: Option<Credits>| credits.is_none_or(|c| c.is_positive() && c <= Credits::INPUT_MAX);
        let velocity = &self.velocity;
        checks.ensure(
            is_limit(velocity.credits_per_hour),
            "velocity.credits_per_hour",
            "must be more than 0",
        );
        let times = velocity.times_usual_hour.is_none_or(|times| (2..=10_000).contains(&times));
        checks.ensure(times, "velocity.times_usual_hour", "must be 2 to 10000");
        let least = !velocity.least_credits.is_negative();
        checks.ensure(least, "velocity.least_credits", "must not be negative");
        checks.ensure(!self.mail_above.is_negative(), "mail_above", "must not be negative");
        checks.done()
    }
}

impl RuleState {
    pub const ALL: [RuleState; 3] = [RuleState::On, RuleState::Shadow, RuleState::Off];

    pub const fn as_str(self) -> &'static str {
        match self {
            RuleState::On => "on",
            RuleState::Shadow => "shadow",
            RuleState::Off => "off",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_member_is_named() {
        let wrong = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            let Err(AppError::Invalid { errors }) = settings.check() else { panic!("refused") };
            errors.into_iter().map(|error| error.field).collect::<Vec<_>>()
        };
        assert!(Settings::default().check().is_ok());
        assert_eq!(wrong(|s| s.review = 0.0), ["review"]);
        assert_eq!(wrong(|s| s.review = 0.95), ["restrict"]);
        assert_eq!(wrong(|s| s.release = f64::NAN), ["release"]);
        assert_eq!(
            wrong(|s| {
                let _ = s.rules.insert("tall".to_owned(), RuleState::On);
            }),
            ["rules.tall"]
        );
        assert_eq!(
            wrong(|s| {
                let _ = s.rules.insert(REVIEWERS.to_owned(), RuleState::Shadow);
            }),
            ["rules.reviewers"]
        );
        assert_eq!(wrong(|s| s.restrict_minutes = 0), ["restrict_minutes"]);
        let fast = |s: &mut Settings| s.velocity.credits_per_hour = Some(Credits::ZERO);
        assert_eq!(wrong(fast), ["velocity.credits_per_hour"]);
    }

    #[test]
    fn only_rules_that_are_on_count() {
        let mut settings = Settings::default();
        settings.rules.insert("scraper".to_owned(), RuleState::Shadow);
        settings.rules.insert("in_step".to_owned(), RuleState::Off);
        settings.rules.insert("disputed".to_owned(), RuleState::On);
        assert!(settings.heard().reviewers && settings.heard().speed);
        settings.rules.insert("reviewers".to_owned(), RuleState::Off);
        assert!(!settings.heard().reviewers);
        let counted = settings.counted();
        let silent: Vec<&str> =
            Detector::ALL.into_iter().filter(|d| !counted.has(*d)).map(Detector::name).collect();
        assert_eq!(silent, ["in_step", "scraper"]);
    }
}
