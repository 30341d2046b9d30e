//! How the numbers of the overview came about: the last days, one value each.

use std::collections::BTreeMap;

use kernel::Timestamp;
use store::cold::days::{self, Counted};

use crate::verification::{self, Verification};
use crate::{App, AppError, Principal, Scope};

const DAYS: usize = 14;
const DAY_SECONDS: i64 = 86_400;

/// Days are UTC, the oldest first, today last.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// When each begins; every other list has one value for each.
    pub days: Vec<Timestamp>,
    /// Customers who joined.
    pub new_customers: Vec<u64>,
    /// What is open or a dead letter now, by the day it came.
    pub open_problems: Vec<u64>,
    pub open_cases: Vec<u64>,
    pub failed_events: Vec<u64>,
    pub failed_work: Vec<u64>,
    pub failed_mails: Vec<u64>,
    /// The last check of each day; `None` where none ran.
    pub checks: Vec<Option<Verification>>,
    /// The last check of the day before the first.
    pub check_before: Option<Verification>,
}

pub async fn history(app: &App, by: &Principal) -> Result<History, AppError> {
    by.require(Scope::Admin)?;
    let today = day_of(app.now());
    let days: Vec<i64> = (0..DAYS).rev().filter_map(|n| Some(today - i64::try_from(n).ok()?)).collect();
    let since = midnight(days.first().copied().unwrap_or(today));
    let counted = async |what| -> Result<Vec<u64>, AppError> {
        let found = days::counted(app.store(), what, since.micros()).await?;
        let rows: BTreeMap<i64, i64> = found.iter().map(|of| (of.day, of.rows)).collect();
        let on = |day| u64::try_from(rows.get(day).copied().unwrap_or(0)).unwrap_or(0);
        Ok(days.iter().map(on).collect())
    };
    let mut checks: BTreeMap<i64, Verification> = BTreeMap::new();
    for run in verification::since(app, by, since.plus_seconds(-DAY_SECONDS)).await? {
        checks.insert(day_of(run.finished_at), run);
    }
    Ok(History {
        new_customers: counted(Counted::Customers).await?,
        open_problems: counted(Counted::OpenProblems).await?,
        open_cases: counted(Counted::OpenCases).await?,
        failed_events: counted(Counted::FailedEvents).await?,
        failed_work: counted(Counted::FailedWork).await?,
        failed_mails: counted(Counted::FailedMails).await?,
        check_before: checks.remove(&day_of(since.plus_seconds(-1))),
        checks: days.iter().map(|day| checks.remove(day)).collect(),
        days: days.into_iter().map(midnight).collect(),
    })
}

fn day_of(at: Timestamp) -> i64 {
    at.unix_seconds().div_euclid(DAY_SECONDS)
}

fn midnight(day: i64) -> Timestamp {
    Timestamp::EPOCH.plus_seconds(day * DAY_SECONDS)
}
