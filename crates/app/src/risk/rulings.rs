//! What a person decides about a case, and what follows from it.

use std::fmt;
use std::str::FromStr;

use kernel::{CaseId, CustomerId, Timestamp};
use serde::{Deserialize, Serialize};
use store::DatabaseTransaction;
use store::cold::risk::cases::{self as rows, CONFIRMED, Closing, DISMISSED};
use store::cold::risk::snoozes;

use super::cases::{Case, Reason, case, get};
use super::exceptions::set_snooze;
use super::restrict;
use super::settings::can_be_snoozed;
use crate::about::from_json;
use crate::accounts::Session;
use crate::audit::{self, Act, Asked, Noted};
use crate::cold::{Route, once};
use crate::text::{Checks, SENTENCE_MAX_CHARS};
use crate::{App, AppError, Done, Keyed, Principal, Scope};

const DECIDE: Route = Route("POST /v1/risk/cases/{id}/verdict");
/// What a person found to be in order does not come up again for so long.
pub const SNOOZED_AFTER_DISMISSAL_DAYS: i64 = 7;
const DAY_SECONDS: i64 = 86_400;
/// In the audit log.
const DECIDED: &str = "case.decide";
/// Why, in the audit log, when whoever decided did not say.
const NO_NOTE: &str = "no reason given";

/// What a person found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is abuse.
    Confirmed,
    /// It is not.
    Dismissed,
}

/// What a reviewer decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    pub decision: Decision,
    pub note: Option<String>,
    /// Whether the wallet may work again. When absent: yes if dismissed, no if confirmed.
    pub release: Option<bool>,
}

/// Who decides.
#[derive(Clone)]
enum Author {
    /// Whoever has this key; what they do is written down here.
    Key(Principal),
    /// In the console, where it is written down already.
    Operator(String),
}

impl Author {
    fn name(&self) -> &str {
        match self {
            Author::Key(key) => &key.owner,
            Author::Operator(email) => email,
        }
    }
}

/// A person's decision through the API, with a row in the audit log.
pub async fn decide(
    app: &App,
    by: &Principal,
    id: CaseId,
    ruling: Ruling,
    keyed: Option<&Keyed>,
) -> Result<Done<Case>, AppError> {
    by.require(Scope::Admin)?;
    check(&ruling)?;
    decided(app, by, id, (ruling, Author::Key(by.clone())), keyed).await
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
    let (action, subject) = (DECIDED, id.to_string());
    let input = ruling.clone();
    let asked = Asked { by, act, action, subject, customer: Some(customer), input };
    let state = || async {
        let case = get(app, &principal, id).await?;
        crate::about::to_json(&(case.is_open, case.decision, case.is_restricted))
    };
    let work = async |keyed: Keyed| {
        let author = Author::Operator(by.user.email.clone());
        Ok(decided(app, &principal, id, (ruling, author), Some(&keyed)).await?.value)
    };
    audit::audited(app, asked, state, work).await
}

async fn decided(
    app: &App,
    by: &Principal,
    id: CaseId,
    (ruling, author): (Ruling, Author),
    keyed: Option<&Keyed>,
) -> Result<Done<Case>, AppError> {
    let now = app.now();
    let done = once(app, by, DECIDE, keyed, |txn| {
        let (ruling, author) = (ruling.clone(), author.clone());
        Box::pin(async move { close(txn, id, (ruling, author), now).await })
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
    (ruling, author): (Ruling, Author),
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
    if let Author::Key(by) = &author {
        let noted = Noted {
            by,
            action: DECIDED,
            subject: id.to_string(),
            customer: Some(CustomerId::from_uuid(row.customer)),
            reason: ruling.note.as_deref().unwrap_or(NO_NOTE),
            before: &row.state,
            after: &decision,
        };
        audit::note(txn, noted, now).await?;
    }
    let decided_by = author.name().to_owned();
    let closing = Closing { decision, note: ruling.note, decided_by, at: now.micros() };
    if !rows::close(txn, id.uuid(), closing).await? {
        let detail = "the case is closed; a decision is not changed, what follows from it can be".to_owned();
        return Err(AppError::Conflict { code: "case_closed", detail });
    }
    if ruling.decision == Decision::Dismissed {
        snooze_all(txn, &row, author.name(), now).await?;
    }
    case(rows::by_id(txn, id.uuid()).await?.ok_or(AppError::not_found("case"))?, now)
}

/// What spoke stays silent about this customer for a week, limits of speed as well: a person has looked.
async fn snooze_all(
    txn: &DatabaseTransaction,
    row: &rows::Model,
    author: &str,
    now: Timestamp,
) -> Result<(), AppError> {
    let reasons: Vec<Reason> = from_json(&row.reasons)?;
    for rule in reasons.into_iter().map(|reason| reason.name).filter(|name| can_be_snoozed(name)) {
        let snooze = snoozes::Model {
            customer: row.customer,
            rule,
            until: now.plus_seconds(SNOOZED_AFTER_DISMISSAL_DAYS * DAY_SECONDS).micros(),
            author: author.to_owned(),
            reason: format!("case {} was dismissed", CaseId::from_uuid(row.id)),
            created_at: now.micros(),
        };
        set_snooze(txn, snooze).await?;
    }
    Ok(())
}

fn check(ruling: &Ruling) -> Result<(), AppError> {
    let mut checks = Checks::default();
    checks.optional_text("note", ruling.note.as_ref(), SENTENCE_MAX_CHARS);
    checks.done()
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
