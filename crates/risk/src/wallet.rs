//! What is remembered of one wallet: constant space, constant time per signal.

use serde::{Deserialize, Serialize};

use crate::network::Neighbours;
use crate::outputs::Outputs;
use crate::signal::{Address, Mail, Millis, Opinion, Payment, PaymentKind, SignUp, Use};
use crate::window::{DAY, Daily, Distinct, HOUR, Hourly, Monthly, SECOND, Weekly};

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Wallet {
    /// When something was heard of it last.
    pub(crate) heard_at: Millis,
    pub(crate) sign_up: Option<SignUp>,
    pub(crate) first_at: Option<Millis>,
    pub(crate) last_at: Option<Millis>,

    pub(crate) spent_hour: Hourly,
    pub(crate) spent_day: Daily,
    pub(crate) spent_week: Weekly,
    pub(crate) spent_month: Monthly,
    pub(crate) uses_day: Daily,
    /// The largest uses weigh most: credits² over credits is the mean size of the use a credit was spent on.
    pub(crate) spent_squared_day: Daily,

    pub(crate) outputs: Outputs,
    rhythm: Rhythm,
    pub(crate) agents: Distinct<8>,
    pub(crate) networks: Distinct<8>,
    pub(crate) hosts: Distinct<8>,
    pub(crate) words: Words,

    /// Uses in step with other wallets of the network, fading over a week, and with how many of them.
    pub(crate) in_step: Weekly,
    pub(crate) partners: Distinct<6>,
    pub(crate) related: Weekly,

    pub(crate) period: Period,
    pub(crate) cards: Distinct<8>,
    pub(crate) failed_day: Daily,
    pub(crate) foreign_day: Daily,
    /// One for a payment that the gateway finds elevated, two for the highest risk.
    pub(crate) doubted_day: Daily,
    pub(crate) disputes: Monthly,
    pub(crate) bought_day: Daily,
}

/// How regular the pauses between uses are.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Rhythm {
    last_gap: f64,
    /// Uses whose pause was nearly that before, fading over a day.
    steady: Daily,
    last_parameters: u32,
    same_parameters: f64,
    /// One bit for each hour of the last 32, the lowest is the running one.
    hours: u32,
    hour: i64,
}

/// The words used this week and last, as sets of 64 classes, and how many words were new lately.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Words {
    this_week: u64,
    last_week: u64,
    began: Millis,
    pub(crate) novelty: f64,
}

/// The credits of the running period, and how fast they went.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Period {
    pub(crate) began: Option<Millis>,
    pub(crate) brought: f64,
    pub(crate) spent: f64,
    /// Spent within [`Period::EARLY`] of the beginning.
    pub(crate) spent_early: f64,
    /// The share that went early in the period before, 0 to 1.
    pub(crate) early_before: f64,
}

impl Period {
    pub const EARLY: Millis = 6 * HOUR;

    pub fn begin(&mut self, brought: f64, now: Millis) {
        let early_before = if self.brought > 0.0 { (self.spent_early / self.brought).min(1.0) } else { 0.0 };
        *self = Period { began: Some(now), brought, early_before, ..Period::default() };
    }

    fn spend(&mut self, credits: f64, now: Millis) {
        self.spent += credits;
        if self.began.is_some_and(|began| now - began <= Period::EARLY) {
            self.spent_early += credits;
        }
    }
}

/// Velocity is judged against a wallet's own history of at least this.
const HISTORY: Millis = 7 * DAY;
/// A month has so many hours in which somebody works who works two hours a day.
const HOURS_OF_USE: f64 = 60.0;

/// A pause that differs from the one before by less than this, in natural logarithms, is steady.
const STEADY: f64 = 0.12;
/// Pauses shorter than this are one request with several parts.
const SHORTEST_GAP: Millis = SECOND;

impl Wallet {
    pub(crate) fn signed_up(&mut self, sign_up: SignUp, now: Millis) {
        if sign_up.is_trial && self.sign_up.is_none_or(|s| !s.is_trial) {
            self.period.begin(f64::from(sign_up.allotment), now);
        }
        let known = self.sign_up;
        self.sign_up = Some(sign_up);
        // It is told in parts, and what is said later may leave out what was said before.
        if let (Some(before), Some(now)) = (known, &mut self.sign_up) {
            now.signed_up_at = before.signed_up_at;
            now.is_trial |= before.is_trial;
            if before.address != Address::UNKNOWN {
                now.address = before.address;
            }
            if now.mail == Mail::Unknown {
                now.mail = before.mail;
            }
            if now.allotment == 0 {
                now.allotment = before.allotment;
            }
        }
    }

    /// The first use of a wallet whose sign-up came from nowhere tells where it came from.
    pub(crate) fn came_from(&mut self, address: Address) -> Option<SignUp> {
        let sign_up = self.sign_up.as_mut()?;
        if sign_up.address != Address::UNKNOWN || address == Address::UNKNOWN {
            return None;
        }
        sign_up.address = address;
        Some(*sign_up)
    }

    /// Credits of the last hour, as a sum that fades.
    #[must_use]
    pub fn spent_hour(&self, now: Millis) -> f64 {
        self.spent_hour.at(now)
    }

    /// The largest use of one hour that this wallet's own month suggests: its mean hour of activity. None
    /// before it has seven days of history.
    #[must_use]
    pub fn usual_hour(&self, now: Millis) -> Option<f64> {
        if self.age(now) < HISTORY {
            return None;
        }
        Some((self.spent_month.at(now) - self.spent_day.at(now)).max(0.0) / HOURS_OF_USE)
    }

    pub(crate) fn used(&mut self, used: &Use, neighbours: &Neighbours, now: Millis) {
        let credits = f64::from(used.credits).max(0.0);
        self.spent_hour.add(credits, now);
        self.spent_day.add(credits, now);
        self.spent_week.add(credits, now);
        self.spent_month.add(credits, now);
        self.spent_squared_day.add(credits * credits, now);
        self.uses_day.add(1.0, now);
        self.period.spend(credits, now);
        self.outputs.made(used, now);
        self.rhythm.beat(used.parameters, self.last_at, now);
        self.agents.add(used.agent, now);
        self.networks.add(used.address.network, now);
        self.hosts.add(used.address.host, now);
        self.words.read(used.print.words, now);
        self.with(neighbours, now);
        self.first_at.get_or_insert(now);
        self.last_at = Some(now);
    }

    fn with(&mut self, neighbours: &Neighbours, now: Millis) {
        let partners = neighbours.in_step.iter().flatten();
        let count = partners.map(|partner| self.partners.add(fold(*partner), now)).count();
        if count > 0 {
            self.in_step.add(1.0, now);
        }
        if neighbours.is_related {
            self.related.add(1.0, now);
        }
    }

    /// Another wallet of the network asked for the same just now.
    pub(crate) fn was_joined_by(&mut self, partner: u128, now: Millis) {
        if self.partners.add(fold(partner), now) {
            self.in_step.add(1.0, now);
        }
    }

    pub(crate) fn paid(&mut self, payment: &Payment, now: Millis) {
        if payment.card != 0 {
            self.cards.add(payment.card, now);
        }
        if !payment.country_matches {
            self.foreign_day.add(1.0, now);
        }
        match payment.opinion {
            Opinion::Normal => {}
            Opinion::Elevated => self.doubted_day.add(1.0, now),
            Opinion::Highest => self.doubted_day.add(2.0, now),
        }
        match (payment.kind, payment.succeeded) {
            (PaymentKind::Dispute, _) => self.disputes.add(1.0, now),
            (_, false) => self.failed_day.add(1.0, now),
            (PaymentKind::Subscription, true) => {
                self.period.begin(f64::from(payment.credits), now);
                // Who signs up may not say for which plan, and a trial is none: what a period brings does.
                let told = |s: &&mut SignUp| payment.credits > 0 && (s.allotment == 0 || s.is_trial);
                if let Some(sign_up) = self.sign_up.as_mut().filter(told) {
                    sign_up.allotment = payment.credits;
                }
            }
            (PaymentKind::Pack, true) => self.bought_day.add(f64::from(payment.credits), now),
        }
    }

    #[must_use]
    pub fn age(&self, now: Millis) -> Millis {
        let since = self.sign_up.map(|s| s.signed_up_at).or(self.first_at);
        since.map_or(0, |since| (now - since).max(0))
    }

    /// Credits of the last day over those of a usual day of this wallet, or of a fresh wallet with its plan.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn surge(&self, now: Millis) -> f64 {
        let today = self.spent_day.at(now);
        // What a sum that fades over 30 days holds of a life of so many days.
        let days = 30.0 * (1.0 - (-(self.age(now) as f64) / (30 * DAY) as f64).exp());
        let usual = ((self.spent_month.at(now) - today).max(0.0) / (days - 1.0).max(1.0)).max(0.0);
        let allotment = self.sign_up.map_or(0, |s| s.allotment);
        today / (usual + (f64::from(allotment) / 30.0).max(USUAL_DAY))
    }

    /// Uses whose pause was nearly that before.
    #[must_use]
    pub fn steady(&self, now: Millis) -> f64 {
        self.rhythm.steady.at(now)
    }

    /// Share of recent uses whose parameters were those of the use before.
    #[must_use]
    pub fn same_parameters(&self) -> f64 {
        self.rhythm.same_parameters
    }

    /// Hours of the last 24 in which something was used.
    #[must_use]
    pub fn active_hours(&self, now: Millis) -> u32 {
        let behind = now.div_euclid(HOUR) - self.rhythm.hour;
        let bits = u32::try_from(behind).ok().and_then(|n| self.rhythm.hours.checked_shl(n)).unwrap_or(0);
        (bits & 0x00ff_ffff).count_ones()
    }
}

/// Credits that a wallet without history spends on a usual day.
const USUAL_DAY: f64 = 20.0;

impl Rhythm {
    #[allow(clippy::cast_precision_loss)]
    fn beat(&mut self, parameters: u32, last_at: Option<Millis>, now: Millis) {
        if let Some(last) = last_at {
            let gap = (now - last).max(SHORTEST_GAP) as f64;
            let is_steady = self.last_gap > 0.0 && (gap / self.last_gap).ln().abs() < STEADY;
            if is_steady {
                self.steady.add(1.0, now);
            }
            self.last_gap = gap;
            let is_same = f64::from(u8::from(parameters == self.last_parameters));
            self.same_parameters += 0.1 * (is_same - self.same_parameters);
        }
        self.last_parameters = parameters;
        let hour = now.div_euclid(HOUR);
        let behind = u32::try_from((hour - self.hour).max(0)).unwrap_or(u32::MAX);
        self.hours = self.hours.checked_shl(behind).unwrap_or(0) | 1;
        self.hour = self.hour.max(hour);
    }
}

impl Words {
    fn read(&mut self, words: u64, now: Millis) {
        if now - self.began > 7 * DAY {
            self.last_week = if now - self.began > 14 * DAY { 0 } else { self.this_week };
            self.this_week = 0;
            self.began = now;
        }
        let known = self.this_week | self.last_week;
        let new = f64::from((words & !known).count_ones()) / f64::from(words.count_ones().max(1));
        self.novelty += 0.05 * (new - self.novelty);
        self.this_week |= words;
    }
}

fn fold(wallet: u128) -> u32 {
    crate::text::short_hash(&wallet.to_le_bytes())
}
