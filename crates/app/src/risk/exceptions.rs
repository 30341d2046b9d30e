//! Rules that are snoozed for one customer, and customers that are never acted on. Both are scored as everybody.

use kernel::{CustomerId, Timestamp};
use risk::detectors::Detector;
use risk::training::REVIEWERS;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::cold::risk::{allowed, snoozes};
use store::{DatabaseTransaction, StoreError};

use super::policy::{EXCEPTIONS_MAX, EXCEPTIONS_READ};
use super::settings::{VELOCITY, can_be_snoozed};
use crate::about::to_json;
use crate::accounts::Session;
use crate::audit::{self, Act, Asked, Noted, audited};
use crate::cold::{Route, once};
use crate::text::{Checks, SENTENCE_MAX_CHARS};
use crate::{App, AppError, CustomerRef, Done, Keyed, Principal, Scope, customers};

/// Longest time that a rule may be silent about a customer.
pub const SNOOZE_DAYS_MAX: i64 = 365;
const DAY_SECONDS: i64 = 86_400;
const SNOOZE: Route = Route("POST /v1/risk/snoozes");
const ALLOW: Route = Route("POST /v1/risk/allowances");

/// A rule that does not count for one customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snooze {
    pub customer: CustomerId,
    pub rule: String,
    /// Exclusive.
    pub until: Timestamp,
    pub author: String,
    pub reason: String,
    pub created_at: Timestamp,
}

/// A customer that is never acted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    pub customer: CustomerId,
    pub author: String,
    pub reason: String,
    pub created_at: Timestamp,
}

/// What sets a customer apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exceptions {
    pub customer: CustomerId,
    pub allowed: Option<Allowed>,
    /// Those that are silent now.
    pub snoozes: Vec<Snooze>,
}

/// What the merchant's program changes about a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Silences a rule for 1 to [`SNOOZE_DAYS_MAX`] days; 0 ends it.
    Snooze {
        rule: String,
        days: i64,
    },
    Allow {
        is_allowed: bool,
    },
}

/// What can be silenced for one customer.
pub fn rules() -> impl Iterator<Item = &'static str> {
    Detector::ALL.into_iter().map(Detector::name).chain([REVIEWERS, VELOCITY])
}

/// Silences a rule about a customer for some days, 1 to [`SNOOZE_DAYS_MAX`]; 0 ends it. The act's reason is
/// kept.
pub async fn snooze_rule(
    app: &App,
    by: &Session,
    customer: CustomerId,
    act: &Act,
    (rule, days): (&str, i64),
) -> Result<(), AppError> {
    check_snooze(rule, days)?;
    customers::load(app, customer).await?;
    let now = app.now();
    let row = snoozes::Model {
        customer: customer.uuid(),
        rule: rule.to_owned(),
        until: now.plus_seconds(days * DAY_SECONDS).micros(),
        author: by.user.email.clone(),
        reason: act.reason.trim().to_owned(),
        created_at: now.micros(),
    };
    let input = json!({ "rule": rule, "days": days });
    let asked = asked(by, act, "risk.snooze", customer, input);
    let work = async |_| {
        let txn = app.store().write().await?;
        set_snooze(&txn, row).await?;
        Ok(txn.commit().await.map_err(StoreError::from)?)
    };
    audited(app, asked, || silent(app, customer), work).await?;
    app.inner.risk.policy.expire();
    Ok(())
}

/// Puts a customer on the list of those who are never acted on, or takes them off it.
pub async fn allow(
    app: &App,
    by: &Session,
    customer: CustomerId,
    act: &Act,
    is_allowed: bool,
) -> Result<(), AppError> {
    customers::load(app, customer).await?;
    let row = allowed::Model {
        customer: customer.uuid(),
        author: by.user.email.clone(),
        reason: act.reason.trim().to_owned(),
        created_at: app.now().micros(),
    };
    let asked = asked(by, act, "risk.allow", customer, json!({ "allowed": is_allowed }));
    let work = async |_| {
        let txn = app.store().write().await?;
        set_allowed(&txn, row, is_allowed).await?;
        Ok(txn.commit().await.map_err(StoreError::from)?)
    };
    let state =
        || async { to_json(&allowed::by_customer(app.store().reader(), customer.uuid()).await?.is_some()) };
    audited(app, asked, state, work).await?;
    app.inner.risk.policy.expire();
    Ok(())
}

/// A change by the merchant's program, with its row in the audit log.
pub async fn change(
    app: &App,
    by: &Principal,
    customer: &CustomerRef,
    (change, reason): (Change, String),
    keyed: Option<&Keyed>,
) -> Result<Done<Exceptions>, AppError> {
    by.require(Scope::Admin)?;
    let mut checks = Checks::default();
    checks.text("reason", &reason, SENTENCE_MAX_CHARS);
    checks.done()?;
    let route = match &change {
        Change::Snooze { rule, days } => check_snooze(rule, *days).map(|()| SNOOZE)?,
        Change::Allow { .. } => ALLOW,
    };
    let customer = customers::in_body(app, by, customer).await?.id;
    let now = app.now();
    let done = once(app, by, route, keyed, |txn| {
        let (change, reason, by) = (change.clone(), reason.clone(), by.clone());
        Box::pin(async move { changed(txn, &by, customer, (change, reason), now).await })
    })
    .await?;
    app.inner.risk.policy.expire();
    Ok(done)
}

async fn changed(
    txn: &DatabaseTransaction,
    by: &Principal,
    customer: CustomerId,
    (change, reason): (Change, String),
    now: Timestamp,
) -> Result<Exceptions, AppError> {
    let before = read(txn, customer, now).await?;
    let (author, created_at, owner) = (by.owner.clone(), now.micros(), customer.uuid());
    let action = match change {
        Change::Snooze { rule, days } => {
            let until = now.plus_seconds(days * DAY_SECONDS).micros();
            let reason = reason.clone();
            set_snooze(txn, snoozes::Model { customer: owner, rule, until, author, reason, created_at })
                .await?;
            "risk.snooze"
        }
        Change::Allow { is_allowed } => {
            let row = allowed::Model { customer: owner, author, reason: reason.clone(), created_at };
            set_allowed(txn, row, is_allowed).await?;
            "risk.allow"
        }
    };
    let after = read(txn, customer, now).await?;
    let noted = Noted {
        by,
        action,
        subject: customer.to_string(),
        customer: Some(customer),
        reason: &reason,
        before: &before.in_words(),
        after: &after.in_words(),
    };
    audit::note(txn, noted, now).await?;
    Ok(after)
}

/// What sets a customer apart at this moment.
pub async fn of_customer(app: &App, by: &Principal, customer: &CustomerRef) -> Result<Exceptions, AppError> {
    by.require(Scope::Admin)?;
    let customer = customers::in_body(app, by, customer).await?.id;
    read(app.store().reader(), customer, app.now()).await
}

async fn read(
    db: &impl store::ConnectionTrait,
    customer: CustomerId,
    now: Timestamp,
) -> Result<Exceptions, AppError> {
    let silent = snoozes::of_customer(db, customer.uuid(), now.micros()).await?;
    let allowed = allowed::by_customer(db, customer.uuid()).await?.map(shown);
    Ok(Exceptions { customer, allowed, snoozes: silent.into_iter().map(snooze).collect() })
}

impl Exceptions {
    /// For the audit log.
    fn in_words(&self) -> String {
        let silent =
            self.snoozes.iter().map(|snooze| format!("{} is silent until {}", snooze.rule, snooze.until));
        let allowed = self.allowed.iter().map(|_| "never acted on".to_owned());
        let all: Vec<String> = allowed.chain(silent).collect();
        if all.is_empty() { "no exceptions".to_owned() } else { all.join("; ") }
    }
}

fn check_snooze(rule: &str, days: i64) -> Result<(), AppError> {
    if !can_be_snoozed(rule) {
        return Err(AppError::invalid("rule", "is not a rule"));
    }
    if !(0..=SNOOZE_DAYS_MAX).contains(&days) {
        return Err(AppError::invalid("days", format!("must be 0 to {SNOOZE_DAYS_MAX}")));
    }
    Ok(())
}

/// One that ends as it begins is none.
pub(super) async fn set_snooze(txn: &DatabaseTransaction, row: snoozes::Model) -> Result<(), AppError> {
    if row.until <= row.created_at {
        snoozes::remove(txn, row.customer, &row.rule).await?;
        return Ok(());
    }
    let others = snoozes::count_besides(txn, row.created_at, (row.customer, &row.rule)).await?;
    if others >= EXCEPTIONS_MAX {
        let full = format!(
            "{others} rules are silent about single customers, the most there can be; end one first, or turn the rule off in the settings"
        );
        return Err(AppError::invalid("rule", full));
    }
    Ok(snoozes::set(txn, row).await?)
}

async fn set_allowed(
    txn: &DatabaseTransaction,
    row: allowed::Model,
    is_allowed: bool,
) -> Result<(), AppError> {
    if !is_allowed {
        allowed::remove(txn, row.customer).await?;
        return Ok(());
    }
    let others = allowed::count_besides(txn, row.customer).await?;
    if others >= EXCEPTIONS_MAX {
        let full =
            format!("{others} customers are on the list, the most there can be; take one off it first");
        return Err(AppError::invalid("customer", full));
    }
    Ok(allowed::put(txn, row).await?)
}

/// Who is never acted on, the newest first.
pub async fn allowed_customers(app: &App, by: &Principal) -> Result<Vec<Allowed>, AppError> {
    by.require(Scope::Admin)?;
    allow_list(app).await
}

/// The rules that are silent about a customer now.
pub async fn snoozes_of(app: &App, by: &Principal, customer: CustomerId) -> Result<Vec<Snooze>, AppError> {
    by.require(Scope::Admin)?;
    let now = app.now().micros();
    let rows = snoozes::of_customer(app.store().reader(), customer.uuid(), now).await?;
    Ok(rows.into_iter().map(snooze).collect())
}

async fn allow_list(app: &App) -> Result<Vec<Allowed>, AppError> {
    let rows = allowed::all(app.store().reader(), EXCEPTIONS_READ).await?;
    Ok(rows.into_iter().map(shown).collect())
}

fn shown(row: allowed::Model) -> Allowed {
    Allowed {
        customer: CustomerId::from_uuid(row.customer),
        author: row.author,
        reason: row.reason,
        created_at: Timestamp::from_micros_saturating(row.created_at),
    }
}

/// For the audit log: the rules that are silent.
async fn silent(app: &App, customer: CustomerId) -> Result<String, AppError> {
    let now = app.now().micros();
    let rows = snoozes::of_customer(app.store().reader(), customer.uuid(), now).await?;
    to_json(&rows.into_iter().map(|row| row.rule).collect::<Vec<_>>())
}

fn asked<'a, I>(
    by: &'a Session,
    act: &'a Act,
    action: &'static str,
    customer: CustomerId,
    input: I,
) -> Asked<'a, I> {
    Asked { by, act, action, subject: customer.to_string(), customer: Some(customer), input }
}

pub(super) fn snooze(row: snoozes::Model) -> Snooze {
    Snooze {
        customer: CustomerId::from_uuid(row.customer),
        rule: row.rule,
        until: Timestamp::from_micros_saturating(row.until),
        author: row.author,
        reason: row.reason,
        created_at: Timestamp::from_micros_saturating(row.created_at),
    }
}
