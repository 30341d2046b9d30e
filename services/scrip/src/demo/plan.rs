//! What the demo's customers do in their thirty days, as data: who, when, which work.
//!
//! The same `now` makes the same plan; chance comes from a fixed seed.

use app::Work;
use app::payments::Buying;
use kernel::{Amount, Credits, Driver, Timestamp};
use serde_json::{Value, json};

pub const DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;
/// Work begins and ends within these quarters of an hour of a day.
const FIRST_SLOT: u64 = 8 * 4;
const SLOTS: u64 = 11 * 4;
const SLOT_SECONDS: i64 = 900;
/// Nothing but the open hold is younger than this when the demo starts.
const SILENCE_SECONDS: i64 = 1_200;
const SEED: u64 = 0x005c_219d;

pub const SUCCESS: &str = "4242424242424242";
const INSUFFICIENT_FUNDS: &str = "4000000000009995";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Northlight,
    Tallow,
    Kestrel,
    Wren,
    Priya,
}

/// A piece of work before it has a price.
#[derive(Clone, Debug)]
pub struct Asked {
    pub feature: &'static str,
    pub model: &'static str,
    pub quantities: Vec<(Driver, u64)>,
    pub operation: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub enum Act {
    Hold {
        who: Who,
        job: String,
        work: Asked,
        ttl_seconds: Option<i64>,
    },
    Capture {
        job: String,
        quantities: Vec<(Driver, u64)>,
        is_final: bool,
    },
    Void {
        job: String,
    },
    Use {
        who: Who,
        job: String,
        work: Asked,
    },
    /// What LiteLLM reports with its `openmeter` callback.
    Report {
        who: Who,
        model: &'static str,
        input_tokens: u64,
        output_tokens: u64,
    },
    /// `false`: somebody pays who has no money, and gives up.
    Buy {
        who: Who,
        buying: Buying,
        card: &'static str,
    },
    /// Credits that nobody paid for, until the instant.
    Give {
        who: Who,
        credits: i64,
        kind: &'static str,
        until: Option<Timestamp>,
        reason: &'static str,
    },
    /// By an operator, with a row in the audit log.
    Goodwill {
        who: Who,
        credits: i64,
        reason: &'static str,
    },
    /// By an operator: the charge of this job is undone.
    Undo {
        job: String,
        reason: &'static str,
    },
    /// The whole price of the customer's last purchase goes back.
    Refund {
        who: Who,
        reason: &'static str,
    },
    /// An event about a checkout that no installation of ours has made.
    StrayWebhook,
    /// Notices, expiries and mails, as the worker sees to them.
    Night,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub at: Timestamp,
    pub act: Act,
}

/// The midnight with which the plan begins.
pub fn beginning(now: Timestamp) -> Timestamp {
    let days = now.unix_seconds() / DAY_SECONDS - DAYS;
    Timestamp::EPOCH.plus_seconds(days * DAY_SECONDS)
}

/// Everything that happens before `now`, in its order.
pub fn plan(now: Timestamp) -> Vec<Step> {
    let mut plan = Plan { begin: beginning(now), now, dice: Dice(SEED), steps: Vec::new() };
    plan.money();
    for day in 0..=DAYS {
        plan.a_day(day);
    }
    plan.incidents();
    let newest = now.plus_seconds(-SILENCE_SECONDS);
    plan.steps.retain(|step| step.at <= newest);
    plan.just_now();
    plan.steps.sort_by_key(|step| step.at);
    plan.steps
}

struct Plan {
    begin: Timestamp,
    now: Timestamp,
    dice: Dice,
    steps: Vec<Step>,
}

impl Plan {
    fn add(&mut self, day: i64, minute: i64, act: Act) {
        self.steps.push(Step { at: self.begin.plus_seconds(day * DAY_SECONDS + minute * 60), act });
    }

    fn money(&mut self) {
        let pack = |id: &str| Buying::Pack { id: id.to_owned(), quantity: 1 };
        let buy = |who, buying| Act::Buy { who, buying, card: SUCCESS };
        let until = Some(self.begin.plus_seconds(60 * DAY_SECONDS));
        let reason = "Welcome, and thanks for the launch feedback";
        self.add(0, 420, Act::Give { who: Who::Northlight, credits: 60, kind: "promo", until, reason });
        // Spent first, and more than two days use: some of it is there when somebody looks.
        let until = Some(self.now.plus_seconds(6 * DAY_SECONDS));
        let reason = "Thanks for the talk at our meetup";
        self.add(
            DAYS - 1,
            420,
            Act::Give { who: Who::Northlight, credits: 300, kind: "promo", until, reason },
        );
        self.add(0, 425, buy(Who::Northlight, pack("pack_1000")));
        self.add(0, 430, buy(Who::Tallow, pack("pack_500")));
        self.add(0, 435, buy(Who::Kestrel, Buying::Credits(Credits::whole(10_000))));
        let until = Some(self.begin.plus_seconds(14 * DAY_SECONDS));
        let reason = "Two weeks to try everything";
        self.add(0, 440, Act::Give { who: Who::Priya, credits: 50, kind: "trial", until, reason });
        self.add(6, 450, buy(Who::Wren, pack("pack_100")));
        self.add(12, 470, buy(Who::Tallow, pack("pack_100")));
        self.add(12, 474, buy(Who::Tallow, pack("pack_100")));
        let reason = "Bought twice by mistake";
        self.add(13, 555, Act::Refund { who: Who::Tallow, reason });
        let broke = Act::Buy { who: Who::Priya, buying: pack("pack_100"), card: INSUFFICIENT_FUNDS };
        self.add(15, 660, broke);
        self.add(12, 445, buy(Who::Northlight, pack("pack_1000")));
        self.add(20, 475, buy(Who::Tallow, pack("pack_500")));
    }

    fn a_day(&mut self, day: i64) {
        let is_weekend = matches!((self.begin.unix_seconds() / DAY_SECONDS + day + 4) % 7, 0 | 6);
        let busy = if is_weekend { 1 } else { 4 };
        self.add(day, 3 * 60 + 17, Act::Night);
        for n in 0..busy {
            self.an_image(day, n);
            self.a_chat(Who::Tallow, day);
            self.a_chat(Who::Tallow, day);
        }
        if !is_weekend {
            self.a_document(day);
            self.a_batch(day);
            self.a_trailer(day);
        }
        if day >= 6 {
            self.speech(day);
            self.a_chat(Who::Wren, day);
        }
        if day < 11 {
            self.a_chat(Who::Priya, day);
        }
    }

    fn slot(&mut self) -> i64 {
        i64::try_from(FIRST_SLOT + self.dice.below(SLOTS)).unwrap_or(0) * SLOT_SECONDS / 60
    }

    fn an_image(&mut self, day: i64, n: i64) {
        let (minute, job) = (self.slot(), format!("poster-{day}-{n}"));
        let images = 1 + self.dice.below(3);
        let model = ["sdxl", "sdxl", "dall-e-3", "midjourney"][self.dice.index(4)];
        let tall = self.dice.below(4) == 0;
        let mut quantities = vec![(Driver::Images, images)];
        if tall {
            quantities.extend([(Driver::Width, 1_024), (Driver::Height, 1_536)]);
        }
        let work = Asked { quantities, ..asked("image.generate", model) };
        self.add(day, minute, Act::Hold { who: Who::Northlight, job: job.clone(), work, ttl_seconds: None });
        // One of ten renderings fails and costs nothing.
        let ended = if self.dice.below(10) == 0 {
            Act::Void { job }
        } else {
            Act::Capture { job, quantities: vec![(Driver::Images, images)], is_final: true }
        };
        self.add(day, minute + 3, ended);
    }

    fn a_trailer(&mut self, day: i64) {
        let (minute, job) = (self.slot(), format!("trailer-{day}"));
        let seconds = 12 + self.dice.below(18);
        let work =
            Asked { quantities: vec![(Driver::Seconds, seconds + 6)], ..asked("video.render", "standard") };
        self.add(day, minute, Act::Hold { who: Who::Northlight, job: job.clone(), work, ttl_seconds: None });
        let quantities = vec![(Driver::Seconds, seconds)];
        self.add(day, minute + 8, Act::Capture { job, quantities, is_final: true });
    }

    fn a_chat(&mut self, who: Who, day: i64) {
        let minute = self.slot();
        let models: [&'static str; 3] = match who {
            Who::Wren => ["gpt-4o-mini-2024-07-18"; 3],
            Who::Priya => ["claude-sonnet-4-20250514"; 3],
            _ => ["claude-sonnet-4-20250514", "gpt-4-0613", "gpt-4o-mini-2024-07-18"],
        };
        let model = models[self.dice.index(3)];
        let (input_tokens, output_tokens) = (300 + self.dice.below(1_600), 80 + self.dice.below(500));
        self.add(day, minute, Act::Report { who, model, input_tokens, output_tokens });
    }

    fn a_document(&mut self, day: i64) {
        let (minute, job) = (self.slot(), format!("contract-{day}"));
        let operation = ["extract", "summarize", "translate"][self.dice.index(3)];
        let quantities = vec![(Driver::Pages, 4 + self.dice.below(14))];
        let work = Asked { quantities, operation: Some(operation), ..asked("document.process", "reader") };
        self.add(day, minute, Act::Use { who: Who::Tallow, job, work });
    }

    fn a_batch(&mut self, day: i64) {
        let (minute, job) = (self.slot(), format!("nightly-index-{day}"));
        let quantities = vec![(Driver::InputTokens, 150_000 + 1_000 * self.dice.below(350))];
        let work = Asked { quantities, ..asked("text.embed", "text-embedding-3-large") };
        self.add(day, minute, Act::Use { who: Who::Kestrel, job, work });
        let (minute, job) = (self.slot(), format!("simulation-{day}"));
        let quantities = vec![(Driver::Seconds, 20 + self.dice.below(40))];
        let work = Asked { quantities, ..asked("video.render", "cinematic") };
        self.add(day, minute, Act::Use { who: Who::Kestrel, job, work });
    }

    fn speech(&mut self, day: i64) {
        let (minute, job) = (self.slot(), format!("episode-{day}"));
        let quantities = vec![(Driver::Characters, 1_900 + self.dice.below(1_100))];
        let work = Asked { quantities, ..asked("speech.synthesize", "tts-1") };
        self.add(day, minute, Act::Use { who: Who::Wren, job, work });
    }

    /// What an operator looks at: each happens once.
    fn incidents(&mut self) {
        let storyboard = Asked { quantities: vec![(Driver::Images, 4)], ..asked("image.generate", "sdxl") };
        // Forgotten: it lapses by itself after fifteen minutes.
        let job = "storyboard".to_owned();
        self.add(9, 605, Act::Hold { who: Who::Northlight, job, work: storyboard, ttl_seconds: None });
        self.an_agent_run(11);
        let empty = Asked { quantities: vec![(Driver::Pages, 12)], ..asked("document.process", "reader") };
        self.add(10, 610, Act::Use { who: Who::Tallow, job: "empty-scan".to_owned(), work: empty });
        let reason = "The reader returned an empty document";
        self.add(10, 700, Act::Undo { job: "empty-scan".to_owned(), reason });
        let reason = "The render queue stood still on Tuesday";
        self.add(18, 640, Act::Goodwill { who: Who::Northlight, credits: 25, reason });
        let unknown = "gpt-next-preview";
        let unpriced =
            Act::Report { who: Who::Kestrel, model: unknown, input_tokens: 5_200, output_tokens: 900 };
        self.add(DAYS - 2, 615, unpriced);
        self.add(DAYS - 1, 620, Act::StrayWebhook);
    }

    /// One hold, three captures: an agent that reports while it works.
    fn an_agent_run(&mut self, day: i64) {
        let job = "agent-run".to_owned();
        let tokens = |input, output| vec![(Driver::InputTokens, input), (Driver::OutputTokens, output)];
        let work = Asked { quantities: tokens(6_000, 3_000), ..asked("text.generate", "gpt-4") };
        let hold = Act::Hold { who: Who::Northlight, job: job.clone(), work, ttl_seconds: Some(3_600) };
        self.add(day, 770, hold);
        for (minute, (input, output)) in [(778, (1_800, 600)), (786, (2_100, 1_050)), (797, (1_200, 700))] {
            let is_final = minute == 797;
            let quantities = tokens(input, output);
            self.add(day, minute, Act::Capture { job: job.clone(), quantities, is_final });
        }
    }

    /// Runs while somebody looks at the pages.
    fn just_now(&mut self) {
        let work = Asked { quantities: vec![(Driver::Seconds, 90)], ..asked("video.render", "standard") };
        let job = "showreel".to_owned();
        let ttl_seconds = Some(6 * 3_600);
        let hold = Act::Hold { who: Who::Northlight, job, work, ttl_seconds };
        self.steps.push(Step { at: self.now.plus_seconds(-12 * 60), act: hold });
        self.steps.push(Step { at: self.now.plus_seconds(-60), act: Act::Night });
    }
}

fn asked(feature: &'static str, model: &'static str) -> Asked {
    Asked { feature, model, quantities: Vec::new(), operation: None }
}

impl Asked {
    /// As a call of the API would have it.
    pub fn work(&self) -> Result<Work, String> {
        let options = self.operation.map_or(json!({}), |operation| json!({ "operation": operation }));
        Ok(Work {
            feature: self.feature.to_owned(),
            model: self.model.to_owned(),
            quantities: amounts(&self.quantities)?.into_iter().collect(),
            options: serde_json::from_value(options).map_err(|e| e.to_string())?,
        })
    }
}

pub fn amounts(quantities: &[(Driver, u64)]) -> Result<Vec<(Driver, Amount)>, String> {
    let amount = |(driver, units): &(Driver, u64)| Some((*driver, Amount::whole(*units)?));
    quantities.iter().map(amount).collect::<Option<_>>().ok_or_else(|| "a quantity is too large".to_owned())
}

/// A CloudEvent of LiteLLM.
pub fn report(subject: &str, id: &str, (model, input_tokens, output_tokens): (&str, u64, u64)) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "litellm-proxy", "type": "litellm_tokens",
        "subject": subject,
        "data": {
            "model": model, "prompt_tokens": input_tokens, "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
        },
    })
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides.max(1)
    }

    fn index(&mut self, sides: usize) -> usize {
        usize::try_from(self.below(sides as u64)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn now() -> Timestamp {
        "2026-03-10T11:07:42Z".parse().unwrap()
    }

    #[test]
    fn the_same_start_makes_the_same_plan_and_nothing_of_it_is_in_the_future() {
        let plan = plan(now());
        assert_eq!(format!("{plan:?}"), format!("{:?}", super::plan(now())));
        assert!(plan.is_sorted_by_key(|step| step.at));
        assert!(plan.iter().all(|step| beginning(now()) <= step.at && step.at < now()));
    }

    #[test]
    fn every_hold_of_a_plan_has_a_job_of_its_own() {
        let plan = plan(now());
        let jobs: Vec<&String> = plan
            .iter()
            .filter_map(|step| match &step.act {
                Act::Hold { job, .. } | Act::Use { job, .. } => Some(job),
                _ => None,
            })
            .collect();
        assert_eq!(jobs.iter().collect::<BTreeSet<_>>().len(), jobs.len());
    }
}
