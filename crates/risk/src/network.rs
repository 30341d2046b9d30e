//! What is known of one network: who signed up there, and who asks for the same at the same time.

use serde::{Deserialize, Serialize};

use crate::signal::Millis;
use crate::text::Print;
use crate::window::{DAY, Fading, MINUTE};

/// Uses on the network that are remembered one by one.
const KEPT: usize = 48;
/// Wallets of a network that are looked at again when it changes.
const MEMBERS: usize = 32;
/// Uses this close in time are in step.
const IN_STEP: Millis = 2 * MINUTE;
/// Bits of simhash up to which two wallets ask for the same.
const SAME: u32 = 14;
/// Bits up to which they draw on the same few words.
const RELATED: u32 = 19;

/// Sign-ups fade over two weeks.
type Fortnight = Fading<20_160>;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Network {
    /// When somebody was there last.
    pub heard_at: Millis,
    uses: Vec<Seen>,
    next: usize,
    pub trials: Fortnight,
    pub members: Vec<u128>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Seen {
    wallet: u128,
    simhash: u64,
    at: Millis,
}

/// What others on the network did that resembles one use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Neighbours {
    /// Wallets that asked for the same within minutes, at most [`Neighbours::MOST`].
    pub in_step: [Option<u128>; Neighbours::MOST],
    /// Distance to the nearest prompt of another wallet of the last week; 64 if there is none.
    pub nearest: u32,
    pub is_related: bool,
}

impl Neighbours {
    pub const MOST: usize = 4;
}

impl Network {
    /// Compares with the uses before and remembers this one.
    pub fn used(&mut self, wallet: u128, print: Print, now: Millis) -> Neighbours {
        self.heard_at = self.heard_at.max(now);
        let mut found = Neighbours { nearest: 64, ..Neighbours::default() };
        let others = self.uses.iter().filter(|s| s.wallet != wallet && now - s.at <= 7 * DAY);
        for seen in others {
            let distance = (seen.simhash ^ print.simhash).count_ones();
            found.nearest = found.nearest.min(distance);
            let is_in_step = distance <= SAME && now - seen.at <= IN_STEP;
            if is_in_step
                && !found.in_step.contains(&Some(seen.wallet))
                && let Some(free) = found.in_step.iter_mut().find(|p| p.is_none())
            {
                *free = Some(seen.wallet);
            }
        }
        found.is_related = found.nearest <= RELATED;
        let seen = Seen { wallet, simhash: print.simhash, at: now };
        if self.uses.len() < KEPT {
            self.uses.push(seen);
        } else if let Some(place) = self.uses.get_mut(self.next) {
            *place = seen;
        }
        self.next = (self.next + 1) % KEPT;
        found
    }

    pub fn joined(&mut self, wallet: u128, is_trial: bool, now: Millis) {
        self.heard_at = self.heard_at.max(now);
        if is_trial {
            self.trials.add(1.0, now);
        }
        if self.members.contains(&wallet) {
            return;
        }
        if self.members.len() >= MEMBERS {
            self.members.remove(0);
        }
        self.members.push(wallet);
    }
}
