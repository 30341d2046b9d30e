//! Models: which there are, which one speaks, and the way back to the one before.

use kernel::Timestamp;
use risk::stored::{model_from_bytes, taught_from_bytes};
use serde::{Deserialize, Serialize};
use store::cold::risk::models::{self as rows, ACTIVE, RETIRED, SHADOW};
use store::{DatabaseTransaction, StoreError};

use crate::about::{from_json, to_json};
use crate::accounts::Session;
use crate::audit::{Act, Asked, audited};
use crate::{App, AppError, Principal, Scope};

/// Without labels: how unusual is a wallet-day?
pub(super) const ENSEMBLE: &str = "ensemble";
/// What reviewers taught.
pub(super) const FEEDBACK: &str = "feedback";
const LISTED_MAX: u64 = 100;

/// What is known of a model's worth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Wallet-days or verdicts that it was fitted on.
    pub rows: usize,
    /// Average precision with which it orders the wallet-days of its day in shadow that the named patterns
    /// flag, and that of the active model on the same; of what reviewers taught: on the verdicts kept from
    /// fitting, with and without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision_before: Option<f64>,
    /// The largest population stability indices of the last day against the rows of fitting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<(String, f64)>,
    /// Of what reviewers taught: its weight in a score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Why it never spoke, or no longer does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_because: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub id: String,
    /// `ensemble` or `feedback`.
    pub kind: String,
    /// `shadow`, `active` or `retired`.
    pub state: String,
    pub metrics: Metrics,
    pub created_at: Timestamp,
    pub promoted_at: Option<Timestamp>,
}

/// The newest first.
pub async fn list(app: &App, by: &Principal) -> Result<Vec<Model>, AppError> {
    by.require(Scope::Read)?;
    rows::list(app.store().reader(), LISTED_MAX).await?.into_iter().map(model).collect()
}

/// Puts a model in use: one that was before, or a candidate before its time, or one that was found worse. The one
/// that speaks now retires.
pub async fn put_in_use(app: &App, by: &Session, id: &str, act: &Act) -> Result<(), AppError> {
    let found = rows::by_id(app.store().reader(), id).await?.ok_or(AppError::not_found("model"))?;
    let conflict = |detail: &str| AppError::Conflict { code: "model_not_usable", detail: detail.to_owned() };
    if !is_readable(&found) {
        return Err(conflict("the model was fitted on other features; use one of this version"));
    }
    let action = if found.promoted_at.is_some() { "model.roll_back" } else { "model.promote" };
    let subject = id.to_owned();
    let asked = Asked { by, act, action, subject, customer: None, input: serde_json::json!({}) };
    let state = || async { to_json(&rows::id_in(app.store().reader(), &found.kind, ACTIVE).await?) };
    let work = async |_| {
        let txn = app.store().write().await?;
        promote(&txn, (&found.kind, id), app.now()).await?;
        Ok(txn.commit().await.map_err(StoreError::from)?)
    };
    audited(app, asked, state, work).await?;
    app.inner.risk.policy.expire();
    Ok(())
}

/// Of a kind that speaks, on the features of this version.
fn is_readable(of: &rows::Model) -> bool {
    match of.kind.as_str() {
        ENSEMBLE => model_from_bytes(&of.bytes).is_ok(),
        FEEDBACK => taught_from_bytes(&of.bytes).is_ok(),
        _ => false,
    }
}

/// One speaks, the one before retires.
pub(super) async fn promote(
    txn: &DatabaseTransaction,
    (kind, id): (&str, &str),
    now: Timestamp,
) -> Result<(), AppError> {
    rows::move_others(txn, (kind, id), ACTIVE, RETIRED).await?;
    rows::move_others(txn, (kind, id), SHADOW, RETIRED).await?;
    rows::set_state(txn, id, ACTIVE, Some(now.micros())).await?;
    Ok(())
}

fn model(row: rows::Listed) -> Result<Model, AppError> {
    Ok(Model {
        id: row.id,
        kind: row.kind,
        state: row.state,
        metrics: from_json(&row.metrics)?,
        created_at: Timestamp::from_micros_saturating(row.created_at),
        promoted_at: row.promoted_at.map(Timestamp::from_micros_saturating),
    })
}
