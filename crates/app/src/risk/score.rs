//! One wallet's score at this moment, from memory.

use std::collections::BTreeMap;

use kernel::{CustomerId, Timestamp};
use risk::features::{Features, NAMES};
use risk::score::Assessment;
use serde::{Deserialize, Serialize};

use super::cases::Reason;
use super::verdict_name;
use crate::{App, AppError, CustomerRef, Principal, Scope, customers};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    pub customer: CustomerId,
    /// 0 to 1; 0 for a wallet of which nothing is known.
    pub score: f64,
    /// `allow`, `review`, `restrict` or `block`.
    pub verdict: String,
    /// The strongest first; those of rules that count.
    pub reasons: Vec<Reason>,
    /// By their names.
    pub features: BTreeMap<String, f64>,
    /// The models that spoke, joined by ` + `; none before the first was fitted.
    pub model: Option<String>,
    /// Version of the settings that judged.
    pub settings: i64,
    /// The customer is scored and never acted on.
    pub is_allowed: bool,
    /// Everything that was known before this instant is in it.
    pub as_of: Timestamp,
}

pub async fn score(app: &App, by: &Principal, customer: &CustomerRef) -> Result<Scored, AppError> {
    by.require(Scope::Read)?;
    let known = customers::in_body(app, by, customer).await?;
    // A process that does not follow the log by itself catches up now.
    let as_of = super::follow::caught_up(app).await?;
    let desk = &app.inner.risk;
    let policy = desk.policy.get();
    let assessed = desk.watch().assess(known.wallet.uuid().as_u128(), as_of.micros() / 1_000);
    let assessment = assessed.unwrap_or_else(|| Assessment::of(Features::default(), None));
    let is_known = assessed.is_some();
    let score = if is_known { policy.score(known.wallet, &assessment) } else { 0.0 };
    let standing = desk.standings.get(known.wallet);
    let before = standing.map_or(super::Verdict::Allow, |standing| standing.verdict);
    let verdict = policy.settings.thresholds().verdict(score, before);
    let reasons = if is_known { policy.reasons(known.wallet, &assessment) } else { Vec::new() };
    let features = NAMES.map(str::to_owned).into_iter().zip(assessment.features.vector());
    Ok(Scored {
        customer: known.id,
        score,
        verdict: verdict_name(verdict).to_owned(),
        reasons,
        features: if is_known { features.collect() } else { BTreeMap::new() },
        model: policy.models(),
        settings: policy.version,
        is_allowed: policy.is_allowed(known.wallet),
        as_of,
    })
}

/// The features of a wallet at a moment, by their names.
pub(super) fn named(features: &Features) -> serde_json::Map<String, serde_json::Value> {
    let values = features.vector();
    risk::features::NAMES
        .into_iter()
        .zip(values)
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}
