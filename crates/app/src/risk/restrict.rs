//! From a case to the wallet's own state in the journal, and back. The case is written together with an order in
//! the outbox; who carries the order out may do so twice.

use jobs::Outcome;
use kernel::{CaseId, CustomerId, IdempotencyKey, Seq, Timestamp, WalletId, new_uuid};
use ledger::StepUp;
use serde::{Deserialize, Serialize};
use store::cold::outbox;
use store::cold::risk::cases::{self, CONFIRMED};
use store::{DatabaseTransaction, StoreError};
use uuid::Uuid;

use super::alerts;
use super::on_hold::step_up_of;
use super::settings::Settings;
use super::standing::Rest;
use super::{Verdict, verdict_named};
use crate::about::{from_json, to_json};
use crate::restrictions::{self, Actor, Changed, NewRelease, NewRestriction};
use crate::{App, AppError, CustomerRef, Done, Keyed, work};

/// Kind of the orders in the outbox.
pub(crate) const RISK_ORDER: &str = "risk_order";

/// What is to become of a wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    case: CaseId,
    step: Step,
    /// What the customer did, when that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
}

/// A step that the hold asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Proof {
    /// The hold that it ends.
    restriction: Seq,
    reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// By the watch: for a while, or until somebody has looked.
    Hold,
    /// Until a person releases it.
    HoldForGood,
    Release,
}

/// In the keys of what decisions order.
const HOLD_FOR_GOOD: &str = "hold_for_good";
const RELEASE: &str = "release";

/// A hold that the customer or a person ended is not put up again for so long, and neither is there a new case after
/// a person has confirmed one and let the wallet go on.
pub(super) const LIFTED_REST_SECONDS: i64 = 7 * 86_400;
/// After a hold that ended by its time the rules leave the wallet so long to work in order, or to do what was asked.
const EXPIRED_REST_SECONDS: i64 = 3_600;
/// Earlier cases of a wallet that are looked at; each takes a person's decision.
pub(super) const EARLIER_MAX: u64 = 20;
/// Cases in one round of [`learn_holds`].
const LEARNT_AT_ONCE: u64 = 1_000;

/// When the watch may hold the wallet of a case (again).
pub(super) fn rest_of(case: &cases::Model) -> Rest {
    if let Some(until) = lifted_rest(case) {
        return Rest { speed: until, rules: until };
    }
    let was_held = case.is_restricted || case.holds > 0;
    match case.restricted_until {
        Some(until) if was_held => Rest { speed: until, rules: until + EXPIRED_REST_SECONDS * 1_000_000 },
        None if case.is_restricted => Rest { speed: i64::MAX, rules: i64::MAX },
        _ => Rest::default(),
    }
}

/// Until when the wallet rests because somebody ended the case's hold, or has confirmed the case and let the wallet go on.
fn lifted_rest(case: &cases::Model) -> Option<i64> {
    let confirmed = case.closed_at.filter(|_| case.decision.as_deref() == Some(CONFIRMED));
    let since = case.lifted_at.max(confirmed).filter(|_| !case.is_restricted)?;
    Some(since + LIFTED_REST_SECONDS * 1_000_000)
}

/// As [`rest_of`]; and who was let go on in an earlier case rests as long, whatever was decided about it.
pub(super) async fn rest_after_all(app: &App, case: &cases::Model) -> Result<Rest, AppError> {
    let known = cases::of_wallet(app.store().reader(), case.wallet, EARLIER_MAX).await?;
    let earlier = known.iter().filter(|other| other.id != case.id).filter_map(lifted_rest).max();
    let (own, until) = (rest_of(case), earlier.unwrap_or_default());
    Ok(Rest { speed: own.speed.max(until), rules: own.rules.max(until) })
}

/// Puts the wallet of a case on hold: for the time that the settings say, or, when the verdict is to block, until
/// somebody has looked. Not while it rests ([`rest_after_all`]); a block also takes the place of a hold that ends by itself.
pub(super) async fn by_itself(
    app: &App,
    settings: &Settings,
    case: &cases::Model,
    is_too_fast: bool,
) -> Result<(), AppError> {
    let now = app.now();
    let blocks = verdict_named(&case.verdict) == Verdict::Block;
    let escalates = blocks && case.is_restricted && case.restricted_until.is_some();
    if rest_after_all(app, case).await?.is_on(now, is_too_fast) && !escalates {
        return Ok(());
    }
    let until = (!blocks).then(|| now.plus_seconds(settings.restrict_minutes * 60));
    let step_up = if blocks { StepUp::Review } else { step_up_of(case) };
    let txn = app.store().write().await?;
    let number = case.holds + 1;
    if order(&txn, case, (Step::Hold, None), (&hold_key(case.id, number), now)).await? {
        if !cases::hold(&txn, case, (until.map(Timestamp::micros), step_up.as_str()), now.micros()).await? {
            // Decided meanwhile.
            return Ok(());
        }
        let held = cases::Model {
            holds: number,
            restricted_until: until.map(Timestamp::micros),
            step_up: step_up.as_str().to_owned(),
            ..case.clone()
        };
        alerts::of_restriction(app, &txn, settings, &held).await?;
    }
    txn.commit().await.map_err(StoreError::from)?;
    attempt(app, &hold_key(case.id, number)).await;
    Ok(())
}

/// Keeps the wallet on hold until a person releases it, by the decision of this number.
pub(super) async fn for_good(
    txn: &DatabaseTransaction,
    case: &cases::Model,
    (decision, now): (usize, Timestamp),
) -> Result<(), AppError> {
    cases::hold_for_good(txn, case.id).await?;
    order(txn, case, (Step::HoldForGood, None), (&decided_key(case.id, HOLD_FOR_GOOD, decision), now))
        .await?;
    Ok(())
}

/// Lets the wallet work again, if it is this case's hold that keeps it, by the decision of this number.
pub(super) async fn release(
    txn: &DatabaseTransaction,
    case: &cases::Model,
    (decision, now): (usize, Timestamp),
) -> Result<(), AppError> {
    if case.is_restricted {
        cases::ended(txn, case.id, Some(now.micros())).await?;
        order(txn, case, (Step::Release, None), (&decided_key(case.id, RELEASE, decision), now)).await?;
    }
    Ok(())
}

/// The customer did what the hold asked for; the case stays open for people.
pub(super) async fn lift_now(
    app: &App,
    case: &cases::Model,
    (restriction, reason): (Seq, String),
) -> Result<(), AppError> {
    let (key, now) = (key(case.id, &format!("release:{restriction}")), app.now());
    let txn = app.store().write().await?;
    if case.is_restricted {
        cases::ended(&txn, case.id, Some(now.micros())).await?;
        order(&txn, case, (Step::Release, Some(Proof { restriction, reason })), (&key, now)).await?;
    }
    txn.commit().await.map_err(StoreError::from)?;
    attempt(app, &key).await;
    Ok(())
}

/// Somebody ended a hold without its case: the case knows of it, so that the watch leaves the wallet alone.
pub(crate) async fn was_released(app: &App, wallet: WalletId, restriction: Seq) -> Result<(), AppError> {
    if let Some(case) = cases::of_hold(app.store().reader(), wallet.uuid(), restriction).await? {
        let txn = app.store().write().await?;
        cases::ended(&txn, case.id, Some(app.now().micros())).await?;
        txn.commit().await.map_err(StoreError::from)?;
    }
    Ok(())
}

/// Writes the order once; false when it was given before. What a customer does ends one restriction, and leaves the
/// order of whoever decides about the case to be given.
async fn order(
    txn: &DatabaseTransaction,
    case: &cases::Model,
    (step, proof): (Step, Option<Proof>),
    (key, now): (&str, Timestamp),
) -> Result<bool, AppError> {
    let payload = to_json(&Order { case: CaseId::from_uuid(case.id), step, proof })?;
    let work = outbox::Model::new(new_uuid(), key.to_owned(), RISK_ORDER, payload, now.micros());
    Ok(outbox::insert(txn, work).await?)
}

/// Each of the watch's holds has a number of its own.
fn hold_key(case: Uuid, number: i32) -> String {
    key(case, &format!("hold:{number}"))
}

/// Each decision about a case gives its own orders; the first one is 1.
fn decided_key(case: Uuid, what: &str, decision: usize) -> String {
    if decision == 1 { key(case, what) } else { key(case, &format!("{what}:decision:{decision}")) }
}

fn key(case: Uuid, what: &str) -> String {
    format!("risk:{}:{what}", CaseId::from_uuid(case))
}

/// Carries out at once what the decision of this number orders; what fails now is tried again by the worker.
pub(super) async fn hurry(app: &App, case: CaseId, decision: usize) {
    for what in [HOLD_FOR_GOOD, RELEASE] {
        attempt(app, &decided_key(case.uuid(), what, decision)).await;
    }
}

async fn attempt(app: &App, key: &str) {
    let found = outbox::by_key(app.store().reader(), key).await;
    let done = match found {
        Ok(Some(row)) if row.done_at.is_none() => work::attempt_outbox(app, row.id).await,
        Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = done {
        tracing::warn!(order = key, %error, "a risk order waits for the worker");
    }
    app.bells().mails.notify_one();
}

/// Does what was ordered.
pub(crate) async fn carry_out(app: &App, work: &outbox::Model) -> Result<Outcome, AppError> {
    let order: Order = from_json(&work.payload)?;
    let Some(case) = cases::by_id(app.store().reader(), order.case.uuid()).await? else {
        return Ok(Outcome::Failed { error: "there is no such case".to_owned() });
    };
    let keyed = Keyed::form(key_of(&work.key)?, &work.payload);
    match order.step {
        Step::Hold | Step::HoldForGood => hold(app, &case, order.step, &keyed).await,
        Step::Release => end(app, &case, order.proof, &keyed).await,
    }
}

/// Whoever decides meanwhile that the wallet goes on is right: then there is no hold, or it ends at once.
async fn hold(app: &App, case: &cases::Model, step: Step, keyed: &Keyed) -> Result<Outcome, AppError> {
    let is_decided = step == Step::Hold && case.decision.is_some();
    if !case.is_restricted || is_decided {
        return Ok(Outcome::Ignored);
    }
    let customer = customer_of(case);
    let until = case.restricted_until.filter(|_| step == Step::Hold);
    let new = NewRestriction {
        until: until.map(Timestamp::from_micros_saturating),
        step_up: if step == Step::Hold { step_up_of(case) } else { StepUp::Review },
        reason: reason_of(case),
    };
    let made = match restrictions::restrict(app, Actor::Risk, &customer, new, Some(keyed)).await {
        Ok(made) => made.value.seq,
        // A longer restriction stands, or this one is over by now: it is not this case's.
        Err(AppError::Refused(_)) => {
            cases::ended(app.store().writer(), case.id, None).await?;
            return Ok(Outcome::Ignored);
        }
        Err(error) => return Err(error),
    };
    if !cases::held_by(app.store().writer(), case.id, made).await? {
        let new = NewRelease { restriction: Some(made), reason: reason_of(case) };
        let _ = unless_over(restrictions::release(app, Actor::Risk, &customer, new, None).await)?;
    }
    Ok(Outcome::Done)
}

/// Exactly this case's hold: whoever put another one meanwhile meant it.
async fn end(
    app: &App,
    case: &cases::Model,
    proof: Option<Proof>,
    keyed: &Keyed,
) -> Result<Outcome, AppError> {
    let (by, restriction, reason) = match proof {
        Some(Proof { restriction, reason }) => {
            let by = Actor::Customer(CustomerId::from_uuid(case.customer));
            (by, Some(restriction), format!("{}: {reason}", reason_of(case)))
        }
        // Whoever decided meanwhile that the wallet stays on hold is right.
        None if case.is_restricted => return Ok(Outcome::Ignored),
        None => (Actor::Risk, hold_of(app, case).await?, reason_of(case)),
    };
    let Some(restriction) = restriction else { return Ok(Outcome::Ignored) };
    let new = NewRelease { restriction: Some(restriction), reason };
    if !unless_over(restrictions::release(app, by, &customer_of(case), new, Some(keyed)).await)? {
        return Ok(Outcome::Ignored);
    }
    alerts::to_the_released(app, case, restriction).await?;
    Ok(Outcome::Done)
}

/// The entry of the case's hold. Versions before this one did not write it into the case; then the hold that stands is
/// asked whose it is.
async fn hold_of(app: &App, case: &cases::Model) -> Result<Option<Seq>, AppError> {
    if case.restriction.is_some() {
        return Ok(case.restriction);
    }
    let stands = restrictions::by_risk(app, WalletId::from_uuid(case.wallet)).await?;
    Ok(stands.filter(|stands| stands.reason == reason_of(case)).map(|stands| stands.seq))
}

/// Cases that are held and do not know by which entry learn it, so that whoever ends the hold is noticed. They come from
/// processes of an earlier version, also of one that runs beside this one during an update.
pub(super) async fn learn_holds(app: &App) -> Result<(), AppError> {
    let (db, now) = (app.store().reader(), app.now().micros());
    for case in cases::held_without_entry(db, now, LEARNT_AT_ONCE).await? {
        if let Some(restriction) = hold_of(app, &case).await? {
            cases::held_by(app.store().writer(), case.id, restriction).await?;
        }
    }
    Ok(())
}

/// Whether it was ended now; it may be over, or somebody has released the wallet already.
fn unless_over(done: Result<Done<Changed>, AppError>) -> Result<bool, AppError> {
    match done {
        Ok(_) => Ok(true),
        Err(AppError::Refused(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn customer_of(case: &cases::Model) -> CustomerRef {
    CustomerRef::Id(CustomerId::from_uuid(case.customer))
}

fn reason_of(case: &cases::Model) -> String {
    format!("case {}", CaseId::from_uuid(case.id))
}

fn key_of(text: &str) -> Result<IdempotencyKey, AppError> {
    IdempotencyKey::new(text).map_err(|e| StoreError::Corrupt(format!("outbox key {text}: {e}")).into())
}
