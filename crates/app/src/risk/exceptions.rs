//! Rules that are snoozed for one customer, and customers that are never acted on. Both are scored as everybody.

use kernel::{CustomerId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::StoreError;
use store::cold::risk::{allowed, snoozes};

use super::settings::can_be_snoozed;
use crate::about::to_json;
use crate::accounts::Session;
use crate::audit::{Act, Asked, audited};
use crate::{App, AppError, Principal, Scope, customers};

/// Longest time that a rule may be silent about a customer.
pub const SNOOZE_DAYS_MAX: i64 = 365;
const DAY_SECONDS: i64 = 86_400;
const LISTED_MAX: u64 = 1_000;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub customer: CustomerId,
    pub author: String,
    pub reason: String,
    pub created_at: Timestamp,
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
    if !can_be_snoozed(rule) {
        return Err(AppError::invalid("rule", "is not a rule"));
    }
    if !(0..=SNOOZE_DAYS_MAX).contains(&days) {
        return Err(AppError::invalid("days", format!("must be 0 to {SNOOZE_DAYS_MAX}")));
    }
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
        if days == 0 {
            snoozes::remove(&txn, row.customer, &row.rule).await?;
        } else {
            snoozes::set(&txn, row).await?;
        }
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
        if is_allowed {
            allowed::add(&txn, row).await?;
        } else {
            allowed::remove(&txn, row.customer).await?;
        }
        Ok(txn.commit().await.map_err(StoreError::from)?)
    };
    let state =
        || async { to_json(&allow_list(app).await?.iter().any(|allowed| allowed.customer == customer)) };
    audited(app, asked, state, work).await?;
    app.inner.risk.policy.expire();
    Ok(())
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
    let rows = allowed::all(app.store().reader(), LISTED_MAX).await?;
    let shown = |row: allowed::Model| Allowed {
        customer: CustomerId::from_uuid(row.customer),
        author: row.author,
        reason: row.reason,
        created_at: Timestamp::from_micros_saturating(row.created_at),
    };
    Ok(rows.into_iter().map(shown).collect())
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
