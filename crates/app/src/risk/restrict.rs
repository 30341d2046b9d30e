//! From a case to the wallet's own state in the journal, and back. The case is written together with an order in
//! the outbox; who carries the order out may do so twice.

use jobs::Outcome;
use kernel::{CaseId, CustomerId, IdempotencyKey, Seq, Timestamp, new_uuid};
use ledger::StepUp;
use serde::{Deserialize, Serialize};
use store::cold::outbox;
use store::cold::risk::cases;
use store::{DatabaseTransaction, StoreError};
use uuid::Uuid;

use super::alerts;
use super::on_hold::step_up_of;
use super::settings::Settings;
use crate::about::{from_json, to_json};
use crate::restrictions::{self, Actor, NewRelease, NewRestriction};
use crate::{App, AppError, CustomerRef, Keyed, work};

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
    /// For a while.
    Hold,
    /// Until a person releases it.
    HoldForGood,
    Release,
}

/// Puts the wallet of a case on hold for the time that the settings say; once a case, so that whoever lifted it
/// is not held again for the same.
pub(super) async fn by_itself(app: &App, settings: &Settings, case: &cases::Model) -> Result<(), AppError> {
    if case.is_restricted || case.restricted_until.is_some() {
        return Ok(());
    }
    let (now, until) = (app.now(), app.now().plus_seconds(settings.restrict_minutes * 60));
    let txn = app.store().write().await?;
    if order(&txn, case, (Step::Hold, None), now).await? {
        cases::restricted(&txn, case.id, true, Some(until.micros())).await?;
        alerts::of_restriction(app, &txn, settings, (case, until)).await?;
    }
    txn.commit().await.map_err(StoreError::from)?;
    hurry(app, CaseId::from_uuid(case.id)).await;
    Ok(())
}

/// Keeps the wallet on hold until a person releases it.
pub(super) async fn for_good(
    txn: &DatabaseTransaction,
    case: &cases::Model,
    now: Timestamp,
) -> Result<(), AppError> {
    cases::restricted(txn, case.id, true, None).await?;
    order(txn, case, (Step::HoldForGood, None), now).await?;
    Ok(())
}

/// Lets the wallet work again.
pub(super) async fn release(
    txn: &DatabaseTransaction,
    case: &cases::Model,
    now: Timestamp,
) -> Result<(), AppError> {
    if case.is_restricted {
        cases::restricted(txn, case.id, false, case.restricted_until).await?;
        order(txn, case, (Step::Release, None), now).await?;
    }
    Ok(())
}

/// The customer did what the hold asked for; the case stays open for people.
pub(super) async fn lift_now(app: &App, case: &cases::Model, new: NewRelease) -> Result<(), AppError> {
    let txn = app.store().write().await?;
    let restriction = new.restriction;
    if case.is_restricted {
        let proof = restriction.map(|restriction| Proof { restriction, reason: new.reason });
        cases::restricted(&txn, case.id, false, case.restricted_until).await?;
        order(&txn, case, (Step::Release, proof), app.now()).await?;
    }
    txn.commit().await.map_err(StoreError::from)?;
    attempt(app, &key(case.id, Step::Release, restriction)).await;
    Ok(())
}

/// Writes the order once; false when it was given before.
async fn order(
    txn: &DatabaseTransaction,
    case: &cases::Model,
    (step, proof): (Step, Option<Proof>),
    now: Timestamp,
) -> Result<bool, AppError> {
    let key = key(case.id, step, proof.as_ref().map(|proof| proof.restriction));
    let payload = to_json(&Order { case: CaseId::from_uuid(case.id), step, proof })?;
    let work = outbox::Model::new(new_uuid(), key, RISK_ORDER, payload, now.micros());
    Ok(outbox::insert(txn, work).await?)
}

/// What a customer does ends one restriction and leaves the order of whoever decides about the case to be given.
fn key(case: Uuid, step: Step, restriction: Option<Seq>) -> String {
    let step = match step {
        Step::Hold => "hold",
        Step::HoldForGood => "hold_for_good",
        Step::Release => "release",
    };
    let of = restriction.map(|seq| format!(":{seq}")).unwrap_or_default();
    format!("risk:{}:{step}{of}", CaseId::from_uuid(case))
}

/// Carries out at once what was ordered about a case; what fails now is tried again by the worker.
pub(super) async fn hurry(app: &App, case: CaseId) {
    for step in [Step::Hold, Step::HoldForGood, Step::Release] {
        attempt(app, &key(case.uuid(), step, None)).await;
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
    let customer = CustomerRef::Id(CustomerId::from_uuid(case.customer));
    let keyed = Keyed::form(key_of(&work.key)?, &work.payload);
    let reason = format!("case {}", order.case);
    let done = match order.step {
        Step::Hold | Step::HoldForGood => {
            let until = case.restricted_until.filter(|_| order.step == Step::Hold);
            let new = NewRestriction {
                until: until.map(Timestamp::from_micros_saturating),
                step_up: if order.step == Step::Hold { step_up_of(&case) } else { StepUp::Review },
                reason,
            };
            restrictions::restrict(app, Actor::Risk, &customer, new, Some(&keyed)).await.map(|_| ())
        }
        Step::Release => {
            let (by, new) = match order.proof {
                Some(Proof { restriction, reason: done }) => {
                    let by = Actor::Customer(CustomerId::from_uuid(case.customer));
                    let reason = format!("{reason}: {done}");
                    (by, NewRelease { restriction: Some(restriction), reason })
                }
                None => (Actor::Risk, NewRelease { restriction: None, reason }),
            };
            restrictions::release(app, by, &customer, new, Some(&keyed)).await.map(|_| ())
        }
    };
    match done {
        Ok(()) => {}
        // A longer restriction stands, this one is over by now, or somebody has released the wallet already.
        Err(AppError::Refused(_)) => return Ok(Outcome::Ignored),
        Err(error) => return Err(error),
    }
    if order.step == Step::Release {
        alerts::to_the_released(app, &case).await?;
    }
    Ok(Outcome::Done)
}

fn key_of(text: &str) -> Result<IdempotencyKey, AppError> {
    IdempotencyKey::new(text).map_err(|e| StoreError::Corrupt(format!("outbox key {text}: {e}")).into())
}
