//! Named patterns of abuse. Each is a product of two or three soft thresholds over features, so that a person
//! can read why it fired, and one number that happens to be large is never enough.

use serde::{Deserialize, Serialize};

use crate::features::Features;

/// A soft threshold: 0.5 at `middle`, 0.88 at two `width`s above it.
#[derive(Debug, Clone, Copy)]
struct Gate {
    middle: f64,
    width: f64,
}

impl Gate {
    fn open(self, value: f64) -> f64 {
        1.0 / (1.0 + (-(value - self.middle) / self.width).exp())
    }
}

const fn gate(middle: f64, width: f64) -> Gate {
    Gate { middle, width }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// The same prompt, hardly changed, over and over, and the outputs stay where they are.
    NearIdenticalPrompts,
    /// Batches from one template whose outputs hardly anybody fetches.
    MinimalVariation,
    /// Generates and never fetches.
    NeverFetched,
    /// Far more than this wallet's own usual day, from many places at once.
    SuddenSpike,
    /// One wallet, many networks and many programs.
    AccountSharing,
    /// A steady machine that keeps changing its name.
    ChangingAgents,
    /// Several wallets on one network ask for the same within minutes.
    InStep,
    /// The allotment is gone hours after it came, on the dearest work there is.
    BurntAtRenewal,
    /// One of many trials on one network that behave alike.
    TrialFarm,
    /// Card after card is tried until one works; or the gateway doubts a payment and more speaks against it.
    StolenCard,
    /// Day and night, several hundred times, from few words: a scraper that rephrases.
    Scraper,
    /// The bank or the cardholder says that a payment was not theirs.
    Disputed,
}

impl Detector {
    pub const ALL: [Detector; 12] = [
        Detector::NearIdenticalPrompts,
        Detector::MinimalVariation,
        Detector::NeverFetched,
        Detector::SuddenSpike,
        Detector::AccountSharing,
        Detector::ChangingAgents,
        Detector::InStep,
        Detector::BurntAtRenewal,
        Detector::TrialFarm,
        Detector::StolenCard,
        Detector::Scraper,
        Detector::Disputed,
    ];

    /// As written in settings and in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Detector::NearIdenticalPrompts => "near_identical_prompts",
            Detector::MinimalVariation => "minimal_variation",
            Detector::NeverFetched => "never_fetched",
            Detector::SuddenSpike => "sudden_spike",
            Detector::AccountSharing => "account_sharing",
            Detector::ChangingAgents => "changing_agents",
            Detector::InStep => "in_step",
            Detector::BurntAtRenewal => "burnt_at_renewal",
            Detector::TrialFarm => "trial_farm",
            Detector::StolenCard => "stolen_card",
            Detector::Scraper => "scraper",
            Detector::Disputed => "disputed",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Detector> {
        Detector::ALL.into_iter().find(|detector| detector.name() == name)
    }

    /// How strongly the pattern is there, 0 to 1.
    #[must_use]
    pub fn strength(self, f: &Features) -> f64 {
        match self {
            Detector::NearIdenticalPrompts => {
                let is_machine = either(gate(0.5, 0.1).open(f.steady_day / f.uses_day.max(5.0)), 0.6);
                gate(12.0, 4.0).open(f.near_day) * gate(6.5, 1.2).open(f.unfetched_alike) * is_machine
            }
            Detector::MinimalVariation => {
                gate(30.0, 8.0).open(f.alike_day)
                    * gate(7.0, 1.2).open(f.unfetched_alike)
                    * gate(0.75, 0.08).open(f.same_parameters)
            }
            Detector::NeverFetched => gate(11.5, 1.4).open(f.unfetched) * gate(1.0, 1.0).open(f.credits_week),
            Detector::SuddenSpike => {
                gate(2.0, 0.6).open(f.surge) * gate(6.0, 0.5).open(f.agents_day + f.networks_day)
            }
            Detector::AccountSharing => {
                gate(4.6, 0.4).open(f.networks_week) * gate(3.4, 0.4).open(f.agents_day)
            }
            Detector::ChangingAgents => {
                gate(3.4, 0.35).open(f.agents_day) * gate(12.0, 3.0).open(f.steady_day)
            }
            Detector::InStep => gate(2.2, 0.4).open(f.in_step_week) * gate(1.8, 0.3).open(f.partners_week),
            Detector::BurntAtRenewal => {
                gate(0.5, 0.07).open(f.burnt_early)
                    * gate(0.42, 0.06).open(f.hour_share)
                    * gate(3.2, 0.2).open(f.credits_per_use)
            }
            Detector::TrialFarm => {
                let moves = gate(2.7, 0.4).open(f.hosts_day);
                let repeats = gate(0.4, 0.07).open(f.related);
                let hides = 0.65 * gate(2.5, 0.3).open(f.mail);
                gate(7.0, 1.3).open(f.trial_surprise) * either(either(moves, repeats), hides)
            }
            Detector::StolenCard => {
                let tries = gate(2.5, 0.3).open(f.cards_day) * gate(1.3, 0.25).open(f.failed_day);
                let is_foreign = gate(1.7, 0.25).open(f.cards_day) * gate(0.8, 0.2).open(f.foreign_day);
                // The gateway's doubt alone is no evidence: it doubts many honest payments.
                let doubt = gate(0.8, 0.12).open(f.doubted_day);
                let is_odd = either(gate(0.8, 0.15).open(f.foreign_day), gate(0.8, 0.15).open(f.failed_day));
                let burns =
                    gate(4.0, 0.3).open(f.bought_day) * gate(HALF, 0.2).open(f.credits_day - f.bought_day);
                either(either(tries, 0.8 * is_foreign), 0.8 * doubt * either(is_odd, burns))
            }
            Detector::Scraper => {
                gate(300.0, 40.0).open(f.uses_day)
                    * gate(17.0, 1.2).open(f.active_hours)
                    * gate(0.9, 0.03).open(f.staleness)
            }
            Detector::Disputed => gate(0.6, 0.05).open(f.disputes_month),
        }
    }

    /// What was seen, in plain words with its numbers.
    #[must_use]
    pub fn sentence(self, f: &Features) -> String {
        let credits = |ln: f64| ln.exp_m1();
        match self {
            Detector::NearIdenticalPrompts => format!(
                "About {:.0} prompts of the last day hardly differ from an earlier one, and few of the outputs were fetched.",
                f.near_day
            ),
            Detector::MinimalVariation => format!(
                "About {:.0} requests of the last day follow one template, {:.0} % with the very same parameters, and few of the outputs were fetched.",
                f.alike_day,
                f.same_parameters * 100.0
            ),
            Detector::NeverFetched => {
                let (strength, better) = in_words(f.unfetched);
                format!(
                    "Outputs are generated and not fetched, {:.0} credits this week: that fits abuse {better} than honest use ({strength}, ln odds {:.0}).",
                    credits(f.credits_week),
                    f.unfetched
                )
            }
            Detector::SuddenSpike => format!(
                "The last day cost {:.0} credits, {:.1} times a usual day, from {:.0} networks and {:.0} programs.",
                credits(f.credits_day),
                f.surge,
                f.networks_day,
                f.agents_day
            ),
            Detector::AccountSharing => format!(
                "Used from {:.0} networks in seven days and by {:.0} different programs in one.",
                f.networks_week, f.agents_day
            ),
            Detector::ChangingAgents => format!(
                "About {:.0} requests came like clockwork, under {:.0} different program names.",
                f.steady_day, f.agents_day
            ),
            Detector::InStep => format!(
                "About {:.0} times this week, {:.0} or more other wallets on the same network asked for the same within two minutes.",
                f.in_step_week, f.partners_week
            ),
            Detector::BurntAtRenewal => format!(
                "{:.0} % of the period's credits went within six hours of their arrival, {:.0} credits a request.",
                f.burnt_early * 100.0,
                credits(f.credits_per_use)
            ),
            Detector::TrialFarm => {
                let signs = [
                    (f.hosts_day >= 1.5, format!("used {:.0} addresses in a day", f.hosts_day)),
                    (
                        f.related >= 0.1,
                        format!("shares {:.0} % of its wording with its neighbours", f.related * 100.0),
                    ),
                    (f.mail > 2.5, "signed up with a disposable mail address".to_owned()),
                ];
                let shown: Vec<String> =
                    signs.into_iter().filter(|(is_there, _)| *is_there).map(|(_, sign)| sign).collect();
                let what = if shown.is_empty() { "is one of them".to_owned() } else { shown.join(", ") };
                // Against a usual network, not against honest use: whoever signs up there may be honest.
                let (strength, _) = in_words(f.trial_surprise);
                format!(
                    "More trials on one network than elsewhere, with {strength} evidence that it is no chance (a surprise of {:.0} nats); this one {what}.",
                    f.trial_surprise
                )
            }
            Detector::StolenCard => format!(
                "{:.0} cards within a day, about {:.0} payments failed, {:.0} from another country than the address, and the gateway doubted {:.0}.",
                f.cards_day,
                f.failed_day,
                f.foreign_day,
                f.doubted_day.ceil().min(f.cards_day.max(1.0))
            ),
            Detector::Scraper => format!(
                "About {:.0} requests in a day, in {:.0} of its hours, from a small and repeating vocabulary.",
                f.uses_day, f.active_hours
            ),
            Detector::Disputed => {
                format!("About {:.0} payments were disputed this month.", f.disputes_month.ceil())
            }
        }
    }
}

/// ln(1/2): half of what was bought is used.
const HALF: f64 = -0.7;

/// From so many whole nats on, evidence is called so, and fits abuse so much better than honest use. The edges are
/// odds of about 20, 400 and 60,000 to 1.
const STEPS: [(f64, &str, &str); 3] =
    [(11.0, "very strong", "far better"), (6.0, "strong", "much better"), (3.0, "clear", "better")];

/// How strong evidence is, and how much better it fits abuse than honest use. `nats` is the natural logarithm of odds, or
/// of one by a probability.
fn in_words(nats: f64) -> (&'static str, &'static str) {
    let nats = nats.round();
    let step = STEPS.into_iter().find(|(from, ..)| nats >= *from);
    let (_, strength, better) = step.unwrap_or((0.0, "weak", "hardly better"));
    (strength, better)
}

/// One or the other, or both.
fn either(a: f64, b: f64) -> f64 {
    1.0 - (1.0 - a) * (1.0 - b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_told_in_four_steps() {
        // 10 to 1, 30, a thousand and a billion; then on both sides of an edge, as the number is shown.
        for (nats, told) in [
            (10_f64.ln(), ("weak", "hardly better")),
            (30_f64.ln(), ("clear", "better")),
            (1_000_f64.ln(), ("strong", "much better")),
            (1e9_f64.ln(), ("very strong", "far better")),
            (10.4, ("strong", "much better")),
            (10.6, ("very strong", "far better")),
            (0.0, ("weak", "hardly better")),
        ] {
            assert_eq!(in_words(nats), told, "{nats}");
        }
        let features = Features { credits_week: 101_f64.ln(), unfetched: 24.0, ..Features::default() };
        assert_eq!(
            Detector::NeverFetched.sentence(&features),
            "Outputs are generated and not fetched, 100 credits this week: that fits abuse far better than honest use (very strong, ln odds 24)."
        );
        let trial = Features { trial_surprise: 8.0, ..Features::default() };
        assert_eq!(
            Detector::TrialFarm.sentence(&trial),
            "More trials on one network than elsewhere, with strong evidence that it is no chance (a surprise of 8 nats); this one is one of them."
        );
    }
}
