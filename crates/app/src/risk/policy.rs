//! What holds at this moment: the settings in force, the snoozed rules, those who are never acted on, and the
//! model. Read anew every few seconds, so that processes follow each other.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use kernel::{CustomerId, Timestamp, WalletId};
use risk::detectors::Detector;
use risk::model::Ensemble;
use risk::score::{Assessment, Counted};
use risk::stored::{model_from_bytes, taught_from_bytes};
use risk::training::{Taught, blend};
use store::cold::risk::{allowed, models, snoozes};

use super::models::{ENSEMBLE, FEEDBACK};
use super::settings::Settings;
use super::versions;
use crate::{App, AppError, CustomerRef, customers};

/// How long another process's change may go unnoticed.
pub const STALE_SECONDS: i64 = 5;
/// Snoozes and allowed customers that are kept in memory.
const EXCEPTIONS_MAX: u64 = 10_000;

/// All that a verdict depends on besides the signals.
#[derive(Clone, Default)]
pub(super) struct Policy {
    pub version: i64,
    pub settings: Settings,
    counted: Option<Counted>,
    snoozed: HashMap<WalletId, Counted>,
    allowed: HashSet<WalletId>,
    pub model: Option<(String, Arc<Ensemble>)>,
    pub taught: Option<(String, Arc<Taught>)>,
}

#[derive(Default)]
pub(super) struct Cell {
    current: RwLock<(Option<Timestamp>, Arc<Policy>)>,
}

impl Cell {
    pub fn get(&self) -> Arc<Policy> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// The next tick reads anew.
    pub fn expire(&self) {
        self.current.write().unwrap_or_else(PoisonError::into_inner).0 = None;
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        let read_at = self.current.read().unwrap_or_else(PoisonError::into_inner).0;
        read_at.is_some_and(|at| at <= now && now < at.plus_seconds(STALE_SECONDS))
    }

    fn set(&self, now: Timestamp, policy: Policy) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (Some(now), Arc::new(policy));
    }
}

impl Policy {
    /// The rules that count for the wallet.
    pub fn counted(&self, wallet: WalletId) -> Counted {
        let all = self.counted.unwrap_or(Counted::ALL);
        self.snoozed.get(&wallet).map_or(all, |own| all.and(*own))
    }

    pub fn is_allowed(&self, wallet: WalletId) -> bool {
        self.allowed.contains(&wallet)
    }

    /// The score that counts: of the rules that do, with what reviewers taught.
    pub fn score(&self, wallet: WalletId, assessment: &Assessment) -> f64 {
        let score = assessment.score_by(self.counted(wallet));
        match &self.taught {
            Some((_, taught)) => {
                blend(score, taught.feedback.chance(&assessment.features.vector()), taught.weight)
            }
            None => score,
        }
    }

    pub fn model_name(&self) -> Option<String> {
        self.model.as_ref().map(|(id, _)| id.clone())
    }
}

/// Reads what is in force unless that was done just now. A model that cannot be read leaves the one before in
/// use.
pub(super) async fn refresh(app: &App) -> Result<(), AppError> {
    let (desk, now) = (&app.inner.risk, app.now());
    if desk.policy.is_fresh(now) {
        return Ok(());
    }
    let before = desk.policy.get();
    let newest = versions::newest(app).await?;
    let mut policy = Policy {
        version: newest.version,
        counted: Some(newest.settings.counted()),
        settings: newest.settings,
        model: before.model.clone(),
        taught: before.taught.clone(),
        ..Policy::default()
    };
    let db = app.store().reader();
    for row in snoozes::running(db, now.micros(), EXCEPTIONS_MAX).await? {
        let (Some(wallet), Some(rule)) = (wallet_of(app, row.customer).await?, Detector::by_name(&row.rule))
        else {
            continue;
        };
        let counted = policy.snoozed.entry(wallet).or_insert(Counted::ALL);
        *counted = counted.without(rule);
    }
    for row in allowed::all(db, EXCEPTIONS_MAX).await? {
        policy.allowed.extend(wallet_of(app, row.customer).await?);
    }
    follow_models(app, &mut policy).await?;
    desk.watch().promote(policy.model.as_ref().map(|(_, model)| model.clone()));
    desk.policy.set(now, policy);
    Ok(())
}

async fn follow_models(app: &App, policy: &mut Policy) -> Result<(), AppError> {
    let db = app.store().reader();
    let active = models::id_in(db, ENSEMBLE, models::ACTIVE).await?;
    if active.as_ref() != policy.model.as_ref().map(|(id, _)| id) {
        match load(app, active.as_deref()).await? {
            None => policy.model = None,
            Some((id, bytes)) => match model_from_bytes(&bytes) {
                Ok(model) => policy.model = Some((id, Arc::new(model))),
                Err(error) => unreadable(&id, &error),
            },
        }
    }
    let active = models::id_in(db, FEEDBACK, models::ACTIVE).await?;
    if active.as_ref() != policy.taught.as_ref().map(|(id, _)| id) {
        match load(app, active.as_deref()).await? {
            None => policy.taught = None,
            Some((id, bytes)) => match taught_from_bytes(&bytes) {
                Ok(taught) => policy.taught = Some((id, Arc::new(taught))),
                Err(error) => unreadable(&id, &error),
            },
        }
    }
    Ok(())
}

fn unreadable(id: &str, error: &risk::stored::LoadError) {
    metrics::counter!("scrip_risk_models_unreadable_total").increment(1);
    tracing::error!(model = id, %error, "a risk model cannot be read; the one before stays in use");
}

async fn load(app: &App, id: Option<&str>) -> Result<Option<(String, Vec<u8>)>, AppError> {
    let Some(id) = id else { return Ok(None) };
    Ok(models::by_id(app.store().reader(), id).await?.map(|row| (row.id, row.bytes)))
}

async fn wallet_of(app: &App, customer: uuid::Uuid) -> Result<Option<WalletId>, AppError> {
    let customer = CustomerRef::Id(CustomerId::from_uuid(customer));
    Ok(customers::find(app, &customer).await?.map(|known| known.wallet))
}
