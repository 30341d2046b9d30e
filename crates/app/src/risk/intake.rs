//! Signals into the state, and what their scores mean for the standing of a wallet.

use std::collections::HashMap;

use kernel::{Timestamp, WalletId};
use risk::record::Record;
use risk::score::{Assessment, Verdict};
use risk::signal::Signal;
use store::Uuid;

use super::act::{self, Candidate};
use super::follow::Ticker;
use super::standing::Standing;
use crate::App;

/// Signals that are taken in before others may look into the state.
const SIGNALS_AT_ONCE: usize = 256;
/// A case is written anew when its score has risen by this.
const STEP: f64 = 0.02;

/// Takes in what is older than `until`, in order; answers how many signals that were and who should be looked
/// at.
pub(super) fn take_in(app: &App, ticker: &mut Ticker, until: i64) -> (usize, Vec<Candidate>) {
    let mut candidates = HashMap::new();
    let mut applied = 0;
    let mut is_more = true;
    while is_more {
        let mut watch = app.inner.risk.watch();
        for _ in 0..SIGNALS_AT_ONCE {
            let Some(entry) = ticker.pending.first_entry().filter(|entry| entry.key().at < until) else {
                is_more = false;
                break;
            };
            let (place, what) = entry.remove_entry();
            let signal = Record { place, what }.signal();
            for (wallet, assessment) in watch.take(&signal) {
                let wallet = WalletId::from_uuid(Uuid::from_u128(wallet));
                let pace = watch.book().wallet(wallet.uuid().as_u128()).map(|w| act::pace(w, signal.at));
                consider(app, &mut candidates, (wallet, &signal, assessment), pace);
            }
            applied += 1;
        }
    }
    ticker.watermark = ticker.watermark.max(until);
    ticker.applied += applied as u64;
    (applied, candidates.into_values().collect())
}

/// Follows the wallet's standing; the most suspicious moment of a wallet is what is looked at.
fn consider(
    app: &App,
    candidates: &mut HashMap<WalletId, Candidate>,
    (wallet, signal, assessment): (WalletId, &Signal, Assessment),
    pace: Option<act::Pace>,
) {
    let (desk, policy) = (&app.inner.risk, app.inner.risk.policy.get());
    let before = desk.standings.get(wallet);
    let score = policy.score(wallet, &assessment);
    if let Some(listener) = desk.listener.get() {
        listener(wallet, signal.at, score);
    }
    let thresholds = policy.settings.thresholds();
    let usual = before.map_or(Verdict::Allow, |standing| standing.verdict);
    let too_fast = pace.and_then(|pace| act::too_fast(&policy.settings.velocity, pace));
    let verdict = match too_fast {
        Some(_) => thresholds.verdict(score, usual).max(Verdict::Restrict),
        None => thresholds.verdict(score, usual),
    };
    if verdict == Verdict::Allow {
        if before.is_some() {
            desk.standings.forget(wallet);
        }
        return;
    }
    let is_news = before.is_none_or(|standing| verdict > standing.verdict || score > standing.score + STEP);
    let highest = before.map_or(score, |standing| standing.score.max(score));
    let is_settled = before.is_some_and(|standing| standing.is_settled);
    desk.standings.set(wallet, Standing { verdict, score: highest, is_settled });
    if is_news {
        let at = Timestamp::from_micros_saturating(signal.at.saturating_mul(1_000));
        let candidate = Candidate { wallet, at, score, verdict, assessment, too_fast };
        let is_higher = candidates.get(&wallet).is_none_or(|c| (c.verdict, c.score) <= (verdict, score));
        if is_higher {
            candidates.insert(wallet, candidate);
        }
    }
}
