//! One wallet's score at this moment, from memory.

use std::collections::BTreeMap;

use kernel::{CustomerId, Timestamp};
use risk::features::{Features, NAMES};
use serde::{Deserialize, Serialize};

use super::act::pace;
use super::cases::Reason;
use super::intake::judged;
use super::{Verdict, verdict_name};
use crate::{App, AppError, CustomerRef, Principal, Scope, customers};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    pub customer: CustomerId,
    /// 0 to 1; 0 for a wallet of which nothing is known.
    pub score: f64,
    /// `allow`, `review`, `restrict` or `block`.
    pub verdict: String,
    /// Too much speed, then the strongest first; those of rules that count.
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
    let (id, at) = (known.wallet.uuid().as_u128(), as_of.micros() / 1_000);
    let (assessed, pace) = {
        let watch = desk.watch();
        (watch.assess(id, at), watch.book().wallet(id).map(|of| pace(of, at)))
    };
    let mut scored = Scored {
        customer: known.id,
        score: 0.0,
        verdict: verdict_name(Verdict::Allow).to_owned(),
        reasons: Vec::new(),
        features: BTreeMap::new(),
        model: policy.models(),
        settings: policy.version,
        is_allowed: policy.is_allowed(known.wallet),
        as_of,
    };
    if let Some(assessment) = assessed {
        let seen = judged(&policy, known.wallet, (&assessment, pace), desk.standings.get(known.wallet));
        (scored.score, scored.verdict) = (seen.score, verdict_name(seen.verdict).to_owned());
        scored.reasons = seen.too_fast.into_iter().chain(policy.reasons(known.wallet, &assessment)).collect();
        scored.features = NAMES.map(str::to_owned).into_iter().zip(assessment.features.vector()).collect();
    }
    Ok(scored)
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
