//! Cases: what looked like abuse, with everything that made it look so, and what a person decided.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use kernel::{CaseId, Credits, CustomerId, Timestamp, WalletId};
use risk::detectors::Detector;
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::cold::risk::cases::{self as rows, CLOSED, CONFIRMED, Closing, DISMISSED, OPEN};
use store::cold::risk::{days, snoozes};
use store::{DatabaseTransaction, cold};

use super::{restrict, training};
use crate::about::from_json;
use crate::accounts::Session;
use crate::audit::{self, Act, Asked};
use crate::cold::{Route, once};
use crate::text::{Checks, SENTENCE_MAX_CHARS};
use crate::{App, AppError, Done, Keyed, Page, PageRequest, Principal, Scope};

pub use ::risk::score::Reason;

const DECIDE: Route = Route { name: "POST /v1/risk/cases/{id}/verdict", status: 200 };
/// What a person found to be in order does not come up again for so long.
pub const SNOOZED_AFTER_DISMISSAL_DAYS: i64 = 7;
const DAY_SECONDS: i64 = 86_400;
/// Cases that are ordered by what is at stake; there should never be so many.
const QUEUE_MAX: u64 = 1_000;
/// Days of a wallet that a case shows.
const EVIDENCE_DAYS: u64 = 30;
/// How far back the precision of rules looks, and over how many cases.
const PRECISION_DAYS: i64 = 90;
const PRECISION_MAX: u64 = 10_000;

/// States that a list can be narrowed to.
pub const STATES: [&str; 2] = [OPEN, CLOSED];

/// What a person found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is abuse.
    Confirmed,
    /// It is not.
    Dismissed,
}

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
    pub model: Option<String>,
    /// Version of the settings that judged.
    pub settings: i64,
    /// What the wallet could still spend at that moment.
    pub at_risk: Credits,
    pub is_restricted: bool,
    /// When the restriction ends by itself; `None` without one, or when only a person ends it.
    pub restricted_until: Option<Timestamp>,
    /// How the customer may lift it: `verify_mail`, `confirm_card`, `wait` or `review`.
    pub step_up: String,
    pub opened_at: Timestamp,
    /// When the score was highest.
    pub seen_at: Timestamp,
    pub decision: Option<Decision>,
    pub note: Option<String>,
    pub decided_by: Option<String>,
    pub closed_at: Option<Timestamp>,
    /// What the customer has to say.
    pub appeal: Option<String>,
    pub appealed_at: Option<Timestamp>,
}

/// One day of a wallet, for charts.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// Its first instant, UTC.
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
}

/// What a reviewer decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    pub decision: Decision,
    pub note: Option<String>,
    /// Whether the wallet may work again. When absent: yes if dismissed, no if confirmed.
    pub release: Option<bool>,
}

/// How often reviewers agreed with one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precision {
    /// A rule's name, `velocity`, `unusual`, or `all`.
    pub rule: String,
    pub confirmed: u64,
    pub dismissed: u64,
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
    let data = page.data.into_iter().map(case).collect::<Result<_, _>>()?;
    Ok(Page { data, next_cursor: page.next_cursor })
}

/// What is open, by score × credits at risk; those who appealed first.
pub async fn queue(app: &App, by: &Principal, limit: usize) -> Result<Vec<Case>, AppError> {
    by.require(Scope::Admin)?;
    let open = rows::all_open(app.store().reader(), QUEUE_MAX).await?;
    let mut open = open.into_iter().map(case).collect::<Result<Vec<_>, _>>()?;
    open.sort_by(|a, b| {
        let order = (b.appeal.is_some()).cmp(&a.appeal.is_some());
        order.then(b.stake().total_cmp(&a.stake())).then(b.id.cmp(&a.id))
    });
    open.truncate(limit);
    Ok(open)
}

/// How many are open.
pub async fn open_count(app: &App, by: &Principal) -> Result<u64, AppError> {
    by.require(Scope::Admin)?;
    Ok(rows::count(app.store().reader(), OPEN).await?)
}

pub async fn get(app: &App, by: &Principal, id: CaseId) -> Result<Case, AppError> {
    by.require(Scope::Read)?;
    let row = rows::by_id(app.store().reader(), id.uuid()).await?;
    case(row.ok_or(AppError::not_found("case"))?)
}

/// A case with everything that a reviewer looks at.
pub async fn evidence(app: &App, by: &Principal, id: CaseId) -> Result<Evidence, AppError> {
    let case = get(app, by, id).await?;
    let (db, now) = (app.store().reader(), app.now());
    let customer = cold::customers::by_id(db, case.customer.uuid()).await?;
    let customer = customer.ok_or(AppError::not_found("customer"))?;
    let days = days_of(app, case.wallet).await?;
    let earlier = rows::of_wallet(db, case.wallet.uuid(), EVIDENCE_DAYS).await?;
    let earlier = earlier.into_iter().filter(|row| row.id != id.uuid()).map(self::case);
    let snoozed = snoozes::of_customer(db, case.customer.uuid(), now.micros()).await?;
    Ok(Evidence {
        customer_name: customer.name,
        customer_email: customer.email,
        days,
        earlier: earlier.collect::<Result<_, _>>()?,
        snoozed: snoozed.into_iter().map(super::exceptions::snooze).collect(),
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
    let found = found.into_iter().map(case).collect::<Result<_, _>>()?;
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

/// A person's decision through the API.
pub async fn decide(
    app: &App,
    by: &Principal,
    id: CaseId,
    ruling: Ruling,
    keyed: Option<&Keyed>,
) -> Result<Done<Case>, AppError> {
    by.require(Scope::Admin)?;
    check(&ruling)?;
    decided(app, by, id, (ruling, by.owner.clone()), keyed).await
}

/// A person's decision in the console, with a reason and a row in the audit log.
pub async fn review(
    app: &App,
    by: &Session,
    id: CaseId,
    act: &Act,
    ruling: Ruling,
) -> Result<Case, AppError> {
    check(&ruling)?;
    let principal = by.user.principal();
    let customer = get(app, &principal, id).await?.customer;
    let (action, subject) = ("case.decide", id.to_string());
    let input = ruling.clone();
    let asked = Asked { by, act, action, subject, customer: Some(customer), input };
    let state = || async {
        let case = get(app, &principal, id).await?;
        crate::about::to_json(&(case.is_open, case.decision, case.is_restricted))
    };
    let work = async |keyed: Keyed| {
        let author = by.user.email.clone();
        Ok(decided(app, &principal, id, (ruling, author), Some(&keyed)).await?.value)
    };
    audit::audited(app, asked, state, work).await
}

async fn decided(
    app: &App,
    by: &Principal,
    id: CaseId,
    (ruling, author): (Ruling, String),
    keyed: Option<&Keyed>,
) -> Result<Done<Case>, AppError> {
    let now = app.now();
    let done = once(app, by, DECIDE, keyed, |txn| {
        let (ruling, author) = (ruling.clone(), author.clone());
        Box::pin(async move { close(txn, id, ruling, author, now).await })
    })
    .await?;
    if !done.replayed {
        if !done.value.is_restricted {
            app.inner.risk.standings.forget(done.value.wallet);
        }
        app.inner.risk.policy.expire();
        restrict::hurry(app, id).await;
    }
    Ok(done)
}

async fn close(
    txn: &DatabaseTransaction,
    id: CaseId,
    ruling: Ruling,
    author: String,
    now: Timestamp,
) -> Result<Case, AppError> {
    let row = rows::by_id(txn, id.uuid()).await?.ok_or(AppError::not_found("case"))?;
    let is_released = ruling.release.unwrap_or(ruling.decision == Decision::Dismissed);
    if is_released {
        restrict::release(txn, &row, now).await?;
    } else if ruling.decision == Decision::Confirmed {
        restrict::for_good(txn, &row, now).await?;
    }
    let decision = ruling.decision.to_string();
    let closing = Closing { decision, note: ruling.note, decided_by: author.clone(), at: now.micros() };
    if !rows::close(txn, id.uuid(), closing).await? {
        let detail = "the case is closed; a decision is not changed, what follows from it can be".to_owned();
        return Err(AppError::Conflict { code: "case_closed", detail });
    }
    if ruling.decision == Decision::Dismissed {
        snooze_all(txn, &row, &author, now).await?;
    }
    case(rows::by_id(txn, id.uuid()).await?.ok_or(AppError::not_found("case"))?)
}

/// The rules that spoke stay silent about this customer for a week: a person has looked.
async fn snooze_all(
    txn: &DatabaseTransaction,
    row: &rows::Model,
    author: &str,
    now: Timestamp,
) -> Result<(), AppError> {
    let reasons: Vec<Reason> = from_json(&row.reasons)?;
    for rule in reasons.iter().filter_map(|reason| Detector::by_name(&reason.name)) {
        let snooze = snoozes::Model {
            customer: row.customer,
            rule: rule.name().to_owned(),
            until: now.plus_seconds(SNOOZED_AFTER_DISMISSAL_DAYS * DAY_SECONDS).micros(),
            author: author.to_owned(),
            reason: format!("case {} was dismissed", CaseId::from_uuid(row.id)),
            created_at: now.micros(),
        };
        snoozes::set(txn, snooze).await?;
    }
    Ok(())
}

/// How often reviewers agreed, by rule, over the last 90 days; `all` first.
pub async fn precision(app: &App, by: &Principal) -> Result<Vec<Precision>, AppError> {
    by.require(Scope::Admin)?;
    let since = app.now().plus_seconds(-PRECISION_DAYS * DAY_SECONDS).micros();
    let closed = rows::closed_since(app.store().reader(), since, PRECISION_MAX).await?;
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for row in &closed {
        let reasons: Vec<Reason> = from_json(&row.reasons)?;
        let names = reasons.into_iter().map(|reason| reason.name).chain([ALL.to_owned()]);
        for name in names {
            let count = found.entry(name).or_default();
            match row.decision.as_deref() {
                Some(CONFIRMED) => count.0 += 1,
                _ => count.1 += 1,
            }
        }
    }
    let rule = |(rule, (confirmed, dismissed))| Precision { rule, confirmed, dismissed };
    let mut rules: Vec<Precision> = found.into_iter().map(rule).collect();
    rules.sort_by_key(|precision| precision.rule != ALL);
    Ok(rules)
}

const ALL: &str = "all";

fn check(ruling: &Ruling) -> Result<(), AppError> {
    let mut checks = Checks::default();
    checks.optional_text("note", ruling.note.as_ref(), SENTENCE_MAX_CHARS);
    checks.done()
}

pub(super) fn case(row: rows::Model) -> Result<Case, AppError> {
    let at = Timestamp::from_micros_saturating;
    let decision = match row.decision.as_deref() {
        None => None,
        Some(text) => {
            Some(text.parse().map_err(|()| StoreError::Corrupt(format!("case {}: decision", row.id)))?)
        }
    };
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
        is_restricted: row.is_restricted,
        restricted_until: row.restricted_until.map(at),
        step_up: row.step_up,
        opened_at: at(row.opened_at),
        seen_at: at(row.seen_at),
        decision,
        note: row.note,
        decided_by: row.decided_by,
        closed_at: row.closed_at.map(at),
        appeal: row.appeal,
        appealed_at: row.appealed_at.map(at),
    })
}

impl Case {
    /// Score × credits: what a reviewer should look at first.
    #[allow(clippy::cast_precision_loss, reason = "an order, not an amount")]
    fn stake(&self) -> f64 {
        self.score * (self.at_risk.micros().max(0) as f64 + 1.0)
    }
}

impl Decision {
    const ALL: [Decision; 2] = [Decision::Confirmed, Decision::Dismissed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Decision::Confirmed => CONFIRMED,
            Decision::Dismissed => DISMISSED,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Decision {
    type Err = ();

    fn from_str(text: &str) -> Result<Decision, ()> {
        Decision::ALL.into_iter().find(|decision| decision.as_str() == text).ok_or(())
    }
}
