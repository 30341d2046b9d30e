//! The night's work: wallet-days are stored, a candidate is fitted, a candidate of the night before speaks if it is
//! not worse, and the world is compared with what the active model was fitted on. What fails leaves everything as
//! it is.

use std::hash::{DefaultHasher, Hash, Hasher};

use kernel::Timestamp;
use risk::drift::{NOTICE, REFIT};
use risk::features::{COUNT, Features};
use risk::model::Ensemble;
use risk::score::Assessment;
use risk::stored::{LoadError, model_from_bytes, model_to_bytes};
use risk::training::{MAX_ROWS, Row, average_precision, drift, fit, spread};
use store::StoreError;
use store::cold::risk::models::{self as rows, ACTIVE, RETIRED, SHADOW};
use store::cold::risk::{days, watchers};
use store::cold::schedules;

use super::models::{ENSEMBLE, Metrics, promote};
use super::{alerts, follow, lessons};
use crate::about::{from_json, to_json};
use crate::aside::aside;
use crate::{App, AppError};

/// Name of the schedule, whose row tells how far a run has come.
pub(crate) const SCHEDULE: &str = "risk_train";
const DAY_SECONDS: i64 = 86_400;
/// When the night's work begins, after midnight UTC. A day of a wallet ends there and not at midnight, so that a use
/// between the two does not take the place of the day before it.
const NIGHT_SECONDS: i64 = (2 * 60 + 23) * 60;
/// A night's run may be late by an hour and misses nobody.
const COLLECTED_SECONDS: i64 = 25 * 3_600;
/// Days that a model is fitted on, and for which wallet-days are kept.
const DAYS: i64 = 35;
const KEPT_DAYS: i64 = 90;
/// How long a candidate is only watched.
pub(super) const SHADOW_SECONDS: i64 = 20 * 3_600;
/// Rows of a model that are kept to compare later days with.
const KEPT_ROWS: usize = 2_000;
/// A candidate may order this much worse, which is within chance.
const TOLERANCE: f64 = 0.02;
/// A model that calls every row alike has learnt nothing.
const LEAST_SPREAD: f64 = 0.01;
/// Fewer rows of a day say nothing about drift.
const FEWEST_ROWS: usize = 100;
/// How long a model that retired can be gone back to.
const RETIRED_KEPT_DAYS: i64 = 60;
/// Features that a report names.
const NAMED_MAX: usize = 5;

/// Runs all steps; each says what it did, and one that fails keeps no other from its turn.
pub(crate) async fn nightly(app: &App) -> Result<String, AppError> {
    let mut night = Night { app, said: Vec::new(), failed: None };
    night
        .step("storing wallet-days", async { Ok(format!("{} wallet-days stored", collect(app).await?)) })
        .await;
    night.step("comparing the candidate in shadow", judge_candidate(app)).await;
    night.step("fitting a candidate", fit_candidate(app)).await;
    night.step("measuring drift", measure_drift(app)).await;
    night.step("comparing what reviewers taught", lessons::judge(app)).await;
    night.step("learning from verdicts and disputes", lessons::learn(app)).await;
    night.step("forgetting what is old", forget(app)).await;
    app.inner.risk.policy.expire();
    match night.failed {
        None => Ok(night.said.join("; ")),
        Some(error) => {
            tracing::error!(%error, said = night.said.join("; "), "a night of training was not complete");
            Err(error)
        }
    }
}

/// The steps of one night.
struct Night<'a> {
    app: &'a App,
    said: Vec<String>,
    /// The first that failed.
    failed: Option<AppError>,
}

impl Night<'_> {
    async fn step(&mut self, name: &str, work: impl Future<Output = Result<String, AppError>>) {
        let done = match progress(self.app, name).await {
            Ok(()) => work.await,
            Err(error) => Err(error),
        };
        match done {
            Ok(said) => self.said.push(said),
            Err(error) => {
                self.said.push(format!("{name} failed: {error}"));
                self.failed.get_or_insert(error);
            }
        }
    }
}

async fn forget(app: &App) -> Result<String, AppError> {
    let now = app.now();
    let models = rows::forget(app.store().writer(), days_before(now, RETIRED_KEPT_DAYS)).await?;
    days::forget(app.store(), today(now) - KEPT_DAYS).await?;
    watchers::forget(app.store(), days_before(now, 1)).await?;
    Ok(format!("{models} old models forgotten"))
}

async fn progress(app: &App, step: &str) -> Result<(), AppError> {
    Ok(schedules::progress(app.store(), SCHEDULE, &format!("running: {step}")).await?)
}

/// Stores the features of every wallet that was used since the night before, at its last use. Of more than [`MAX_ROWS`] an even part, the same in every process.
async fn collect(app: &App) -> Result<usize, AppError> {
    follow::caught_up(app).await?;
    let now = app.now();
    let since = now.plus_seconds(-COLLECTED_SECONDS).micros() / 1_000;
    let found: Vec<days::Model> = {
        let watch = app.inner.risk.watch();
        let mut active = watch.book().active_since(since);
        active.sort_by_key(|(wallet, _)| (sampled(*wallet, today(now)), *wallet));
        active.truncate(MAX_ROWS);
        let row = |(wallet, at): (u128, i64)| {
            let features = watch.features(wallet, at)?;
            let day = day_of(at);
            Some(days::Model {
                day,
                wallet: store::Uuid::from_u128(wallet),
                score: Assessment::of(features, None).score,
                features: bytes_of(&features.vector()),
                used_at: at.saturating_mul(1_000),
                draw: sampled(wallet, day).cast_signed(),
            })
        };
        active.into_iter().filter_map(row).collect()
    };
    let count = found.len();
    days::put(app.store(), found).await?;
    Ok(count)
}

fn sampled(wallet: u128, day: i64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (wallet, day).hash(&mut hasher);
    hasher.finish()
}

/// A candidate that was watched for a day speaks from now on, unless it orders the last day worse than the
/// active one.
async fn judge_candidate(app: &App) -> Result<String, AppError> {
    let now = app.now();
    let Some(candidate) = load(app, SHADOW).await? else { return Ok("no candidate".to_owned()) };
    if candidate.row.created_at > now.plus_seconds(-SHADOW_SECONDS).micros() {
        return Ok(format!("{} stays in shadow", candidate.row.id));
    }
    let lately: Vec<Row> = stored(app, today(now) - 1).await?;
    let active = load(app, ACTIVE).await?;
    let precision = precision(&candidate.model, &lately);
    let before = active.as_ref().map(|active| self::precision(&active.model, &lately));
    let mut metrics: Metrics = from_json(&candidate.row.metrics)?;
    (metrics.precision, metrics.precision_before) = (Some(precision), before);
    let id = candidate.row.id;
    let is_worse = before.is_some_and(|before| precision < before - TOLERANCE);
    if is_worse {
        metrics.retired_because = Some("it ordered its day in shadow worse than the active model".to_owned());
    }
    let txn = app.store().write().await?;
    rows::set_metrics(&txn, &id, to_json(&metrics)?).await?;
    if is_worse {
        rows::set_state(&txn, &id, RETIRED, None).await?;
    } else {
        promote(&txn, (ENSEMBLE, &id), now).await?;
    }
    txn.commit().await.map_err(StoreError::from)?;
    Ok(if is_worse { format!("{id} retired, it was worse") } else { format!("{id} promoted") })
}

/// How well a model puts those first whom the named patterns flag.
fn precision(model: &Ensemble, rows: &[Row]) -> f64 {
    let scored = rows.iter().map(|row| {
        let is_flagged = Assessment::of(Features::from_vector(*row), None).score >= 0.5;
        (model.score(row), is_flagged)
    });
    average_precision(scored.collect())
}

/// Fits the night's candidate. The first one of all has nothing to compare with and speaks at once.
async fn fit_candidate(app: &App) -> Result<String, AppError> {
    let now = app.now();
    let rows: Vec<Row> = stored(app, today(now) - DAYS).await?;
    let id = format!("ensemble-{}", today(now));
    match fitted(id.clone(), rows).await {
        Ok((bytes, kept, count)) => {
            let is_first = rows::id_in(app.store().reader(), ENSEMBLE, ACTIVE).await?.is_none();
            let row = rows::Model {
                id: id.clone(),
                kind: ENSEMBLE.to_owned(),
                state: SHADOW.to_owned(),
                metrics: to_json(&Metrics { rows: count, ..Metrics::default() })?,
                created_at: now.micros(),
                promoted_at: None,
                bytes,
                rows: kept,
            };
            let txn = app.store().write().await?;
            rows::move_others(&txn, (ENSEMBLE, &id), SHADOW, RETIRED).await?;
            let is_new = rows::insert(&txn, row).await?;
            if is_new && is_first {
                promote(&txn, (ENSEMBLE, &id), now).await?;
            }
            txn.commit().await.map_err(StoreError::from)?;
            Ok(format!("{id} fitted on {count} wallet-days"))
        }
        Err(why) => {
            metrics::counter!("scrip_risk_fits_failed_total").increment(1);
            tracing::warn!(model = id, why, "no candidate tonight; the model in use stays");
            Ok(format!("no candidate: {why}"))
        }
    }
}

/// Bytes of the model, the rows that are kept, and how many rows there were; or why there is no model.
async fn fitted(id: String, rows: Vec<Row>) -> Result<(Vec<u8>, Vec<u8>, usize), String> {
    let work = move || {
        let model = fit(&id, &rows).map_err(|error| error.to_string())?;
        let spread = spread(&model, &rows);
        if spread.is_nan() || spread < LEAST_SPREAD {
            return Err("it finds every wallet-day as unusual as any other".to_owned());
        }
        let bytes = model_to_bytes(&model).map_err(|error| error.to_string())?;
        let step = rows.len().div_ceil(KEPT_ROWS).max(1);
        let kept = rows.iter().step_by(step).flat_map(bytes_of).collect();
        Ok((bytes, kept, rows.len()))
    };
    match aside("fit", work).await {
        Ok(done) => done,
        Err(failed) => Err(format!("the fit did not end: {failed}")),
    }
}

/// Compares the last day with what the active model was fitted on, and tells operators from [`REFIT`] on.
async fn measure_drift(app: &App) -> Result<String, AppError> {
    let now = app.now();
    let Some(active) = load(app, ACTIVE).await? else { return Ok("no active model".to_owned()) };
    let lately: Vec<Row> = stored(app, today(now) - 1).await?;
    if lately.len() < FEWEST_ROWS {
        return Ok(format!("{} wallet-days are too few to see drift", lately.len()));
    }
    let then: Vec<Row> = active.row.rows.chunks_exact(8 * COUNT).filter_map(row_of).collect();
    let moved: Vec<(String, f64)> = drift(&then, &lately)
        .into_iter()
        .filter(|(_, index)| *index >= NOTICE)
        .take(NAMED_MAX)
        .map(|(name, index)| (name.to_owned(), index))
        .collect();
    let mut metrics: Metrics = from_json(&active.row.metrics)?;
    metrics.drift = moved.clone();
    let txn = app.store().write().await?;
    rows::set_metrics(&txn, &active.row.id, to_json(&metrics)?).await?;
    txn.commit().await.map_err(StoreError::from)?;
    if moved.first().is_some_and(|(_, index)| *index >= REFIT) {
        alerts::of_drift(app, &active.row.id, &moved).await?;
    }
    let shown: Vec<String> = moved.iter().map(|(name, index)| format!("{name} {index:.2}")).collect();
    Ok(if shown.is_empty() { "no drift".to_owned() } else { format!("drift: {}", shown.join(", ")) })
}

struct Loaded {
    row: rows::Model,
    model: Ensemble,
}

/// The ensemble in this state; one that cannot be read is none.
async fn load(app: &App, state: &str) -> Result<Option<Loaded>, AppError> {
    let db = app.store().reader();
    let Some(id) = rows::id_in(db, ENSEMBLE, state).await? else { return Ok(None) };
    let Some(row) = rows::by_id(db, &id).await? else { return Ok(None) };
    Ok(model_from_bytes(&row.bytes).ok().map(|model| Loaded { row, model }))
}

/// Stored wallet-days since a day, the newest first; of more than fit an even share of each day.
async fn stored(app: &App, since: i64) -> Result<Vec<Row>, AppError> {
    let limit = u64::try_from(MAX_ROWS).unwrap_or(u64::MAX);
    let found = days::since(app.store().reader(), since, limit).await?;
    Ok(found.iter().filter_map(|row| row_of(&row.features)).collect())
}

/// The day of a wallet that this moment (milliseconds) belongs to.
fn day_of(at: i64) -> i64 {
    (at - NIGHT_SECONDS * 1_000).div_euclid(DAY_SECONDS * 1_000)
}

/// When a day of a wallet begins.
pub(super) fn begin_of(day: i64) -> Timestamp {
    Timestamp::EPOCH.plus_seconds(day * DAY_SECONDS + NIGHT_SECONDS)
}

pub(super) fn today(now: Timestamp) -> i64 {
    now.unix_seconds() / DAY_SECONDS
}

pub(super) fn days_before(now: Timestamp, days: i64) -> i64 {
    now.plus_seconds(-days * DAY_SECONDS).micros()
}

pub(super) fn bytes_of(row: &Row) -> Vec<u8> {
    row.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// `None` for rows of another version.
pub(super) fn row_of(bytes: &[u8]) -> Option<Row> {
    let (values, rest) = bytes.as_chunks::<8>();
    let values: Vec<f64> = values.iter().map(|value| f64::from_le_bytes(*value)).collect();
    Row::try_from(values).ok().filter(|_| rest.is_empty())
}

pub(super) fn unreadable(error: &LoadError) -> StoreError {
    StoreError::Corrupt(format!("risk model: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::SCHEDULES;

    #[test]
    fn a_wallets_day_ends_when_the_nights_work_begins() {
        let schedule = SCHEDULES.into_iter().find(|schedule| schedule.name == SCHEDULE).expect("a schedule");
        let night = schedule.next(Timestamp::EPOCH).expect("a time");
        assert_eq!(night, begin_of(0));
        let millis = night.micros() / 1_000;
        assert_eq!((day_of(millis - 1), day_of(millis)), (-1, 0));
    }
}
