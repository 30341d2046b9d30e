//! How fast a wallet is used, day by day.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use kernel::{Credits, Timestamp};
use store::statement::{self, Charged};

use crate::{App, AppError, CustomerRef, Principal, Scope, customers, wallets};

const DAY_SECONDS: i64 = 86_400;
/// Days whose use foretells the next ones.
const LOOK_BACK_DAYS: i64 = 7;
/// Longer forecasts say nothing.
const FORECAST_MAX_DAYS: i64 = 365;

/// Days are UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Oldest first, today last, days without use included.
    pub days: Vec<Day>,
    /// What was used in these days, the most first; `None` stands for charges in plain credits.
    pub features: Vec<Option<String>>,
    /// Charged per day over the last seven days, or since the first entry when that is later.
    pub per_day: Credits,
    /// How long the available credits last at this pace; `None` without use or beyond a year.
    pub days_left: Option<i64>,
    pub as_of: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    pub begins_at: Timestamp,
    /// To the wallet, debt included, less what was undone since: `per_day` is made of these.
    pub charged: Credits,
    /// The parts of `charged`, as [`Pace::features`] names them.
    pub by_feature: Vec<Credits>,
}

/// The last `day_count` days, today included.
pub async fn pace(
    app: &App,
    by: &Principal,
    customer: &CustomerRef,
    day_count: u16,
) -> Result<Pace, AppError> {
    by.require_own(Scope::Read)?;
    let known = customers::in_path(app, by, customer).await?;
    let wallet = wallets::current(app, known.wallet).await?;
    let now = app.now();
    let today = now.unix_seconds() / DAY_SECONDS;
    let oldest = (today + 1 - i64::from(day_count)).max(0);
    let last = store::wallets::read(app.store(), known.wallet).await?.map_or(0, |state| state.seq);
    let first = statement::first_since(app.store(), known.wallet, midnight(oldest), last).await?;
    let charged = statement::charged_per_day(app.store(), known.wallet, first, last).await?;
    let features = features(&charged);
    let days: Vec<Day> = (oldest..=today).map(|day| on(day, &charged, &features)).collect();
    let (per_day, days_left) = forecast(&days, wallet.available);
    Ok(Pace { days, features, per_day, days_left, as_of: now })
}

/// The most used first.
fn features(charged: &[Charged]) -> Vec<Option<String>> {
    let mut sums: BTreeMap<&Option<String>, i64> = BTreeMap::new();
    for part in charged {
        *sums.entry(&part.feature).or_default() += part.micros;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, micros)| Reverse(*micros));
    sums.into_iter().map(|(feature, _)| feature.clone()).collect()
}

fn on(day: i64, charged: &[Charged], features: &[Option<String>]) -> Day {
    let of = |feature: &Option<String>| {
        let parts = charged.iter().filter(|part| part.day == day && part.feature == *feature);
        Credits::from_micros(parts.map(|part| part.micros).sum())
    };
    let by_feature: Vec<Credits> = features.iter().map(of).collect();
    let charged = Credits::from_micros(by_feature.iter().map(|part| part.micros()).sum());
    Day { begins_at: midnight(day), charged, by_feature }
}

fn forecast(days: &[Day], available: Credits) -> (Credits, Option<i64>) {
    let recent = days.iter().rev().take(usize::try_from(LOOK_BACK_DAYS).unwrap_or(7));
    // A new customer's pace begins with their first use.
    let used: Vec<i64> = recent.map(|day| day.charged.micros()).collect();
    let count = used.iter().rposition(|micros| *micros > 0).map_or(0, |oldest| oldest + 1);
    let sum: i64 = used.iter().sum();
    let Ok(count @ 1..) = i64::try_from(count) else { return (Credits::ZERO, None) };
    let per_day = sum / count;
    let days_left = available.micros().checked_div(per_day).filter(|days| *days <= FORECAST_MAX_DAYS);
    (Credits::from_micros(per_day), days_left)
}

fn midnight(day: i64) -> Timestamp {
    Timestamp::EPOCH.plus_seconds(day * DAY_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(charged: &[i64]) -> Vec<Day> {
        let day = |n: &i64| Day {
            begins_at: Timestamp::EPOCH,
            charged: Credits::whole(*n),
            by_feature: vec![Credits::whole(*n)],
        };
        charged.iter().map(day).collect()
    }

    #[test]
    fn the_pace_is_that_of_seven_days_or_since_the_first_use() {
        let forecast = |charged: &[i64], available| forecast(&days(charged), Credits::whole(available));
        assert_eq!(forecast(&[99, 7, 7, 7, 7, 7, 7, 7], 70), (Credits::whole(7), Some(10)));
        assert_eq!(forecast(&[0, 0, 0, 10, 0], 50), (Credits::whole(5), Some(10)), "two days of use");
        assert_eq!(forecast(&[0, 0, 0], 50), (Credits::ZERO, None));
        assert_eq!(forecast(&[1], 100_000), (Credits::whole(1), None), "beyond a year");
    }
}
