//! The customer's side: why the wallet is on hold, what to do about it, and what they can do themselves.

use std::collections::BTreeSet;

use gateways::PaymentSign;
use kernel::{CaseId, CustomerId, Timestamp, WalletId};
use store::cold::payment_signals;
use store::cold::risk::cases;

use super::appeals::{self, BY_HAND, Written};
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
    /// What was said of this hold, and what was answered.
    pub written: Option<Written>,
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
    let written = appeals::of_hold(app, standing.wallet, standing.made.seq).await?;
    Ok(Some(OnHold {
        case: standing.case.as_ref().map(|case| CaseId::from_uuid(case.id)),
        why: standing.case.as_ref().filter(|_| standing.made.actor == WATCH).map_or(PAUSED, why),
        step_up: standing.step_up,
        until: standing.until,
        written,
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
/// younger than the payment and no other card is still under suspicion.
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
    if !suspects(app, &standing).await?.is_empty() {
        return Ok(());
    }
    lift(app, &standing, format!("the bank confirmed the card of payment {}", sign.id)).await
}

/// How far back payments are under suspicion, and after a dispute, which comes weeks later.
const SUSPECT_DAYS: i64 = 7;
const DISPUTED_DAYS: i64 = 60;
/// Payments of a wallet that are looked through.
const PAYMENTS_MAX: u64 = 500;

/// Cards that paid before the hold and whose holder the bank has not recognised. Who pays with a stolen card can confirm
/// another one of their own, so that each has to be: those of the last week (after a dispute, of two months). Without
/// such a card it is the one that paid last, once more. Empty for who never paid.
async fn suspects(app: &App, standing: &Standing) -> Result<BTreeSet<i64>, AppError> {
    let paid = payment_signals::paid_by(app.store().reader(), standing.wallet.uuid(), PAYMENTS_MAX).await?;
    let held_at = standing.made.created_at.unix_seconds();
    let second = |row: &payment_signals::Model| row.occurred_at.div_euclid(1_000_000);
    let (since, before): (Vec<_>, Vec<_>) = paid.into_iter().partition(|row| second(row) >= held_at);
    let is_disputed = standing.case.as_ref().and_then(first_reason).as_deref() == Some("disputed");
    let days = if is_disputed { DISPUTED_DAYS } else { SUSPECT_DAYS };
    let (lately, last) = (held_at - days * 86_400, before.iter().find_map(|row| row.card));
    let recognised = |row: &&payment_signals::Model| row.is_authenticated;
    let known: BTreeSet<i64> = before.iter().filter(recognised).filter_map(|row| row.card).collect();
    let mut cards: BTreeSet<i64> =
        before.iter().filter(|row| second(row) >= lately).filter_map(|row| row.card).collect();
    cards.retain(|card| !known.contains(card));
    if cards.is_empty() {
        cards.extend(last);
    }
    for confirmed in since.iter().filter(|row| row.is_authenticated) {
        cards.retain(|card| Some(*card) != confirmed.card);
    }
    Ok(cards)
}

/// Ends exactly this restriction: whoever put another meanwhile meant it.
async fn lift(app: &App, standing: &Standing, reason: String) -> Result<(), AppError> {
    let made = &standing.made;
    if let Some(case) = standing.case.as_ref().filter(|case| case.decision.is_none()) {
        return restrict::lift_now(app, case, (made.seq, reason)).await;
    }
    let new = NewRelease { restriction: Some(made.seq), reason };
    let customer = CustomerRef::Id(made.customer);
    match restrictions::release(app, Actor::Customer(made.customer), &customer, new, None).await {
        Ok(_) | Err(AppError::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What holds the wallet now. Its case is the one that this very hold belongs to.
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
    let case = cases::of_hold(app.store().reader(), wallet.uuid(), restriction.seq).await?;
    Ok(Some(Standing { wallet, until: restriction.until, step_up: restriction.step_up, case, made }))
}

/// As the journal names who restricted by the watch's order.
const WATCH: &str = "risk";

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
