//! What `evaluate.py` of the abuse sets computes, from scores as they were known.

use std::collections::BTreeMap;

use risk::signal::Millis;
use serde::Serialize;

use crate::abuse::{Account, Set};
use crate::metrics::{average_precision, roc_auc};

/// What ends the output.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub auc: f64,
    pub ap: f64,
    pub precision_at_1: f64,
    pub recall_by_archetype: BTreeMap<String, f64>,
    pub worst_honest_flagged: f64,
    pub median_hours_to_detection: Option<f64>,
    pub preventable_credits: f64,
    /// Share of each honest class that the budget flags.
    pub flagged_by_honest_class: BTreeMap<String, f64>,
}

/// Scores of one account in the order in which they were known.
pub type Scores = Vec<(Millis, f64)>;

/// Credits and times of one account's uses.
pub type Spent = Vec<(Millis, f64)>;

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn summarise(set: &Set, scores: &[Scores], spent: &[Spent]) -> Summary {
    let accounts = &set.accounts;
    let is_bad: Vec<bool> = accounts.iter().map(|a| a.is_abuse).collect();
    let highest = highest(scores);
    let mut order: Vec<usize> = (0..accounts.len()).collect();
    order.sort_by(|a, b| {
        highest[*b].total_cmp(&highest[*a]).then_with(|| accounts[*a].id.cmp(&accounts[*b].id))
    });
    let top = |share: f64| ((share * accounts.len() as f64 - 1e-9).ceil() as usize).min(accounts.len());

    let one_percent = top(0.01);
    let hits = order.iter().take(one_percent).filter(|i| is_bad[**i]).count();
    let budget = top(is_bad.iter().filter(|b| **b).count() as f64 / accounts.len() as f64);
    let threshold =
        budget.checked_sub(1).and_then(|last| order.get(last)).map_or(f64::INFINITY, |i| highest[*i]);
    let mut is_flagged = vec![false; accounts.len()];
    order.iter().take(budget).for_each(|i| is_flagged[*i] = true);

    let found: Vec<Option<Millis>> = (0..accounts.len())
        .map(|i| {
            let from = accounts[i].first_abuse_at.filter(|_| is_flagged[i] && is_bad[i])?;
            scores[i].iter().find(|(at, score)| *at >= from && *score >= threshold).map(|(at, _)| *at)
        })
        .collect();
    let mut hours: Vec<f64> = (0..accounts.len())
        .filter_map(|i| Some((found[i]? - accounts[i].first_abuse_at?) as f64 / 3.6e6))
        .collect();
    let of = |kind: bool, i: &usize| accounts[*i].is_abuse == kind && accounts[*i].archetype != "normal";
    let flagged = |kind: bool| shares(accounts, (0..accounts.len()).filter(|i| of(kind, i)), &is_flagged);
    let by_honest = flagged(false);
    Summary {
        auc: roc_auc(&is_bad, &highest),
        ap: average_precision(&is_bad, &highest),
        precision_at_1: hits as f64 / one_percent.max(1) as f64,
        recall_by_archetype: flagged(true),
        worst_honest_flagged: by_honest.values().copied().fold(0.0, f64::max),
        median_hours_to_detection: median(&mut hours),
        preventable_credits: preventable(accounts, &found, spent),
        flagged_by_honest_class: by_honest,
    }
}

/// Unscored accounts rank last.
fn highest(scores: &[Scores]) -> Vec<f64> {
    let best = |rows: &Scores| rows.iter().map(|(_, score)| *score).fold(f64::NEG_INFINITY, f64::max);
    let highest: Vec<f64> = scores.iter().map(best).collect();
    let lowest = highest.iter().copied().filter(|s| s.is_finite()).fold(0.0, f64::min);
    highest.into_iter().map(|s| if s.is_finite() { s } else { lowest - 1.0 }).collect()
}

#[allow(clippy::cast_precision_loss)]
fn shares(
    accounts: &[Account],
    chosen: impl Iterator<Item = usize>,
    is_flagged: &[bool],
) -> BTreeMap<String, f64> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for i in chosen {
        let count = counts.entry(&accounts[i].archetype).or_default();
        count.0 += usize::from(is_flagged[i]);
        count.1 += 1;
    }
    counts.into_iter().map(|(name, (hits, all))| (name.to_owned(), hits as f64 / all as f64)).collect()
}

/// Share of the credits of abusive accounts since their first abuse that were spent after they were found.
fn preventable(accounts: &[Account], found: &[Option<Millis>], spent: &[Spent]) -> f64 {
    let (mut all, mut after) = (0.0, 0.0);
    for ((account, found), spent) in accounts.iter().zip(found).zip(spent) {
        let Some(from) = account.first_abuse_at else { continue };
        for (at, credits) in spent.iter().filter(|(at, _)| *at >= from) {
            all += credits;
            if found.is_some_and(|found| *at > found) {
                after += credits;
            }
        }
    }
    after / f64::max(all, 1.0)
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}
