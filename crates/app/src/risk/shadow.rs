//! What rules would have done last month, whether they count or not; and thresholds that fit the reviewers' time.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Timestamp;
use risk::detectors::Detector;
use risk::features::Features;
use risk::score::{Assessment, Counted, FEWEST_FOR_BUDGET, Thresholds};
use store::Uuid;
use store::cold::risk::cases::{self, CONFIRMED, DISMISSED};
use store::cold::risk::days;

use super::settings::RuleState;
use super::training;
use super::versions::newest;
use crate::{App, AppError, Principal, Scope};

/// How far back the report looks.
pub const DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;
/// Wallet-days that are read, of more an even share of each day; and cases.
const ROWS_MAX: u64 = 20_000;
/// Reviewers can look at this share of the wallets of a week, and this share may be held (risk.md).
const REVIEW_SHARE: f64 = 0.01;
const RESTRICT_SHARE: f64 = 0.002;
const WEEK: i64 = 7;

#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The begin of the first day that is in it, and not before the time that it looks at.
    pub from: Timestamp,
    pub until: Timestamp,
    /// Wallets with use, and their days.
    pub wallets: usize,
    pub days: usize,
    /// Wallets that the rules that count would have brought to a reviewer.
    pub flagged: usize,
    /// Every rule, in the order of the detectors.
    pub rules: Vec<Rule>,
    /// Thresholds that 1 % and 0.2 % of the wallets of the last week exceed.
    pub suggested: Suggested,
}

/// One rule over the month.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub rule: &'static str,
    pub state: RuleState,
    /// Wallets that it alone brings above the threshold for review.
    pub flagged: usize,
    /// Of these, wallets that the other rules that count do not flag: what it would add, or adds.
    pub alone: usize,
    /// Of the flagged, wallets that reviewers confirmed or dismissed in this time.
    pub confirmed: usize,
    pub dismissed: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suggested {
    pub review: f64,
    pub restrict: f64,
    /// Whether enough wallets used something in that week; otherwise these are the defaults.
    pub is_by_scores: bool,
}

/// What each rule would have flagged in the last 30 days, from the stored features of each wallet-day.
pub async fn report(app: &App, by: &Principal) -> Result<Report, AppError> {
    by.require(Scope::Read)?;
    let (now, settings) = (app.now(), newest(app).await?.settings);
    let today = now.unix_seconds() / DAY_SECONDS;
    let rows = days::since(app.store().reader(), today - DAYS, ROWS_MAX).await?;
    let since = now.plus_seconds(-DAYS * DAY_SECONDS);
    let judged = judged(app, since).await?;
    let assessed: Vec<(i64, Uuid, Assessment)> = rows
        .iter()
        .filter_map(|row| {
            let features = Features::from_vector(training::row_of(&row.features)?);
            Some((row.day, row.wallet, Assessment::of(features, None)))
        })
        .collect();
    let counted = settings.counted();
    let flagged_by = |counted: Counted| -> BTreeSet<Uuid> {
        let is_flagged = |(_, _, a): &&(i64, Uuid, Assessment)| a.score_by(counted) >= settings.review;
        assessed.iter().filter(is_flagged).map(|(_, wallet, _)| *wallet).collect()
    };
    let rule = |detector: Detector| {
        let flagged = flagged_by(only(detector));
        let others = flagged_by(counted.without(detector));
        let of =
            |decision: &str| flagged.iter().filter(|w| judged.get(w).is_some_and(|d| d == decision)).count();
        Rule {
            rule: detector.name(),
            state: settings.rule(detector),
            alone: flagged.difference(&others).count(),
            confirmed: of(CONFIRMED),
            dismissed: of(DISMISSED),
            flagged: flagged.len(),
        }
    };
    let first = assessed.last().map_or(since, |(day, ..)| training::begin_of(*day));
    let wallets: BTreeSet<Uuid> = assessed.iter().map(|(_, wallet, _)| *wallet).collect();
    Ok(Report {
        from: first.max(since),
        until: now,
        wallets: wallets.len(),
        days: assessed.len(),
        flagged: flagged_by(counted).len(),
        rules: Detector::ALL.map(rule).into(),
        suggested: suggested(&assessed, today, counted),
    })
}

/// The last decision about each wallet.
async fn judged(app: &App, since: Timestamp) -> Result<BTreeMap<Uuid, String>, AppError> {
    let closed = cases::closed_since(app.store().reader(), since.micros(), ROWS_MAX).await?;
    let mut judged = BTreeMap::new();
    for case in closed.into_iter().rev() {
        judged.insert(case.wallet, case.decision.unwrap_or_default());
    }
    Ok(judged)
}

fn only(detector: Detector) -> Counted {
    Detector::ALL.into_iter().filter(|other| *other != detector).fold(Counted::ALL, Counted::without)
}

fn suggested(assessed: &[(i64, Uuid, Assessment)], today: i64, counted: Counted) -> Suggested {
    let mut week: BTreeMap<Uuid, f64> = BTreeMap::new();
    for (_, wallet, assessment) in assessed.iter().filter(|(day, ..)| *day > today - WEEK) {
        let highest = week.entry(*wallet).or_default();
        *highest = highest.max(assessment.score_by(counted));
    }
    let scores: Vec<f64> = week.into_values().collect();
    let Thresholds { review, restrict, .. } = Thresholds::for_budget(&scores, REVIEW_SHARE, RESTRICT_SHARE);
    Suggested { review, restrict, is_by_scores: scores.len() >= FEWEST_FOR_BUDGET }
}
