//! What follows from a verdict: a case, and for the strict ones a restriction. Everything that happens here can be
//! taken back, and nothing of it can make a call fail that would have gone through.

use kernel::{Credits, CustomerId, Timestamp, WalletId, new_uuid};
use risk::score::{Assessment, Reason, Verdict};
use risk::signal::Millis;
use risk::wallet::Wallet;
use store::StoreError;
use store::cold::customers;
use store::cold::risk::cases::{self, CONFIRMED, Sharper};

use super::intake::standing_now;
use super::policy::Policy;
use super::score::named;
use super::settings::{StepUp, Velocity};
use super::standing::Rest;
use super::{restrict, verdict_name, verdict_named};
use crate::about::to_json;
use crate::{App, AppError, wallets};

/// A moment of a wallet that somebody should look at.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub wallet: WalletId,
    pub at: Timestamp,
    pub score: f64,
    pub verdict: Verdict,
    pub assessment: Assessment,
    pub too_fast: Option<Reason>,
}

/// How fast a wallet spends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    /// Credits of the last hour.
    pub hour: f64,
    /// Of a usual hour; none before seven days of history.
    pub usual: Option<f64>,
}

pub(super) fn pace(wallet: &Wallet, now: Millis) -> Pace {
    Pace { hour: wallet.spent_hour(now), usual: wallet.usual_hour(now) }
}

/// Why the pace is beyond the limits, if it is.
pub(super) fn too_fast(limits: &Velocity, pace: Pace) -> Option<Reason> {
    let says = |sentence| Reason { name: "velocity".to_owned(), strength: 1.0, sentence };
    #[allow(clippy::cast_precision_loss, reason = "compared, never paid")]
    let number = |credits: Credits| credits.micros() as f64 / 1e6;
    if let Some(limit) = limits.credits_per_hour.filter(|limit| pace.hour > number(*limit)) {
        return Some(says(format!(
            "{:.0} credits within an hour, more than the limit of {limit}.",
            pace.hour
        )));
    }
    let (times, usual) = (limits.times_usual_hour?, pace.usual?);
    let is_beyond = pace.hour > number(limits.least_credits) && pace.hour > f64::from(times) * usual;
    is_beyond.then(|| {
        says(format!(
            "{:.0} credits within an hour, more than {times} times the usual {usual:.1} of this wallet.",
            pace.hour
        ))
    })
}

/// Looks at each; what fails is told to operators by the log and tried again at the wallet's next signal.
pub(super) async fn on_all(app: &App, candidates: Vec<Candidate>) {
    for candidate in candidates {
        let wallet = candidate.wallet;
        if let Err(error) = on(app, candidate).await {
            failed(app);
            tracing::error!(%wallet, %error, "a risk verdict could not be acted on");
            app.inner.risk.standings.forget(wallet);
        }
    }
}

/// Counted, and told to operators.
fn failed(app: &App) {
    metrics::counter!("scrip_risk_acts_failed_total").increment(1);
    app.inner.risk.trouble.act_failed(app.now());
}

async fn on(app: &App, candidate: Candidate) -> Result<(), AppError> {
    let policy = app.inner.risk.policy.get();
    let wallet = candidate.wallet;
    if policy.is_allowed(wallet) {
        return Ok(());
    }
    let Some(customer) = customers::by_wallet(app.store().reader(), wallet.uuid()).await? else {
        return Ok(());
    };
    let known = cases::of_wallet(app.store().reader(), wallet.uuid(), restrict::EARLIER_MAX).await?;
    if let Some(rest) = known.iter().find_map(|case| rest_of_confirmed(case, app.now())) {
        app.inner.risk.standings.rest(wallet, rest);
        return Ok(());
    }
    let case = write_case(app, &policy, &candidate, CustomerId::from_uuid(customer.id)).await?;
    if candidate.verdict >= Verdict::Restrict {
        hold(app, &policy, &case, candidate.too_fast.is_some()).await?;
    }
    Ok(())
}

/// A person has confirmed abuse: while that hold stands, and for a week after it, there is no new case.
fn rest_of_confirmed(case: &cases::Model, now: Timestamp) -> Option<Rest> {
    let rest = (case.decision.as_deref() == Some(CONFIRMED)).then(|| restrict::rest_of(case))?;
    rest.is_on(now, false).then_some(rest)
}

async fn hold(app: &App, policy: &Policy, case: &cases::Model, is_too_fast: bool) -> Result<(), AppError> {
    restrict::by_itself(app, &policy.settings, case, is_too_fast).await?;
    let now = cases::by_id(app.store().reader(), case.id).await?;
    let rest = restrict::rest_after_all(app, now.as_ref().unwrap_or(case)).await?;
    app.inner.risk.standings.rest(WalletId::from_uuid(case.wallet), rest);
    Ok(())
}

/// Opens a case, or sharpens the open one; answers it.
async fn write_case(
    app: &App,
    policy: &Policy,
    candidate: &Candidate,
    customer: CustomerId,
) -> Result<cases::Model, AppError> {
    let row = case_row(app, policy, candidate, customer).await?;
    let txn = app.store().write().await?;
    if cases::open(&txn, row.clone()).await? {
        metrics::counter!("scrip_risk_cases_total", "verdict" => verdict_name(candidate.verdict))
            .increment(1);
    } else if let Some(open) = cases::open_of(&txn, row.wallet).await?
        && let Some(sharper) = sharper(&open, &row, is_held_anew(app, &open, candidate))
    {
        cases::sharpen(&txn, &open, sharper).await?;
    }
    let case = cases::open_of(&txn, row.wallet).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(case.unwrap_or(row))
}

/// Another hold follows, for what is seen now.
fn is_held_anew(app: &App, open: &cases::Model, candidate: &Candidate) -> bool {
    let rests = restrict::rest_of(open).is_on(app.now(), candidate.too_fast.is_some());
    candidate.verdict >= Verdict::Restrict && open.holds > 0 && !rests
}

/// What a later look adds to the open case: it is stricter, or surer, or the reason of another hold. How a hold is
/// lifted stays as the customer was told.
fn sharper(open: &cases::Model, seen: &cases::Model, is_held_anew: bool) -> Option<Sharper> {
    let (before, now) = (verdict_named(&open.verdict), verdict_named(&seen.verdict));
    let is_sharper = now > before || (now == before && seen.score > open.score) || is_held_anew;
    let was_held = (open.is_restricted || open.holds > 0) && !is_held_anew;
    is_sharper.then(|| Sharper {
        verdict: verdict_name(before.max(now)).to_owned(),
        score: seen.score.max(open.score),
        reasons: seen.reasons.clone(),
        features: seen.features.clone(),
        model: seen.model.clone(),
        settings: seen.settings,
        at_risk: seen.at_risk,
        step_up: if was_held { open.step_up.clone() } else { seen.step_up.clone() },
        seen_at: seen.seen_at,
    })
}

async fn case_row(
    app: &App,
    policy: &Policy,
    candidate: &Candidate,
    customer: CustomerId,
) -> Result<cases::Model, AppError> {
    let wallet = wallets::current(app, candidate.wallet).await?;
    let at_risk = wallet.available.checked_add(wallet.held).unwrap_or(wallet.available);
    let mut reasons: Vec<Reason> = candidate.too_fast.iter().cloned().collect();
    reasons.extend(policy.reasons(candidate.wallet, &candidate.assessment));
    Ok(cases::Model {
        verdict: verdict_name(candidate.verdict).to_owned(),
        score: candidate.score,
        step_up: step_up(&reasons, policy.settings.step_up).as_str().to_owned(),
        reasons: to_json(&reasons)?,
        features: to_json(&named(&candidate.assessment.features))?,
        model: policy.models(),
        settings: policy.version,
        at_risk: at_risk.micros(),
        seen_at: candidate.at.micros(),
        ..cases::Model::opened(new_uuid(), (candidate.wallet.uuid(), customer.uuid()), app.now().micros())
    })
}

/// What money is about needs a card; too much speed needs time; the rest is as the settings say.
fn step_up(reasons: &[Reason], usual: StepUp) -> StepUp {
    match reasons.first().map(|reason| reason.name.as_str()) {
        Some("stolen_card" | "disputed") => StepUp::ConfirmCard,
        Some("velocity") => StepUp::Wait,
        _ => usual,
    }
}

/// Before new work of a wallet: a miss in memory for whoever is in order. When the verdict is strict and the
/// restriction does not stand in the journal yet, it is written first, so that the journal refuses this very
/// call. A failure lets the call through.
pub(crate) async fn before_work(app: &App, wallet: WalletId) {
    let Some(standing) = standing_now(app, wallet) else { return };
    if !standing.is_due(app.now()) {
        return;
    }
    let policy = app.inner.risk.policy.get();
    if policy.is_allowed(wallet) {
        return;
    }
    // Boxed, as every way is that few calls take: what a call might need is part of each call that waits.
    let done = Box::pin(async {
        let Some(case) = cases::open_of(app.store().reader(), wallet.uuid()).await? else { return Ok(()) };
        hold(app, &policy, &case, standing.is_too_fast).await
    });
    if let Err(error) = done.await {
        failed(app);
        tracing::error!(%wallet, %error, "a restriction could not be written; the call goes through");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn velocity_is_judged_against_the_wallets_own_hour_and_against_a_hard_limit() {
        let limits = Velocity {
            credits_per_hour: Some(Credits::whole(10_000)),
            times_usual_hour: Some(10),
            least_credits: Credits::whole(500),
        };
        for (hour, usual, is_fast) in [
            (9_999.0, None, false),
            (10_001.0, None, true),
            (499.0, Some(1.0), false),
            (501.0, Some(1.0), true),
            (501.0, Some(51.0), false),
        ] {
            let found = too_fast(&limits, Pace { hour, usual });
            assert_eq!(found.is_some(), is_fast, "{hour} {usual:?}");
        }
        assert_eq!(too_fast(&Velocity::default(), Pace { hour: 1e9, usual: Some(1.0) }), None);
    }
}
