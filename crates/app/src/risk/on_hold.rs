//! The customer's side: why the wallet is on hold, what to do about it, and what they can do themselves.

use gateways::PaymentSign;
use kernel::{CaseId, CustomerId, Timestamp, WalletId};
use store::cold::risk::cases;

use super::appeals::{self, Answer, BY_HAND};
use super::restrict;
use super::settings::StepUp;
use crate::accounts::{Session, User, send_step_up};
use crate::restrictions::{self, Actor, Changed, NewRelease};
use crate::{App, AppError, CustomerRef, Principal, customers};

/// What a customer on hold is told. No accusation, and no number that would teach how to get around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnHold {
    /// None when a person or the merchant's program put it, and the customer has not written.
    pub case: Option<CaseId>,
    /// Why, in plain words.
    pub why: &'static str,
    /// How it can be lifted without waiting for anybody.
    pub step_up: StepUp,
    /// When it ends by itself; `None`: when somebody has looked.
    pub until: Option<Timestamp>,
    /// What was said before.
    pub appeal: Option<String>,
    pub appealed_at: Option<Timestamp>,
    /// What was answered.
    pub answer: Option<Answer>,
}

/// The restriction in force and the case that belongs to it, if any.
pub(super) struct Standing {
    pub wallet: WalletId,
    pub made: Changed,
    pub until: Option<Timestamp>,
    pub step_up: StepUp,
    pub case: Option<cases::Model>,
}

/// What holds the wallet of the signed-in customer; `None` when nothing does.
pub async fn on_hold(app: &App, by: &Session) -> Result<Option<OnHold>, AppError> {
    let Some(standing) = standing(app, &by.user).await? else { return Ok(None) };
    let case = standing.case.as_ref().map(|case| CaseId::from_uuid(case.id));
    let answer = match case {
        Some(id) => appeals::answer_of(app, id).await?,
        None => None,
    };
    Ok(Some(OnHold {
        case,
        why: standing.case.as_ref().filter(|_| standing.made.actor == WATCH).map_or(PAUSED, why),
        step_up: standing.step_up,
        until: standing.until,
        appealed_at: standing
            .case
            .as_ref()
            .and_then(|case| case.appealed_at)
            .map(Timestamp::from_micros_saturating),
        appeal: standing.case.and_then(|case| case.appeal),
        answer,
    }))
}

/// Sends the mail whose link lifts the hold; once in ten minutes.
pub async fn send_link(app: &App, by: &Session) -> Result<(), AppError> {
    match standing(app, &by.user).await? {
        Some(standing) if standing.step_up == StepUp::VerifyMail => send_step_up(app, by).await,
        _ => Err(AppError::Conflict {
            code: "no_step_up",
            detail: "nothing is on hold that a mail could lift".to_owned(),
        }),
    }
}

/// The customer has proven the mail address, by a link that was mailed at `mailed_at`, or for the first time: a
/// hold that waits for that is over, if it is not younger than the link.
pub(crate) async fn mail_confirmed(
    app: &App,
    user: &User,
    mailed_at: Option<Timestamp>,
) -> Result<(), AppError> {
    let Some(standing) = standing(app, user).await? else { return Ok(()) };
    let is_younger = mailed_at.is_some_and(|at| at < standing.made.created_at);
    if standing.step_up == StepUp::VerifyMail && !is_younger {
        lift(app, &standing, "the mail address was proven".to_owned()).await?;
    }
    Ok(())
}

/// The bank has recognised the holder of the card that paid: a hold that waits for that is over, if it is not
/// younger than the payment. Which card it was does not matter: who steals one cannot answer its bank.
pub(crate) async fn card_confirmed(
    app: &App,
    customer: CustomerId,
    sign: &PaymentSign,
) -> Result<(), AppError> {
    let Some(standing) = standing_of(app, customer).await? else { return Ok(()) };
    // The gateway tells whole seconds.
    let is_younger = |at: Timestamp| at.unix_seconds() < standing.made.created_at.unix_seconds();
    if standing.step_up != StepUp::ConfirmCard || sign.at.is_none_or(is_younger) {
        return Ok(());
    }
    lift(app, &standing, format!("the bank confirmed the card of payment {}", sign.id)).await
}

/// Ends exactly this restriction: whoever put another meanwhile meant it.
async fn lift(app: &App, standing: &Standing, reason: String) -> Result<(), AppError> {
    let made = &standing.made;
    let new = NewRelease { restriction: Some(made.seq), reason };
    if let Some(case) = standing.case.as_ref().filter(|case| case.decision.is_none()) {
        return restrict::lift_now(app, case, new).await;
    }
    let customer = CustomerRef::Id(made.customer);
    match restrictions::release(app, Actor::Customer(made.customer), &customer, new, None).await {
        Ok(_) | Err(AppError::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What holds the wallet now. Its case is the one that the watch, or an appeal, made of it.
pub(super) async fn standing(app: &App, user: &User) -> Result<Option<Standing>, AppError> {
    match user.customer {
        Some(customer) => standing_of(app, customer).await,
        None => Ok(None),
    }
}

async fn standing_of(app: &App, customer: CustomerId) -> Result<Option<Standing>, AppError> {
    let wallet = customers::load(app, customer).await?.wallet;
    let made = restrictions::of(app, &Principal::system(), &CustomerRef::Id(customer)).await?;
    let Some((made, restriction)) = made.and_then(|made| made.restriction.map(|held| (made, held))) else {
        return Ok(None);
    };
    let newest = cases::of_wallet(app.store().reader(), wallet.uuid(), 1).await?.pop();
    // One that was open already when a person put the hold stands for it since the customer wrote.
    let was_written = |case: &cases::Model| case.appealed_at.is_some_and(|at| at >= made.created_at.micros());
    let is_of = |case: &cases::Model| {
        case.is_restricted && (made.actor == WATCH || is_by_hand(case) || was_written(case))
    };
    let case = newest.filter(is_of);
    Ok(Some(Standing { wallet, until: restriction.until, step_up: restriction.step_up, case, made }))
}

/// As the journal names who restricted by the watch's order.
const WATCH: &str = "risk";

fn is_by_hand(case: &cases::Model) -> bool {
    first_reason(case).as_deref() == Some(BY_HAND)
}

fn first_reason(case: &cases::Model) -> Option<String> {
    let reasons: Vec<risk::score::Reason> = serde_json::from_str(&case.reasons).unwrap_or_default();
    reasons.into_iter().next().map(|reason| reason.name)
}

pub(super) fn step_up_of(case: &cases::Model) -> StepUp {
    case.step_up.parse().unwrap_or(StepUp::Review)
}

const PAUSED: &str = "We paused new work on your account.";

/// In words that accuse nobody, by what spoke first.
pub(super) fn why(case: &cases::Model) -> &'static str {
    match first_reason(case).as_deref() {
        Some(BY_HAND) => PAUSED,
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
