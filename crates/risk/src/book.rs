//! All wallets and networks, and what a signal changes in them.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::network::{Neighbours, Network};
use crate::signal::{Address, Millis, SignUp, Signal, What};
use crate::wallet::Wallet;
use crate::window::{DAY, Fading, Monthly};

/// The whole hot state. The same signals in the same order give the same bits, also when it was written out and
/// read back in between.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    wallets: HashMap<u128, Wallet>,
    /// Of wallets that were silent for [`WALLET_KEPT`] only the sign-up is left.
    asleep: HashMap<u128, SignUp>,
    networks: HashMap<u32, Network>,
    /// Trials of all networks, fading over two weeks.
    trials: Fading<20_160>,
    /// Outputs of all wallets, and fetches of them, fading over a month.
    made: Monthly,
    fetched: Monthly,
    /// The UTC day of the last [`Book::sweep`].
    swept_on: i64,
}

/// A wallet falls asleep when nothing was heard of it for so long: its windows have faded to a twentieth or less. Who
/// comes back has the sign-up of before, and no history.
pub const WALLET_KEPT: Millis = 90 * DAY;
/// A network is: uses are compared for a week, and trials have faded to a seventieth.
pub const NETWORK_KEPT: Millis = 60 * DAY;

/// Wallets whose risk a signal may have changed: its own first, then neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touched(pub Vec<u128>);

impl Book {
    /// Takes in one signal. Constant time: at most 48 comparisons on the network; the first signal of a day also looks
    /// once at every wallet and network.
    pub fn take(&mut self, signal: &Signal) -> Touched {
        let Signal { wallet: id, at: now, what } = signal;
        self.sweep(*now);
        let mut touched = vec![*id];
        let asleep = self.asleep.remove(id);
        let wallet = self.wallets.entry(*id).or_default();
        wallet.heard_at = wallet.heard_at.max(*now);
        wallet.sign_up = wallet.sign_up.or(asleep);
        match what {
            What::SignedUp(sign_up) => {
                let before = wallet.sign_up;
                wallet.signed_up(*sign_up, *now);
                let is_news = |now: &SignUp| {
                    before.is_none_or(|b| b.address == Address::UNKNOWN || (now.is_trial && !b.is_trial))
                };
                let told = wallet.sign_up.filter(|now| now.address != Address::UNKNOWN && is_news(now));
                if let Some(told) = told {
                    touched.extend(self.joined(*id, told, *now));
                }
            }
            What::Used(used) => {
                if let Some(sign_up) = wallet.came_from(used.address) {
                    touched.extend(self.joined(*id, sign_up, *now));
                }
                let wallet = self.wallets.entry(*id).or_default();
                let network = self.networks.entry(used.address.network).or_default();
                let neighbours = network.used(*id, used.print, *now);
                wallet.used(used, &neighbours, *now);
                self.made.add(1.0, *now);
                touched.extend(self.tell(*id, &neighbours, *now));
            }
            What::Fetched { output } => {
                // In this order: what was too late by now has been judged, and the fetch takes it back.
                wallet.outputs.judge(*now);
                wallet.outputs.fetched(*output);
                self.fetched.add(1.0, *now);
            }
            What::Paid(payment) => wallet.paid(payment, *now),
        }
        Touched(touched)
    }

    /// Wallets that used something after `since`, each with the moment of its last use, in the order of their ids.
    #[must_use]
    pub fn active_since(&self, since: Millis) -> Vec<(u128, Millis)> {
        let last = self.wallets.iter().filter_map(|(id, wallet)| Some((*id, wallet.last_at?)));
        let mut active: Vec<(u128, Millis)> = last.filter(|(_, at)| *at > since).collect();
        active.sort_unstable();
        active
    }

    /// Forgets what was silent for long, so that memory is bounded by who was there lately. Once a day, by the time of
    /// the signals and not by a clock: the same signals forget the same.
    fn sweep(&mut self, now: Millis) {
        let day = now.div_euclid(DAY);
        if day <= self.swept_on {
            return;
        }
        self.swept_on = day;
        let since = |kept: Millis| day * DAY - kept;
        self.wallets.retain(|id, wallet| {
            let stays = wallet.heard_at >= since(WALLET_KEPT);
            if let Some(sign_up) = wallet.sign_up.filter(|_| !stays) {
                self.asleep.insert(*id, sign_up);
            }
            stays
        });
        self.networks.retain(|_, network| network.heard_at >= since(NETWORK_KEPT));
        if self.wallets.len() < self.wallets.capacity() / 4 {
            self.wallets.shrink_to_fit();
        }
        if self.networks.len() < self.networks.capacity() / 4 {
            self.networks.shrink_to_fit();
        }
    }

    /// How many networks are known.
    #[must_use]
    pub fn networks(&self) -> usize {
        self.networks.len()
    }

    /// How many wallets have a state.
    #[must_use]
    pub fn wallets(&self) -> usize {
        self.wallets.len()
    }

    #[must_use]
    pub fn wallet(&self, id: u128) -> Option<&Wallet> {
        self.wallets.get(&id)
    }

    /// The wallet as of now: outputs whose time is over are judged. A copy, because looking must not change the
    /// state: who looks at what and when is not among the signals.
    #[must_use]
    pub fn settled(&self, id: u128, now: Millis) -> Option<Wallet> {
        let mut wallet = self.wallets.get(&id)?.clone();
        wallet.outputs.judge(now);
        Some(wallet)
    }

    /// How surprising the trials on the network are: the log-likelihood ratio, in nats, of their number against
    /// the number that a network of this installation has. 0 when there are no more than usual.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn trial_surprise(&self, network: u32, now: Millis) -> f64 {
        let here = self.networks.get(&network).map_or(0.0, |n| n.trials.at(now));
        // Without the network itself, which would hide behind its own mean.
        let elsewhere = (self.trials.at(now) - here).max(0.0);
        let usual = (elsewhere / self.networks.len().max(1) as f64).max(FEWEST_TRIALS);
        if here <= usual { 0.0 } else { here * (here / usual).ln() - (here - usual) }
    }

    /// Whether this installation reports fetches at all. Where nobody does, an output that was not fetched is no
    /// evidence of anything.
    #[must_use]
    pub fn hears_of_fetches(&self, now: Millis) -> bool {
        let fetched = self.fetched.at(now);
        fetched >= FEWEST_FETCHES && fetched >= LEAST_FETCHED * self.made.at(now)
    }

    /// Enters a wallet on the network of its sign-up. Answers who is looked at again: the others there when it is
    /// one more trial.
    fn joined(&mut self, id: u128, sign_up: SignUp, now: Millis) -> Vec<u128> {
        let network = self.networks.entry(sign_up.address.network).or_default();
        network.joined(id, sign_up.is_trial, now);
        if !sign_up.is_trial {
            return Vec::new();
        }
        self.trials.add(1.0, now);
        network.members.iter().copied().filter(|member| *member != id).collect()
    }

    fn tell(&mut self, id: u128, neighbours: &Neighbours, now: Millis) -> Vec<u128> {
        let mut told = Vec::new();
        for partner in neighbours.in_step.iter().flatten() {
            if let Some(other) = self.wallets.get_mut(partner) {
                other.was_joined_by(id, now);
                told.push(*partner);
            }
        }
        told
    }
}

const FEWEST_FETCHES: f64 = 20.0;
const LEAST_FETCHED: f64 = 0.1;

/// No network is expected to have fewer trials in two weeks, however small the installation.
const FEWEST_TRIALS: f64 = 0.25;
