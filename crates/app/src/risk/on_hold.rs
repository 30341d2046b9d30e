//! The customer's side: why the wallet is on hold, what to do about it, and a word of their own.

use kernel::{CaseId, Timestamp};
use store::StoreError;
use store::cold::risk::cases;

use super::alerts;
use super::restrict;
use super::settings::StepUp;
use crate::accounts::{Session, User, send_step_up};
use crate::customers;
use crate::{App, AppError};

/// Of an appeal.
pub const APPEAL_MAX_CHARS: usize = 2_000;

/// What a customer on hold is told. No accusation, and no number that would teach how to get around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnHold {
    pub case: CaseId,
    /// Why, in plain words.
    pub why: &'static str,
    /// How it can be lifted without waiting for anybody.
    pub step_up: StepUp,
    /// When it ends by itself; `None`: when somebody has looked.
    pub until: Option<Timestamp>,
    /// What was said before.
    pub appeal: Option<String>,
    pub appealed_at: Option<Timestamp>,
}

/// What holds the wallet of the signed-in customer; `None` when nothing does.
pub async fn on_hold(app: &App, by: &Session) -> Result<Option<OnHold>, AppError> {
    let Some(case) = held(app, &by.user).await? else { return Ok(None) };
    Ok(Some(OnHold {
        case: CaseId::from_uuid(case.id),
        why: why(&case),
        step_up: step_up_of(&case),
        until: case.restricted_until.map(Timestamp::from_micros_saturating),
        appeal: case.appeal,
        appealed_at: case.appealed_at.map(Timestamp::from_micros_saturating),
    }))
}

/// Sends the mail whose link lifts the hold; once in ten minutes.
pub async fn send_link(app: &App, by: &Session) -> Result<(), AppError> {
    match held(app, &by.user).await? {
        Some(case) if step_up_of(&case) == StepUp::VerifyMail => send_step_up(app, by).await,
        _ => Err(AppError::Conflict {
            code: "no_step_up",
            detail: "nothing is on hold that a mail could lift".to_owned(),
        }),
    }
}

/// Tells operators what the customer has to say; once a case.
pub async fn appeal(app: &App, by: &Session, text: &str) -> Result<(), AppError> {
    let text = text.trim().replace("\r\n", "\n");
    let is_written = (1..=APPEAL_MAX_CHARS).contains(&text.chars().count())
        && !text.chars().any(|c| c.is_control() && c != '\n');
    if !is_written {
        return Err(AppError::invalid("text", "must have 1 to 2,000 characters"));
    }
    let nothing = || AppError::Conflict {
        code: "not_on_hold",
        detail: "nothing is on hold here, or you have written already".to_owned(),
    };
    let case = held(app, &by.user).await?.ok_or_else(nothing)?;
    let txn = app.store().write().await?;
    if !cases::appeal(&txn, case.id, &text, app.now().micros()).await? {
        return Err(nothing());
    }
    alerts::of_appeal(app, &txn, (&case, &by.user.email), &text).await?;
    txn.commit().await.map_err(StoreError::from)?;
    app.bells().mails.notify_one();
    Ok(())
}

/// The customer has proven the mail address once more: a hold that waits for that is over.
pub(crate) async fn mail_confirmed(app: &App, user: &User) -> Result<(), AppError> {
    stepped_up(app, user, StepUp::VerifyMail).await
}

async fn stepped_up(app: &App, user: &User, by: StepUp) -> Result<(), AppError> {
    let Some(case) = held(app, user).await? else { return Ok(()) };
    if step_up_of(&case) != by || case.decision.is_some() {
        return Ok(());
    }
    let txn = app.store().write().await?;
    restrict::release(&txn, &case, app.now()).await?;
    txn.commit().await.map_err(StoreError::from)?;
    restrict::hurry(app, CaseId::from_uuid(case.id)).await;
    Ok(())
}

/// The case that holds the wallet now.
async fn held(app: &App, user: &User) -> Result<Option<cases::Model>, AppError> {
    let Some(customer) = user.customer else { return Ok(None) };
    let wallet = customers::load(app, customer).await?.wallet;
    let newest = cases::of_wallet(app.store().reader(), wallet.uuid(), 1).await?.pop();
    let now = app.now().micros();
    let is_held =
        |case: &cases::Model| case.is_restricted && case.restricted_until.is_none_or(|until| now < until);
    Ok(newest.filter(is_held))
}

pub(super) fn step_up_of(case: &cases::Model) -> StepUp {
    case.step_up.parse().unwrap_or(StepUp::Review)
}

/// In words that accuse nobody, by what spoke first.
pub(super) fn why(case: &cases::Model) -> &'static str {
    let reasons: Vec<risk::score::Reason> = serde_json::from_str(&case.reasons).unwrap_or_default();
    match reasons.first().map(|reason| reason.name.as_str()) {
        Some("velocity" | "sudden_spike" | "burnt_at_renewal") => {
            "Your credits were used much faster than usual. We paused new work to make sure that it is you."
        }
        Some("account_sharing" | "changing_agents" | "in_step") => {
            "Your account was used from many places or programs at once. We paused new work to make sure that \
             nobody else has your keys."
        }
        Some("stolen_card" | "disputed") => "A payment needs to be confirmed before new work can begin.",
        Some("trial_farm") => {
            "We could not tell your trial apart from others that were started at the same place."
        }
        _ => "The way your account was used looks unusual to our automatic checks. They can be wrong.",
    }
}
