use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use kernel::{Credits, Money, Seq, Timestamp, WalletId};
use serde::{Deserialize, Serialize};

use crate::calls::CallWindow;
use crate::entry::named;
use crate::restrictions::Restriction;

named!(
    /// Where a lot's credits came from.
    GrantKind {
        Purchase = "purchase",
        Allotment = "allotment",
        Trial = "trial",
        Promo = "promo",
        Rollover = "rollover",
        Refund = "refund",
        Adjustment = "adjustment",
    }
);

named!(
    HoldState {
        Open = "open",
        Captured = "captured",
        Voided = "voided",
        /// Its time was over; a capture is still taken, as a debit at the frozen price.
        Lapsed = "lapsed",
    }
);

/// The state of one wallet after its entry `seq`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wallet {
    pub id: WalletId,
    /// 0 before the first entry.
    pub seq: Seq,
    pub recorded_at: Timestamp,
    /// Journal rows so far; decides when a snapshot is due.
    pub rows: i64,
    pub available: Credits,
    pub held: Credits,
    pub debt: Credits,
    pub calls: CallWindow,
    /// The last one that was not released; ask [`Wallet::restriction_at`] whether its time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restriction: Option<Restriction>,
    pub lots: BTreeMap<Seq, Lot>,
    pub holds: BTreeMap<Seq, Hold>,
}

/// What remains of one grant. Its seq is that of the grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    pub terms: LotTerms,
    /// Available part.
    pub remaining: Credits,
    /// Part set aside by open holds.
    pub held: Credits,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotTerms {
    pub kind: GrantKind,
    pub granted: Credits,
    /// Smaller burns first.
    pub priority: i16,
    /// Exclusive: at this instant the lot is no longer there.
    pub expires_at: Option<Timestamp>,
    /// Money paid for all of `granted`; `None` when nothing was paid.
    pub paid: Option<Money>,
    /// What clawbacks took, from the lot or as debt; at most `granted`.
    pub clawed_back: Credits,
    /// Credits that come back to a voided lot are revoked at once.
    pub voided: bool,
}

/// Credits set aside. Its seq is that of the authorization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub terms: HoldTerms,
    /// What is still set aside, by lot, in the order in which it was taken.
    pub lots: Vec<(Seq, Credits)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldTerms {
    pub state: HoldState,
    /// All that was ever set aside for it.
    pub authorized: Credits,
    /// Charged so far, also beyond `authorized`.
    pub captured: Credits,
    /// Still set aside.
    pub remaining: Credits,
    /// How many captures there were.
    pub captures: u32,
    pub expires_at: Timestamp,
    /// Cumulative quantities of the captures as JSON; the ledger never reads them.
    pub progress: Option<String>,
}

impl Wallet {
    /// A wallet without history.
    pub fn new(id: WalletId) -> Wallet {
        Wallet {
            id,
            seq: 0,
            recorded_at: Timestamp::EPOCH,
            rows: 0,
            available: Credits::ZERO,
            held: Credits::ZERO,
            debt: Credits::ZERO,
            calls: CallWindow::default(),
            restriction: None,
            lots: BTreeMap::new(),
            holds: BTreeMap::new(),
        }
    }

    /// Lots with something available, in burn order: priority, then earliest expiry, then lowest cost
    /// basis (unpaid before paid), then id.
    pub fn burn_order(&self) -> Vec<Seq> {
        let mut open: Vec<(&Seq, &Lot)> =
            self.lots.iter().filter(|(_, l)| l.remaining.is_positive()).collect();
        open.sort_by(|(a_seq, a), (b_seq, b)| a.terms.burn_cmp(&b.terms).then(a_seq.cmp(b_seq)));
        open.into_iter().map(|(seq, _)| *seq).collect()
    }

    /// Forgets lots and holds that no later command needs unless it names them.
    pub fn compact(&mut self) {
        self.lots.retain(|_, lot| lot.is_open());
        self.holds.retain(|_, hold| hold.is_open());
    }

    pub fn open_holds(&self) -> usize {
        self.holds.values().filter(|h| h.is_open()).count()
    }
}

impl Lot {
    pub fn is_open(&self) -> bool {
        self.remaining.is_positive() || self.held.is_positive()
    }
}

impl LotTerms {
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    fn burn_cmp(&self, other: &LotTerms) -> Ordering {
        let never = |at: Option<Timestamp>| at.unwrap_or(Timestamp::MAX);
        self.priority
            .cmp(&other.priority)
            .then(never(self.expires_at).cmp(&never(other.expires_at)))
            .then_with(|| self.cost_basis_cmp(other))
    }

    /// paid / granted compared by cross-multiplication: exact, no division.
    fn cost_basis_cmp(&self, other: &LotTerms) -> Ordering {
        let paid = |t: &LotTerms| t.paid.map_or(0, |m| i128::from(m.amount));
        let granted = |t: &LotTerms| i128::from(t.granted.micros());
        (paid(self) * granted(other)).cmp(&(paid(other) * granted(self)))
    }
}

impl Hold {
    pub fn is_open(&self) -> bool {
        self.terms.state == HoldState::Open
    }

    /// What is still set aside.
    pub fn remaining(&self) -> Credits {
        Credits::from_micros(self.lots.iter().map(|(_, c)| c.micros()).sum())
    }
}
