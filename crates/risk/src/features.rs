//! The numbers that detectors and models look at. Large is suspicious.

use crate::book::Book;
use crate::signal::{Mail, Millis};
use crate::wallet::{Period, Wallet};
use crate::window::{DAY, HOUR};

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One wallet at one moment.
        #[derive(Debug, Clone, Copy, PartialEq, Default)]
        pub struct Features { $($(#[$doc])* pub $name: f64,)* }

        /// Names in the order of [`Features::vector`]. A model was fitted on exactly these.
        pub const NAMES: [&str; COUNT] = [$(stringify!($name)),*];
        pub const COUNT: usize = [$(stringify!($name)),*].len();

        impl Features {
            #[must_use]
            pub fn vector(&self) -> [f64; COUNT] {
                [$(self.$name),*]
            }

            #[must_use]
            pub fn from_vector(vector: [f64; COUNT]) -> Features {
                let [$($name),*] = vector;
                Features { $($name),* }
            }
        }
    };
}

features! {
    /// ln(1 + credits) of the last hour, day and week.
    credits_hour,
    credits_day,
    credits_week,
    /// Mean credits of the use that a credit of today went to, ln(1 + x).
    credits_per_use,
    /// Today's credits over those of a usual day.
    surge,
    /// Uses of today: all, near to an earlier one, of the template of an earlier one.
    uses_day,
    near_day,
    alike_day,
    /// Share of recent uses that were alike.
    likeness,
    /// Evidence in nats that outputs are not fetched: of all, and of those that are alike.
    unfetched,
    unfetched_alike,
    /// Uses of today whose pause was nearly that before.
    steady_day,
    /// Share of recent uses with the parameters of the use before.
    same_parameters,
    /// Share of words not used this week, from 1.
    staleness,
    /// Hours of the last 24 with use.
    active_hours,
    /// User agents, networks and addresses of the last 24 hours, and networks of seven days.
    agents_day,
    networks_day,
    hosts_day,
    networks_week,
    /// Uses in step with others on the network this week, and with how many of them.
    in_step_week,
    partners_week,
    /// Share of uses that draw on the words of others on the network.
    related,
    /// Nats of surprise over trials on the network; 0 for a wallet without trial.
    trial_surprise,
    /// Share of the allotment that went within hours of its beginning, now and the period before.
    burnt_early,
    burnt_early_before,
    /// The last hour's credits over the allotment.
    hour_share,
    /// Cards, failed and foreign payments of the last day.
    cards_day,
    failed_day,
    foreign_day,
    /// The gateway's doubts about payments of the last day: one for an elevated risk, two for the highest.
    doubted_day,
    /// Disputes and warnings of the last month.
    disputes_month,
    /// Credits bought today in packs, ln(1 + x).
    bought_day,
    /// Days since sign-up, -ln(1 + x).
    youth,
    /// 0 corporate or unknown, 1 free, 2 relay, 3 disposable.
    mail,
}

/// Shares of fewer uses than this are drawn towards 0.
const FEW: f64 = 3.0;

/// A share of less than this many credits is no share.
const SMALLEST_ALLOTMENT: f64 = 50.0;

impl Features {
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn of(wallet: &Wallet, book: &Book, now: Millis) -> Features {
        let outputs = &wallet.outputs;
        let hears = book.hears_of_fetches(now);
        let spent = wallet.spent_day.at(now);
        let count = |n: usize| n as f64;
        let period = &wallet.period;
        let is_early = period.began.is_some_and(|began| now - began <= Period::EARLY + 18 * HOUR);
        let sign_up = wallet.sign_up;
        let related = wallet.related.at(now);
        let made = outputs.made.at(now);
        Features {
            credits_hour: wallet.spent_hour.at(now).ln_1p(),
            credits_day: spent.ln_1p(),
            credits_week: wallet.spent_week.at(now).ln_1p(),
            credits_per_use: if spent > 0.0 {
                (wallet.spent_squared_day.at(now) / spent).ln_1p()
            } else {
                0.0
            },
            surge: wallet.surge(now),
            uses_day: wallet.uses_day.at(now),
            near_day: outputs.near.at(now),
            alike_day: outputs.alike.at(now),
            likeness: outputs.likeness,
            unfetched: if hears { outputs.unfetched } else { 0.0 },
            unfetched_alike: if hears { outputs.unfetched_alike } else { 0.0 },
            steady_day: wallet.steady(now),
            same_parameters: wallet.same_parameters(),
            staleness: 1.0 - wallet.words.novelty,
            active_hours: f64::from(wallet.active_hours(now)),
            agents_day: count(wallet.agents.count(DAY, now)),
            networks_day: count(wallet.networks.count(DAY, now)),
            hosts_day: count(wallet.hosts.count(DAY, now)),
            networks_week: count(wallet.networks.count(7 * DAY, now)),
            in_step_week: wallet.in_step.at(now),
            partners_week: count(wallet.partners.count(7 * DAY, now)),
            related: related / (made.max(related) + FEW),
            trial_surprise: sign_up
                .filter(|s| s.is_trial)
                .map_or(0.0, |s| book.trial_surprise(s.address.network, now)),
            burnt_early: if is_early && period.brought > 0.0 {
                period.spent_early / period.brought
            } else {
                0.0
            },
            burnt_early_before: period.early_before,
            hour_share: wallet.spent_hour.at(now) / period.brought.max(SMALLEST_ALLOTMENT),
            cards_day: count(wallet.cards.count(DAY, now)),
            failed_day: wallet.failed_day.at(now),
            foreign_day: wallet.foreign_day.at(now),
            doubted_day: wallet.doubted_day.at(now),
            disputes_month: wallet.disputes.at(now),
            bought_day: wallet.bought_day.at(now).ln_1p(),
            youth: -(wallet.age(now) as f64 / DAY as f64).ln_1p(),
            mail: match sign_up.map_or(Mail::Unknown, |s| s.mail) {
                Mail::Unknown | Mail::Corporate => 0.0,
                Mail::Free => 1.0,
                Mail::Relay => 2.0,
                Mail::Disposable => 3.0,
            },
        }
    }
}
