//! What is learnt from: what reviewers decided, and payments that the holder of the card did not want.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Timestamp, WalletId};
use risk::features::{COUNT, Features, NAMES};
use risk::model::FitError;
use risk::stored::taught_to_bytes;
use risk::training::{Judged, teach};
use store::StoreError;
use store::cold::risk::cases::{self, CONFIRMED};
use store::cold::risk::days;
use store::cold::risk::models::{self as rows, SHADOW};

use super::models::{FEEDBACK, Metrics, promote};
use super::training::{days_before, row_of, today, unreadable};
use crate::about::{from_json, to_json};
use crate::payments::signals::unwanted_since;
use crate::{App, AppError};

/// Cases and payments that are learnt from, and for how long.
const LESSONS_MAX: u64 = 5_000;
const LESSON_DAYS: i64 = 365;
/// A dispute is about what was used so many days before it.
const DISPUTED_DAYS: i64 = 60;
/// Days of a wallet that are looked through for it.
const DAYS_MAX: u64 = 100;

/// From 200 lessons on, fits a regression and lets it speak.
pub(super) async fn learn(app: &App) -> Result<String, AppError> {
    let now = app.now();
    let lessons = lessons(app, days_before(now, LESSON_DAYS)).await?;
    let id = format!("feedback-{}", today(now));
    let count = lessons.len();
    let taught = match tokio::task::spawn_blocking(move || teach(&lessons)).await {
        Ok(Ok(taught)) => taught,
        Ok(Err(error)) => return Ok(nothing_learnt(&error)),
        Err(panicked) => return Ok(format!("nothing learnt: the fit panicked: {panicked}")),
    };
    let Some(taught) = taught else {
        return Ok(format!("{count} verdicts and disputes are too few to learn from"));
    };
    let metrics = Metrics {
        rows: count,
        precision: Some(taught.precision),
        precision_before: Some(taught.precision_without),
        weight: Some(taught.weight),
        ..Metrics::default()
    };
    let row = rows::Model {
        id: id.clone(),
        kind: FEEDBACK.to_owned(),
        state: SHADOW.to_owned(),
        metrics: to_json(&metrics)?,
        created_at: now.micros(),
        promoted_at: None,
        bytes: taught_to_bytes(&taught).map_err(|error| unreadable(&error))?,
        rows: Vec::new(),
    };
    let txn = app.store().write().await?;
    if rows::insert(&txn, row).await? {
        promote(&txn, (FEEDBACK, &id), now).await?;
    }
    txn.commit().await.map_err(StoreError::from)?;
    Ok(format!("{id} learnt from {count} verdicts and disputes, weight {}", taught.weight))
}

fn nothing_learnt(error: &FitError) -> String {
    metrics::counter!("scrip_risk_fits_failed_total").increment(1);
    format!("nothing learnt: {error}")
}

/// Decided cases in their order, then wallets with unwanted payments in theirs.
async fn lessons(app: &App, since: i64) -> Result<Vec<Judged>, AppError> {
    let mut decided = cases::closed_since(app.store().reader(), since, LESSONS_MAX).await?;
    decided.sort_by_key(|case| case.id);
    let mut lessons: Vec<Judged> = decided.iter().filter_map(of_case).collect();
    // A person has looked at these and knew of the payment, or can know.
    let judged: BTreeSet<_> = decided.iter().map(|case| WalletId::from_uuid(case.wallet)).collect();
    let unwanted = unwanted_since(app, Timestamp::from_micros_saturating(since), LESSONS_MAX).await?;
    for (wallet, at) in unwanted.into_iter().filter(|(wallet, _)| !judged.contains(wallet)) {
        lessons.extend(of_dispute(app, wallet, at).await?);
    }
    Ok(lessons)
}

fn of_case(case: &cases::Model) -> Option<Judged> {
    let features: BTreeMap<String, f64> = from_json(&case.features).ok()?;
    let mut row = [0.0; COUNT];
    for (value, name) in row.iter_mut().zip(NAMES) {
        *value = features.get(name).copied()?;
    }
    let is_confirmed = case.decision.as_deref() == Some(CONFIRMED);
    Some(Judged { row, score: case.score, is_confirmed })
}

/// The wallet's most suspicious day before the dispute was known. With a dispute among the features, all that
/// could be learnt is that disputes are disputes.
async fn of_dispute(app: &App, wallet: WalletId, at: Timestamp) -> Result<Option<Judged>, AppError> {
    let found = days::of_wallet(app.store().reader(), wallet.uuid(), DAYS_MAX).await?;
    let reach = today(at) - DISPUTED_DAYS..=today(at);
    let before = found.iter().filter(|day| reach.contains(&day.day)).filter_map(|day| {
        let row = row_of(&day.features)?;
        let is_innocent = Features::from_vector(row).disputes_month <= 0.0;
        is_innocent.then_some(Judged { row, score: day.score, is_confirmed: true })
    });
    Ok(before.max_by(|a, b| a.score.total_cmp(&b.score)))
}
