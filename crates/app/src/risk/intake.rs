//! Signals into the state, and what their scores mean for the standing of a wallet.

use std::collections::HashMap;

use kernel::{Timestamp, WalletId};
use risk::record::{Place, Record};
use risk::score::{Assessment, Reason, Verdict};
use risk::signal::Signal;
use risk::watch::Watch;
use store::Uuid;

use super::act::{self, Candidate};
use super::follow::Ticker;
use super::policy::Policy;
use super::standing::{Rest, Standing};
use crate::aside::aside;
use crate::{App, AppError};

/// Signals that are taken in before others may look into the state.
const SIGNALS_AT_ONCE: usize = 256;
/// A case is written anew when its score has risen by this.
const STEP: f64 = 0.02;

/// Takes in what is older than `until`, in order; answers how many signals that were and who should be looked
/// at.
pub(super) async fn take_in(
    app: &App,
    ticker: &mut Ticker,
    until: i64,
) -> Result<(usize, Vec<Candidate>), AppError> {
    let (applied, candidates) = take_all(app, ticker, until, |_, _| true).await?;
    ticker.watermark = ticker.watermark.max(until);
    ticker.applied += applied as u64;
    Ok((applied, candidates))
}

/// Takes in again what is older than `until`, which was taken in before but for what came late: only wallets of which
/// something did are looked at.
pub(super) async fn take_in_again(
    app: &App,
    ticker: &mut Ticker,
    until: i64,
) -> Result<Vec<Candidate>, AppError> {
    let is_new = |ticker: &Ticker, place: &Place| {
        ticker.late_wallets.get(&place.wallet).is_some_and(|since| place.at >= *since)
    };
    Ok(take_all(app, ticker, until, is_new).await?.1)
}

/// Aside, since that is reckoning only: whoever is at a call goes first. A ticker that is lost on the way starts
/// anew from a snapshot.
async fn take_all(
    app: &App,
    ticker: &mut Ticker,
    until: i64,
    is_new: fn(&Ticker, &Place) -> bool,
) -> Result<(usize, Vec<Candidate>), AppError> {
    if ticker.pending.first_key_value().is_none_or(|(place, _)| place.at >= until) {
        return Ok((0, Vec::new()));
    }
    let (beside, mut taken) = (app.clone(), std::mem::take(ticker));
    let work = move || {
        let mut candidates = HashMap::new();
        let mut applied = 0;
        while take_some(&beside, &mut taken, until, is_new, &mut candidates, &mut applied) {}
        (taken, applied, candidates.into_values().collect())
    };
    let (given_back, applied, candidates) = aside("watch", work).await?;
    *ticker = given_back;
    Ok((applied, candidates))
}

/// False when there is no more.
fn take_some(
    app: &App,
    ticker: &mut Ticker,
    until: i64,
    is_new: fn(&Ticker, &Place) -> bool,
    candidates: &mut HashMap<WalletId, Candidate>,
    applied: &mut usize,
) -> bool {
    let mut watch = app.inner.risk.watch();
    for _ in 0..SIGNALS_AT_ONCE {
        let Some(entry) = ticker.pending.first_entry().filter(|entry| entry.key().at < until) else {
            return false;
        };
        let (place, what) = entry.remove_entry();
        let signal = Record { place, what }.signal();
        *applied += 1;
        if !is_new(ticker, &place) {
            watch.recall(&signal);
            continue;
        }
        for (wallet, assessment) in watch.take(&signal) {
            look_at(app, &watch, candidates, (wallet, &signal, assessment));
        }
    }
    true
}

fn look_at(
    app: &App,
    watch: &Watch,
    candidates: &mut HashMap<WalletId, Candidate>,
    (wallet, signal, assessment): (u128, &Signal, Assessment),
) {
    let pace = watch.book().wallet(wallet).map(|of| act::pace(of, signal.at));
    let wallet = WalletId::from_uuid(Uuid::from_u128(wallet));
    consider(app, candidates, (wallet, signal, assessment), pace);
}

/// The wallet's standing at this moment. One whose hold is over is judged anew: what was seen before it has faded
/// meanwhile.
pub(super) fn standing_now(app: &App, wallet: WalletId) -> Option<Standing> {
    let (desk, now) = (&app.inner.risk, app.now());
    let known = desk.standings.get(wallet)?;
    if known.rest == Rest::default() || !known.is_due(now) {
        return Some(known);
    }
    let at = now.micros().div_euclid(1_000);
    let (assessment, pace) = {
        let watch = desk.watch();
        let id = wallet.uuid().as_u128();
        (watch.assess(id, at)?, watch.book().wallet(id).map(|of| act::pace(of, at)))
    };
    let seen = judged(&desk.policy.get(), wallet, (&assessment, pace), Some(known));
    if seen.verdict == Verdict::Allow {
        desk.standings.forget(wallet);
        return None;
    }
    desk.standings.set(wallet, seen.standing(Some(known)));
    desk.standings.get(wallet)
}

/// What follows from an assessment.
pub(super) struct Seen {
    pub score: f64,
    pub verdict: Verdict,
    pub too_fast: Option<Reason>,
}

impl Seen {
    fn standing(&self, before: Option<Standing>) -> Standing {
        Standing {
            verdict: self.verdict,
            score: before.map_or(self.score, |standing| standing.score.max(self.score)),
            is_too_fast: self.too_fast.is_some(),
            rest: before.map_or_else(Rest::default, |standing| standing.rest),
        }
    }
}

pub(super) fn judged(
    policy: &Policy,
    wallet: WalletId,
    (assessment, pace): (&Assessment, Option<act::Pace>),
    before: Option<Standing>,
) -> Seen {
    let score = policy.score(wallet, assessment);
    let usual = before.map_or(Verdict::Allow, |standing| standing.verdict);
    let verdict = policy.settings.thresholds().verdict(score, usual);
    let pace = pace.filter(|_| policy.heeds_speed(wallet));
    let too_fast = pace.and_then(|pace| act::too_fast(&policy.settings.velocity, pace));
    let verdict = if too_fast.is_some() { verdict.max(Verdict::Restrict) } else { verdict };
    Seen { score, verdict, too_fast }
}

/// Follows the wallet's standing; the most suspicious moment of a wallet is what is looked at.
fn consider(
    app: &App,
    candidates: &mut HashMap<WalletId, Candidate>,
    (wallet, signal, assessment): (WalletId, &Signal, Assessment),
    pace: Option<act::Pace>,
) {
    let desk = &app.inner.risk;
    let (before, policy) = (desk.standings.get(wallet), desk.policy.get());
    let seen = judged(&policy, wallet, (&assessment, pace), before);
    let Seen { score, verdict, .. } = seen;
    if let Some(listener) = desk.listener.get() {
        listener(wallet, signal.at, score);
    }
    // Who is never acted on has no standing either, so that whoever is taken off the list is news again.
    if verdict == Verdict::Allow || policy.is_allowed(wallet) {
        if before.is_some() {
            desk.standings.forget(wallet);
        }
        return;
    }
    let standing = seen.standing(before);
    desk.standings.set(wallet, standing);
    let is_news = before.is_none_or(|standing| verdict > standing.verdict || score > standing.score + STEP);
    let may_be_held_again = standing.rest != Rest::default() && standing.is_due(app.now());
    if is_news || may_be_held_again {
        let at = Timestamp::from_micros_saturating(signal.at.saturating_mul(1_000));
        let candidate = Candidate { wallet, at, score, verdict, assessment, too_fast: seen.too_fast };
        let is_higher = candidates.get(&wallet).is_none_or(|c| (c.verdict, c.score) <= (verdict, score));
        if is_higher {
            candidates.insert(wallet, candidate);
        }
    }
}
