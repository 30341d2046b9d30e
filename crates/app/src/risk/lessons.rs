//! What is learnt from: what reviewers decided, and payments that the holder of the card did not want.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Timestamp, WalletId};
use risk::features::{COUNT, Features, NAMES};
use risk::model::FitError;
use risk::stored::{taught_from_bytes, taught_to_bytes};
use risk::training::{Judged, MAX_ROWS, Taught, average_precision, teach};
use store::StoreError;
use store::cold::risk::cases::{self, CONFIRMED};
use store::cold::risk::days;
use store::cold::risk::models::{self as rows, RETIRED, SHADOW};

use super::models::{FEEDBACK, Metrics, promote};
use super::training::{SHADOW_SECONDS, days_before, row_of, today, unreadable};
use super::versions::newest;
use crate::about::{from_json, to_json};
use crate::aside::aside;
use crate::payments::signals::unwanted_since;
use crate::{App, AppError};

/// Cases and payments that are learnt from, and for how long.
const LESSONS_MAX: u64 = 5_000;
const LESSON_DAYS: i64 = 365;
/// A dispute is about what was used so many days before it.
const DISPUTED_DAYS: i64 = 60;
/// Days of a wallet that are looked through for it.
const DAYS_MAX: u64 = 100;

/// Fewer verdicts of each kind do not tell whether it is better with it.
const FEWEST_NEW: usize = 10;
/// It may order new verdicts this much worse, which is within chance.
const TOLERANCE: f64 = 0.02;
/// At most this share of the wallet-days of its day in shadow may come to a reviewer because of it alone.
const NEWLY_FLAGGED: f64 = 0.01;

/// What reviewers taught speaks after a day in shadow: unless it would have brought more wallets to reviewers than
/// these have time for, or orders the verdicts of that day worse than the score without it.
pub(super) async fn judge(app: &App) -> Result<String, AppError> {
    let (db, now) = (app.store().reader(), app.now());
    let Some(id) = rows::id_in(db, FEEDBACK, SHADOW).await? else {
        return Ok("nothing was taught".to_owned());
    };
    let Some(row) = rows::by_id(db, &id).await? else { return Ok("nothing was taught".to_owned()) };
    if row.created_at > now.plus_seconds(-SHADOW_SECONDS).micros() {
        return Ok(format!("{id} stays in shadow"));
    }
    let mut metrics: Metrics = from_json(&row.metrics)?;
    match taught_from_bytes(&row.bytes) {
        Ok(taught) => metrics.retired_because = objection(app, &taught, row.created_at).await?,
        Err(error) => metrics.retired_because = Some(error.to_string()),
    }
    let txn = app.store().write().await?;
    rows::set_metrics(&txn, &id, to_json(&metrics)?).await?;
    if metrics.retired_because.is_some() {
        rows::set_state(&txn, &id, RETIRED, None).await?;
    } else {
        promote(&txn, (FEEDBACK, &id), now).await?;
    }
    txn.commit().await.map_err(StoreError::from)?;
    Ok(metrics.retired_because.map_or_else(|| format!("{id} promoted"), |why| format!("{id} retired, {why}")))
}

/// Why it should not speak.
async fn objection(app: &App, taught: &Taught, since: i64) -> Result<Option<String>, AppError> {
    let settings = newest(app).await?.settings;
    let limit = u64::try_from(MAX_ROWS).unwrap_or(u64::MAX);
    let lately = days::since(app.store().reader(), today(app.now()) - 1, limit).await?;
    let scored = lately.iter().filter_map(|day| Some((day.score, row_of(&day.features)?)));
    let newly = scored
        .filter(|(score, row)| *score < settings.review && taught.blended(*score, row) >= settings.review)
        .count();
    #[allow(clippy::cast_precision_loss)]
    let budget = (NEWLY_FLAGGED * lately.len() as f64).max(1.0);
    #[allow(clippy::cast_precision_loss)]
    if newly as f64 > budget {
        return Ok(Some(format!(
            "it alone would have brought {newly} of {} wallet-days to a reviewer",
            lately.len()
        )));
    }
    let new = cases::closed_since(app.store().reader(), since, LESSONS_MAX).await?;
    let new: Vec<Judged> = new.iter().filter_map(of_case).collect();
    let confirmed = new.iter().filter(|judged| judged.is_confirmed).count();
    if confirmed.min(new.len() - confirmed) < FEWEST_NEW {
        return Ok(None);
    }
    let precision = |weighs: bool| {
        let score = |judged: &Judged| {
            if weighs { taught.blended(judged.score, &judged.row) } else { judged.score }
        };
        average_precision(new.iter().map(|judged| (score(judged), judged.is_confirmed)).collect())
    };
    let is_worse = precision(true) < precision(false) - TOLERANCE;
    Ok(is_worse.then(|| format!("it orders {} new verdicts worse than the score without it", new.len())))
}

/// From 200 lessons on, fits a regression, which is only watched for a day.
pub(super) async fn learn(app: &App) -> Result<String, AppError> {
    let now = app.now();
    let lessons = lessons(app, days_before(now, LESSON_DAYS)).await?;
    let id = format!("feedback-{}", today(now));
    let count = lessons.len();
    let taught = match aside("lessons", move || teach(&lessons)).await {
        Ok(Ok(taught)) => taught,
        Ok(Err(error)) => return Ok(nothing_learnt(&error)),
        Err(failed) => return Ok(format!("nothing learnt: the fit did not end: {failed}")),
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
    rows::move_others(&txn, (FEEDBACK, &id), SHADOW, RETIRED).await?;
    rows::insert(&txn, row).await?;
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
