//! What holds at this moment: the settings in force, the snoozed rules, those who are never acted on, and the
//! model. Read anew every few seconds, so that processes follow each other.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use kernel::{Timestamp, WalletId};
use risk::detectors::Detector;
use risk::model::Ensemble;
use risk::score::{Assessment, Counted, Reason};
use risk::stored::{model_from_bytes, taught_from_bytes};
use risk::training::{REVIEWERS, Taught};
use store::Uuid;
use store::cold::customers;
use store::cold::risk::{allowed, models, snoozes};

use super::models::{ENSEMBLE, FEEDBACK};
use super::settings::{Settings, VELOCITY};
use super::versions;
use crate::{App, AppError};

/// How long another process's change may go unnoticed.
pub const STALE_SECONDS: i64 = 5;
/// Snoozes that run, and customers on the allow-list: so many of each there can be.
pub(super) const EXCEPTIONS_MAX: u64 = 10_000;
/// So many of each are read: changes at one moment do not see each other and may pass the limit together.
pub(super) const EXCEPTIONS_READ: u64 = EXCEPTIONS_MAX + 100;

/// What counts: the named patterns, limits of speed, and what reviewers taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub patterns: Counted,
    pub speed: bool,
    pub reviewers: bool,
}

impl Default for Heard {
    fn default() -> Heard {
        Heard { patterns: Counted::ALL, speed: true, reviewers: true }
    }
}

impl Heard {
    /// Without one rule, by its name; a name that is no rule changes nothing.
    pub fn without(self, rule: &str) -> Heard {
        match (rule, Detector::by_name(rule)) {
            (VELOCITY, _) => Heard { speed: false, ..self },
            (REVIEWERS, _) => Heard { reviewers: false, ..self },
            (_, Some(pattern)) => Heard { patterns: self.patterns.without(pattern), ..self },
            (_, None) => self,
        }
    }

    fn and(self, other: Heard) -> Heard {
        Heard {
            patterns: self.patterns.and(other.patterns),
            speed: self.speed && other.speed,
            reviewers: self.reviewers && other.reviewers,
        }
    }
}

/// All that a verdict depends on besides the signals.
#[derive(Clone, Default)]
pub(super) struct Policy {
    pub version: i64,
    pub settings: Settings,
    heard: Heard,
    snoozed: HashMap<WalletId, Heard>,
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
    /// What counts for the wallet.
    fn heard(&self, wallet: WalletId) -> Heard {
        self.snoozed.get(&wallet).map_or(self.heard, |own| self.heard.and(*own))
    }

    /// Whether the limits of speed hold for the wallet.
    pub fn heeds_speed(&self, wallet: WalletId) -> bool {
        self.heard(wallet).speed
    }

    pub fn is_allowed(&self, wallet: WalletId) -> bool {
        self.allowed.contains(&wallet)
    }

    /// The score that counts: of the rules that do, with what reviewers taught.
    pub fn score(&self, wallet: WalletId, assessment: &Assessment) -> f64 {
        let heard = self.heard(wallet);
        let score = assessment.score_by(heard.patterns);
        match self.taught(heard) {
            Some(taught) => taught.blended(score, &assessment.features.vector()),
            None => score,
        }
    }

    /// Why: the patterns that count, and what reviewers taught when it adds to the score; the strongest first.
    pub fn reasons(&self, wallet: WalletId, assessment: &Assessment) -> Vec<Reason> {
        let heard = self.heard(wallet);
        let mut reasons = assessment.reasons_by(heard.patterns);
        let score = assessment.score_by(heard.patterns);
        let row = assessment.features.vector();
        reasons.extend(self.taught(heard).and_then(|taught| taught.reason(score, &row)));
        reasons.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        reasons
    }

    fn taught(&self, heard: Heard) -> Option<&Taught> {
        self.taught.as_ref().filter(|_| heard.reviewers).map(|(_, taught)| &**taught)
    }

    /// The models that speak, by their ids.
    pub fn models(&self) -> Option<String> {
        let ids = [self.model.as_ref().map(|(id, _)| id), self.taught.as_ref().map(|(id, _)| id)];
        let ids: Vec<&str> = ids.into_iter().flatten().map(String::as_str).collect();
        (!ids.is_empty()).then(|| ids.join(" + "))
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
        heard: newest.settings.heard(),
        settings: newest.settings,
        model: before.model.clone(),
        taught: before.taught.clone(),
        ..Policy::default()
    };
    let db = app.store().reader();
    let snoozed = snoozes::running(db, now.micros(), EXCEPTIONS_READ).await?;
    let allowed = allowed::all(db, EXCEPTIONS_READ).await?;
    let customers = snoozed.iter().map(|row| row.customer).chain(allowed.iter().map(|row| row.customer));
    let wallets = wallets_of(app, customers.collect()).await?;
    for row in snoozed {
        let Some(wallet) = wallets.get(&row.customer) else { continue };
        let heard = policy.snoozed.entry(*wallet).or_default();
        *heard = heard.without(&row.rule);
    }
    policy.allowed = allowed.iter().filter_map(|row| wallets.get(&row.customer).copied()).collect();
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

async fn wallets_of(app: &App, customers: Vec<Uuid>) -> Result<HashMap<Uuid, WalletId>, AppError> {
    let found = customers::wallets_of(app.store().reader(), customers).await?;
    Ok(found.into_iter().map(|(customer, wallet)| (customer, WalletId::from_uuid(wallet))).collect())
}
