//! What was charged in a period, summed by what it was for.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use kernel::{Credits, Seq, Timestamp};
use ledger::EntryKind;
use store::statement;

use super::{Found, Period, Row, find, row};
use crate::{App, AppError, CustomerRef, Principal, Scope, customers};

/// Entries that one call sums, see [`AppConfig::usage_entries_max`](crate::AppConfig).
pub const USAGE_ENTRIES_MAX: i64 = 50_000;
/// Entries of one read.
const CHUNK: i64 = 500;
const HOUR_SECONDS: i64 = 3_600;
const DAY_SECONDS: i64 = 86_400;

/// What charges can be told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    Feature,
    Model,
    Subject,
    Job,
    /// Of the clock, in UTC; with [`Dimension::Hour`] the hour decides.
    Day,
    Hour,
}

/// Charges that are alike in what was asked for; `None` in everything else, and where a charge has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    pub begins_at: Option<Timestamp>,
    pub feature: Option<String>,
    pub model: Option<String>,
    pub subject: Option<String>,
    pub job: Option<String>,
}

/// What a group's charges sum up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub credits: Credits,
    pub charges: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    pub period: Period,
    /// Of all groups together.
    pub total: Sum,
    /// By time, then by name.
    pub groups: Vec<(Group, Sum)>,
}

/// The charges of a period, captures and one-step debits. One that was undone since counts nowhere.
///
/// Errors: invalid `from` when the period has more entries than one call sums.
pub async fn used(
    app: &App,
    by: &Principal,
    customer: &CustomerRef,
    period: Period,
    dimensions: &BTreeSet<Dimension>,
) -> Result<Used, AppError> {
    by.require_own(Scope::Read)?;
    let known = customers::in_path(app, by, customer).await?;
    let found = find(app, known.wallet, period).await?;
    let most = app.config().usage_entries_max;
    if found.last - found.first >= most {
        let rule = format!("leaves more than {most} entries until `to`; ask for a shorter period");
        return Err(AppError::invalid("from", rule));
    }
    let mut groups: BTreeMap<Group, Sum> = BTreeMap::new();
    let mut total = Sum::default();
    let mut first = found.first;
    while first <= found.last {
        let last = found.last.min(first + CHUNK - 1);
        for row in charges(app, &found, (first, last)).await? {
            let charged = Credits::from_micros(-row.credits.micros());
            groups.entry(group_of(&row, dimensions)).or_default().add(charged);
            total.add(charged);
        }
        first = last + 1;
    }
    Ok(Used { period, total, groups: groups.into_iter().collect() })
}

async fn charges(app: &App, found: &Found, (first, last): (Seq, Seq)) -> Result<Vec<Row>, AppError> {
    let undone = statement::reversed(app.store(), found.wallet, first, last).await?;
    let entries = statement::entries(app.store(), found.wallet, first, last).await?;
    let is_charge = |kind| matches!(kind, EntryKind::Debit | EntryKind::Capture);
    let charged = entries.iter().filter(|entry| is_charge(entry.kind) && !undone.contains(&entry.seq));
    Ok(charged.map(|entry| row(found.wallet, entry, true)).collect())
}

fn group_of(row: &Row, dimensions: &BTreeSet<Dimension>) -> Group {
    let mut group = Group::default();
    for dimension in dimensions {
        match dimension {
            Dimension::Feature => group.feature.clone_from(&row.feature),
            Dimension::Model => group.model.clone_from(&row.model),
            Dimension::Subject => group.subject.clone_from(&row.subject),
            Dimension::Job => group.job.clone_from(&row.job),
            Dimension::Day => group.begins_at = Some(begin_of(row.at, DAY_SECONDS)),
            Dimension::Hour => group.begins_at = Some(begin_of(row.at, HOUR_SECONDS)),
        }
    }
    group
}

fn begin_of(at: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::EPOCH.plus_seconds(at.unix_seconds().div_euclid(seconds) * seconds)
}

impl Sum {
    /// One wallet's charges were added up by the ledger before, so they fit.
    fn add(&mut self, charged: Credits) {
        self.credits = Credits::from_micros(self.credits.micros().saturating_add(charged.micros()));
        self.charges += 1;
    }
}

impl Dimension {
    pub const ALL: [Dimension; 6] = [
        Dimension::Feature,
        Dimension::Model,
        Dimension::Subject,
        Dimension::Job,
        Dimension::Day,
        Dimension::Hour,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Dimension::Feature => "feature",
            Dimension::Model => "model",
            Dimension::Subject => "subject",
            Dimension::Job => "job",
            Dimension::Day => "day",
            Dimension::Hour => "hour",
        }
    }
}

impl FromStr for Dimension {
    type Err = String;

    fn from_str(text: &str) -> Result<Dimension, String> {
        let known = Dimension::ALL.into_iter().find(|dimension| dimension.name() == text);
        known.ok_or_else(|| {
            format!("must be some of {}, with commas between", Dimension::ALL.map(Dimension::name).join(", "))
        })
    }
}
