//! What a person decides about a case, and what follows from it; and the same for a decision that was wrong.

use kernel::{CaseId, CustomerId, Timestamp};
use serde::{Deserialize, Serialize};
use store::cold::risk::cases::{self as rows, Closing};
use store::cold::risk::{appeals, former, snoozes};
use store::{ConnectionTrait, DatabaseTransaction, Uuid};

use super::cases::{Case, Reason, get};
use super::decisions::{Decided, Decision, newest, shown_one};
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
/// How often one case is corrected.
pub const CORRECTIONS_MAX: usize = 20;
const DAY_SECONDS: i64 = 86_400;
/// In the audit log.
const DECIDED: &str = "case.decide";
const CORRECTED: &str = "case.correct";
/// Why, in the audit log, when whoever decided did not say.
const NO_NOTE: &str = "no reason given";

/// What a reviewer decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    pub decision: Decision,
    pub note: Option<String>,
    /// Whether the wallet may work again. When absent: yes if dismissed, no if confirmed.
    pub release: Option<bool>,
    /// Decisions about the case that they have seen: one that was made meanwhile is not corrected unseen. When absent:
    /// all.
    pub seen: Option<usize>,
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

impl audit::Actor for Author {
    fn audited(&self) -> &str {
        self.name()
    }
}

/// A person's decision through the API, the first one or a correction, with a row in the audit log. The same decision
/// again changes nothing.
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

/// The same in the console, with a reason.
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
    let (action, subject) = (action(ruling.seen.unwrap_or_default()), id.to_string());
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
        Box::pin(async move { rule(txn, id, (ruling, author), now).await })
    })
    .await?;
    if !done.replayed {
        if !done.value.is_restricted {
            app.inner.risk.standings.forget(done.value.wallet);
        }
        app.inner.risk.policy.expire();
        restrict::hurry(app, id, done.value.decisions.len()).await;
    }
    Ok(done)
}

async fn rule(
    txn: &DatabaseTransaction,
    id: CaseId,
    (ruling, author): (Ruling, Author),
    now: Timestamp,
) -> Result<Case, AppError> {
    let row = rows::locked(txn, id.uuid()).await?;
    let known = shown_one(txn, row.clone(), now).await?;
    check_seen(&ruling, &known.decisions)?;
    let Some(row) = row.filter(|_| known.decision != Some(ruling.decision)) else { return Ok(known) };
    check_limit(&known.decisions)?;
    decide_anew(txn, &row, (&ruling, &author), now).await?;
    let is_released = ruling.release.unwrap_or(ruling.decision == Decision::Dismissed);
    let nth = (known.decisions.len() + 1, now);
    if is_released {
        restrict::release(txn, &row, nth).await?;
    } else if ruling.decision == Decision::Confirmed {
        restrict::for_good(txn, &row, nth).await?;
    }
    if ruling.decision == Decision::Confirmed && (row.is_restricted || !is_released) {
        for other in appealed(txn, &row).await? {
            // Its hold ends with this one's, or gives way to the one that follows.
            rows::ended(txn, other.id, is_released.then_some(now.micros())).await?;
        }
    }
    if let Author::Key(_) = &author {
        note(txn, (&row, &ruling), &author, now).await?;
    }
    match ruling.decision {
        Decision::Dismissed => uphold(txn, (&row, is_released), &author, now).await?,
        Decision::Confirmed => turn_down(txn, &row, &author, now).await?,
    }
    shown_one(txn, rows::by_id(txn, row.id).await?, now).await
}

/// Nobody overrules somebody without having seen it.
fn check_seen(ruling: &Ruling, decisions: &[Decided]) -> Result<(), AppError> {
    if let Some(last) = decisions.last()
        && ruling.seen.is_some_and(|seen| seen != decisions.len())
    {
        let detail = format!(
            "the case was {} by {} meanwhile; look at it, and correct that if it is wrong",
            last.decision, last.by
        );
        return Err(AppError::Conflict { code: "case_decided", detail });
    }
    Ok(())
}

fn check_limit(decisions: &[Decided]) -> Result<(), AppError> {
    if decisions.len() > CORRECTIONS_MAX {
        let detail = format!(
            "the case was corrected {CORRECTIONS_MAX} times and stays as it is; hold or release the customer instead"
        );
        return Err(AppError::Conflict { code: "case_decided", detail });
    }
    Ok(())
}

/// Writes what counts from now on, keeps what was decided before, and silences or wakes what spoke.
async fn decide_anew(
    txn: &DatabaseTransaction,
    row: &rows::Model,
    (ruling, author): (&Ruling, &Author),
    now: Timestamp,
) -> Result<(), AppError> {
    if let Some(before) = newest(row)? {
        let number = former::of_cases(txn, [row.id]).await?.len() + 1;
        let kept = former::Model {
            case_id: row.id,
            number: i32::try_from(number).unwrap_or(i32::MAX),
            decision: before.decision.to_string(),
            note: before.note,
            decided_by: before.by,
            decided_at: before.at.micros(),
        };
        former::insert(txn, kept).await?;
    }
    let closing = Closing {
        decision: ruling.decision.to_string(),
        note: ruling.note.clone(),
        decided_by: author.name().to_owned(),
        at: now.micros(),
    };
    if !rows::close(txn, row, closing).await? {
        let detail = "somebody else has decided at this moment; look at the case again".to_owned();
        return Err(AppError::Conflict { code: "case_decided", detail });
    }
    match ruling.decision {
        Decision::Dismissed => snooze_all(txn, row, author.name(), now).await,
        Decision::Confirmed => Ok(snoozes::remove_because(txn, row.customer, &silenced_by(row.id)).await?),
    }
}

async fn note(
    txn: &DatabaseTransaction,
    (row, ruling): (&rows::Model, &Ruling),
    author: &Author,
    now: Timestamp,
) -> Result<(), AppError> {
    let noted = Noted {
        by: author,
        action: action(usize::from(row.decision.is_some())),
        subject: CaseId::from_uuid(row.id).to_string(),
        customer: Some(CustomerId::from_uuid(row.customer)),
        reason: ruling.note.as_deref().unwrap_or(NO_NOTE),
        before: row.decision.as_deref().unwrap_or(&row.state),
        after: ruling.decision.as_str(),
    };
    audit::note(txn, noted, now).await
}

fn action(decisions: usize) -> &'static str {
    if decisions == 0 { DECIDED } else { CORRECTED }
}

/// Where the customer wrote in this case about the hold of a confirmed one, a dismissal says that this one was wrong as
/// well, and so was what that one kept up. All stand for the same hold, which ends once.
async fn uphold(
    txn: &DatabaseTransaction,
    (row, is_released): (&rows::Model, bool),
    author: &Author,
    now: Timestamp,
) -> Result<(), AppError> {
    let ruling = Ruling {
        decision: Decision::Dismissed,
        note: Some(upheld_by(row.id)),
        release: Some(is_released),
        seen: None,
    };
    let others = appealed(txn, row).await?;
    decide_all(txn, &others, (&ruling, author), now).await?;
    for held in others.iter().filter(|other| is_released && other.is_restricted) {
        rows::ended(txn, held.id, Some(now.micros())).await?;
    }
    Ok(())
}

/// What a dismissal of this case has corrected as well, its confirmation corrects back.
async fn turn_down(
    txn: &DatabaseTransaction,
    row: &rows::Model,
    author: &Author,
    now: Timestamp,
) -> Result<(), AppError> {
    let because = format!("{} was confirmed after all", reason_of(row.id));
    let ruling = Ruling { decision: Decision::Confirmed, note: Some(because), release: None, seen: None };
    let upheld = upheld_by(row.id);
    let is_upheld =
        |other: &rows::Model| is_decided(other, Decision::Dismissed) && other.note.as_ref() == Some(&upheld);
    let others = behind(txn, row, is_upheld).await?;
    decide_all(txn, &others, (&ruling, author), now).await
}

/// The same of each, with its row in the audit log.
async fn decide_all(
    txn: &DatabaseTransaction,
    others: &[rows::Model],
    (ruling, author): (&Ruling, &Author),
    now: Timestamp,
) -> Result<(), AppError> {
    for other in others {
        decide_anew(txn, other, (ruling, author), now).await?;
        note(txn, (other, ruling), author, now).await?;
    }
    Ok(())
}

fn upheld_by(case: Uuid) -> String {
    format!("{} was dismissed, in which the customer wrote about this hold", reason_of(case))
}

fn is_decided(row: &rows::Model, decision: Decision) -> bool {
    row.decision.as_deref() == Some(decision.as_str())
}

/// Confirmed cases whose hold the customer wrote about in this one.
async fn appealed(db: &impl ConnectionTrait, row: &rows::Model) -> Result<Vec<rows::Model>, AppError> {
    behind(db, row, |other| is_decided(other, Decision::Confirmed)).await
}

/// Cases like this whose hold the customer wrote about in this one; and, where one of them was about the hold of another,
/// that other as well.
async fn behind(
    db: &impl ConnectionTrait,
    row: &rows::Model,
    is_meant: impl Fn(&rows::Model) -> bool,
) -> Result<Vec<rows::Model>, AppError> {
    let (mut found, mut looked_at): (Vec<rows::Model>, usize) = (Vec::new(), 0);
    let mut case = row.id;
    loop {
        for appeal in appeals::of_case(db, case).await? {
            let decided = rows::decided_by_hold(db, row.wallet, appeal.restriction).await?;
            let is_new =
                |other: &rows::Model| other.id != row.id && found.iter().all(|known| known.id != other.id);
            let new: Vec<rows::Model> =
                decided.into_iter().filter(|other| is_new(other) && is_meant(other)).collect();
            found.extend(new);
        }
        let Some(next) = found.get(looked_at) else { return Ok(found) };
        (case, looked_at) = (next.id, looked_at + 1);
    }
}

/// The same of the case of this id.
pub(super) async fn appealed_by(db: &impl ConnectionTrait, case: Uuid) -> Result<Vec<CaseId>, AppError> {
    let Some(row) = rows::by_id(db, case).await? else { return Ok(Vec::new()) };
    Ok(appealed(db, &row).await?.into_iter().map(|other| CaseId::from_uuid(other.id)).collect())
}

/// What spoke stays silent about this customer for a week, limits of speed as well: a person has looked.
async fn snooze_all(
    txn: &DatabaseTransaction,
    row: &rows::Model,
    author: &str,
    now: Timestamp,
) -> Result<(), AppError> {
    let reasons: Vec<Reason> = from_json(&row.reasons)?;
    let until = now.plus_seconds(SNOOZED_AFTER_DISMISSAL_DAYS * DAY_SECONDS).micros();
    let standing = snoozes::of_customer(txn, row.customer, now.micros()).await?;
    // Who silenced it for longer meant so.
    let lasts = |rule: &str| standing.iter().any(|other| other.rule == rule && other.until > until);
    let rules = reasons.into_iter().map(|reason| reason.name).filter(|name| can_be_snoozed(name));
    for rule in rules.filter(|rule| !lasts(rule)) {
        let snooze = snoozes::Model {
            customer: row.customer,
            rule,
            until,
            author: author.to_owned(),
            reason: silenced_by(row.id),
            created_at: now.micros(),
        };
        set_snooze(txn, snooze).await?;
    }
    Ok(())
}

fn silenced_by(case: Uuid) -> String {
    format!("{} was dismissed", reason_of(case))
}

fn reason_of(case: Uuid) -> String {
    format!("case {}", CaseId::from_uuid(case))
}

fn check(ruling: &Ruling) -> Result<(), AppError> {
    let mut checks = Checks::default();
    checks.optional_text("note", ruling.note.as_ref(), SENTENCE_MAX_CHARS);
    checks.done()
}
