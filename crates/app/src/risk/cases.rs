//! Cases: what looked like abuse, with everything that made it look so, and what a person decided.

use std::collections::BTreeMap;

use kernel::{CaseId, Credits, CustomerId, Timestamp, WalletId};
use serde::{Deserialize, Serialize};
use store::cold;
use store::cold::risk::cases::{self as rows, CLOSED, OPEN};
use store::cold::risk::{days, snoozes};

use super::appeals::{self, Written};
use super::decisions::{newest, shown, shown_one};
use super::{rulings, training};
use crate::about::from_json;
use crate::{App, AppError, Page, PageRequest, Principal, Scope};

pub use super::decisions::{Decided, Decision};
pub use super::precision::{Precision, precision};
pub use super::rulings::{CORRECTIONS_MAX, Ruling, SNOOZED_AFTER_DISMISSAL_DAYS, decide, review};
pub use ::risk::score::Reason;

const DAY_SECONDS: i64 = 86_400;
/// Days of a wallet that a case shows.
const EVIDENCE_DAYS: u64 = 30;
const DECIDED_LATELY_DAYS: i64 = 30;

/// States that a list can be narrowed to.
pub const STATES: [&str; 2] = [OPEN, CLOSED];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub id: CaseId,
    pub customer: CustomerId,
    pub wallet: WalletId,
    pub is_open: bool,
    /// The strictest verdict so far: `review`, `restrict` or `block`.
    pub verdict: String,
    /// The highest score so far, 0 to 1.
    pub score: f64,
    /// The strongest first, at the highest score.
    pub reasons: Vec<Reason>,
    /// All features at that moment, by their names.
    pub features: BTreeMap<String, f64>,
    /// The models that spoke, joined by ` + `.
    pub model: Option<String>,
    /// Version of the settings that judged.
    pub settings: i64,
    /// What the wallet could still spend at that moment.
    pub at_risk: Credits,
    /// New work is on hold because of this case.
    pub is_restricted: bool,
    /// When the last restriction ends or ended by itself; `None` without one, or when only a person ends it.
    pub restricted_until: Option<Timestamp>,
    /// How often the watch put the customer on hold because of this case.
    #[serde(default)]
    pub holds: u32,
    /// When a person or the customer ended the last restriction.
    #[serde(default)]
    pub lifted_at: Option<Timestamp>,
    /// How the customer may lift it: `verify_mail`, `confirm_card`, `wait` or `review`.
    pub step_up: String,
    pub opened_at: Timestamp,
    /// When the score was highest.
    pub seen_at: Timestamp,
    pub decision: Option<Decision>,
    pub note: Option<String>,
    pub decided_by: Option<String>,
    /// When it was decided last.
    pub closed_at: Option<Timestamp>,
    /// All decisions, the oldest first; the last one counts.
    #[serde(default)]
    pub decisions: Vec<Decided>,
    /// What the customer said last.
    pub appeal: Option<String>,
    pub appealed_at: Option<Timestamp>,
}

/// One day of a wallet, for charts.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// Midnight (UTC) of its date. It ends with the night's work after it.
    pub day: Timestamp,
    pub score: f64,
    /// By their names, at the last use of the day.
    pub features: BTreeMap<String, f64>,
}

/// A case with what a reviewer looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    pub case: Case,
    pub customer_name: String,
    pub customer_email: String,
    /// Days with use, the newest first.
    pub days: Vec<Day>,
    /// Other cases of the wallet, the newest first.
    pub earlier: Vec<Case>,
    pub snoozed: Vec<super::exceptions::Snooze>,
    /// What the customer wrote, the newest first, and what was answered.
    pub appeals: Vec<Written>,
    /// Confirmed cases whose hold the customer wrote about in this one: a dismissal corrects them.
    pub appealed: Vec<CaseId>,
}

/// Newest first.
pub async fn list(
    app: &App,
    by: &Principal,
    state: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Case>, AppError> {
    by.require(Scope::Read)?;
    if state.is_some_and(|state| !STATES.contains(&state)) {
        return Err(AppError::invalid("state", format!("must be one of {}", STATES.join(", "))));
    }
    let limit = page.limit()?;
    let before = page.after(|cursor| cursor.parse::<CaseId>().ok())?;
    let found = rows::page(app.store().reader(), state, before.map(CaseId::uuid), limit + 1).await?;
    let page = Page::cut(found, limit, |row| CaseId::from_uuid(row.id).to_string());
    let data = shown(app.store().reader(), page.data, app.now()).await?;
    Ok(Page { data, next_cursor: page.next_cursor })
}

/// What is open, by score × credits at risk; those who appealed first.
pub async fn queue(app: &App, by: &Principal, limit: u64) -> Result<Vec<Case>, AppError> {
    by.require(Scope::Admin)?;
    let open = rows::queue(app.store().reader(), limit).await?;
    shown(app.store().reader(), open, app.now()).await
}

/// Decided in the last 30 days, the newest decision first: what may have to be corrected.
pub async fn decided_lately(app: &App, by: &Principal, limit: u64) -> Result<Vec<Case>, AppError> {
    by.require(Scope::Admin)?;
    let since = app.now().plus_seconds(-DECIDED_LATELY_DAYS * DAY_SECONDS).micros();
    let closed = rows::closed_since(app.store().reader(), since, limit).await?;
    shown(app.store().reader(), closed, app.now()).await
}

/// How many are open.
pub async fn open_count(app: &App, by: &Principal) -> Result<u64, AppError> {
    by.require(Scope::Admin)?;
    Ok(rows::count(app.store().reader(), OPEN).await?)
}

pub async fn get(app: &App, by: &Principal, id: CaseId) -> Result<Case, AppError> {
    by.require(Scope::Read)?;
    let row = rows::by_id(app.store().reader(), id.uuid()).await?;
    shown_one(app.store().reader(), row, app.now()).await
}

/// A case with everything that a reviewer looks at.
pub async fn evidence(app: &App, by: &Principal, id: CaseId) -> Result<Evidence, AppError> {
    let case = get(app, by, id).await?;
    let (db, now) = (app.store().reader(), app.now());
    let customer = cold::customers::by_id(db, case.customer.uuid()).await?;
    let customer = customer.ok_or(AppError::not_found("customer"))?;
    let days = days_of(app, case.wallet).await?;
    let earlier = rows::of_wallet(db, case.wallet.uuid(), EVIDENCE_DAYS).await?;
    let earlier = earlier.into_iter().filter(|row| row.id != id.uuid()).collect();
    let snoozed = snoozes::of_customer(db, case.customer.uuid(), now.micros()).await?;
    Ok(Evidence {
        customer_name: customer.name,
        customer_email: customer.email,
        days,
        earlier: shown(db, earlier, now).await?,
        appealed: rulings::appealed_by(db, id.uuid()).await?,
        snoozed: snoozed.into_iter().map(super::exceptions::snooze).collect(),
        appeals: appeals::of_case(app, id).await?,
        case,
    })
}

/// All cases of a customer, the newest first, and the last days of the wallet: the customer's risk panel.
pub async fn of_customer(
    app: &App,
    by: &Principal,
    customer: CustomerId,
) -> Result<(Vec<Case>, Vec<Day>), AppError> {
    by.require(Scope::Admin)?;
    let wallet = crate::customers::load(app, customer).await?.wallet;
    let found = rows::of_wallet(app.store().reader(), wallet.uuid(), EVIDENCE_DAYS).await?;
    let found = shown(app.store().reader(), found, app.now()).await?;
    Ok((found, days_of(app, wallet).await?))
}

async fn days_of(app: &App, wallet: WalletId) -> Result<Vec<Day>, AppError> {
    let days = days::of_wallet(app.store().reader(), wallet.uuid(), EVIDENCE_DAYS).await?;
    let shown = |row: days::Model| {
        let features = training::row_of(&row.features)?;
        Some(Day {
            day: Timestamp::EPOCH.plus_seconds(row.day * DAY_SECONDS),
            score: row.score,
            features: ::risk::features::NAMES.map(str::to_owned).into_iter().zip(features).collect(),
        })
    };
    Ok(days.into_iter().filter_map(shown).collect())
}

/// As of `now`: a hold that ended by its time is none.
pub(super) fn case(row: rows::Model, corrected: Vec<Decided>, now: Timestamp) -> Result<Case, AppError> {
    let at = Timestamp::from_micros_saturating;
    let is_over = row.restricted_until.is_some_and(|until| until <= now.micros());
    let decided = newest(&row)?;
    Ok(Case {
        id: CaseId::from_uuid(row.id),
        customer: CustomerId::from_uuid(row.customer),
        wallet: WalletId::from_uuid(row.wallet),
        is_open: row.state == OPEN,
        verdict: row.verdict,
        score: row.score,
        reasons: from_json(&row.reasons)?,
        features: from_json(&row.features)?,
        model: row.model,
        settings: row.settings,
        at_risk: Credits::from_micros(row.at_risk),
        is_restricted: row.is_restricted && !is_over,
        restricted_until: row.restricted_until.map(at),
        holds: u32::try_from(row.holds).unwrap_or_default(),
        lifted_at: row.lifted_at.map(at),
        step_up: row.step_up,
        opened_at: at(row.opened_at),
        seen_at: at(row.seen_at),
        decision: decided.as_ref().map(|decided| decided.decision),
        decisions: corrected.into_iter().chain(decided).collect(),
        note: row.note,
        decided_by: row.decided_by,
        closed_at: row.closed_at.map(at),
        appeal: row.appeal,
        appealed_at: row.appealed_at.map(at),
    })
}
