//! How often reviewers agreed with the rules.

use std::collections::BTreeMap;

use store::cold::risk::cases::{self as rows, CONFIRMED};

use super::appeals::BY_HAND;
use super::cases::Reason;
use crate::about::from_json;
use crate::{App, AppError, Principal, Scope};

const DAY_SECONDS: i64 = 86_400;
/// How far back the precision of rules looks, and over how many cases.
const PRECISION_DAYS: i64 = 90;
const PRECISION_MAX: u64 = 10_000;

/// How often reviewers agreed with one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precision {
    /// A rule's name, `velocity`, `unusual`, or `all`.
    pub rule: String,
    pub confirmed: u64,
    pub dismissed: u64,
}

/// How often reviewers agreed, by rule, over the last 90 days; `all` first.
pub async fn precision(app: &App, by: &Principal) -> Result<Vec<Precision>, AppError> {
    by.require(Scope::Admin)?;
    let since = app.now().plus_seconds(-PRECISION_DAYS * DAY_SECONDS).micros();
    let closed = rows::closed_since(app.store().reader(), since, PRECISION_MAX).await?;
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for row in &closed {
        let reasons: Vec<Reason> = from_json(&row.reasons)?;
        // What a person put on hold says nothing of rules.
        if reasons.first().is_some_and(|reason| reason.name == BY_HAND) {
            continue;
        }
        let names = reasons.into_iter().map(|reason| reason.name).chain([ALL.to_owned()]);
        for name in names {
            let count = found.entry(name).or_default();
            match row.decision.as_deref() {
                Some(CONFIRMED) => count.0 += 1,
                _ => count.1 += 1,
            }
        }
    }
    let rule = |(rule, (confirmed, dismissed))| Precision { rule, confirmed, dismissed };
    let mut rules: Vec<Precision> = found.into_iter().map(rule).collect();
    rules.sort_by_key(|precision| precision.rule != ALL);
    Ok(rules)
}

const ALL: &str = "all";
