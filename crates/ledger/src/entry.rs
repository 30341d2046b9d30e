use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use kernel::{Credits, Seq, Timestamp};
use serde::{Deserialize, Serialize};

use crate::restrictions::Restriction;
use crate::wallet::{HoldTerms, LotTerms};

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<$name, String> {
                $name::ALL.iter().copied().find(|v| v.as_str() == text)
                    .ok_or_else(|| format!("{text:?} is not a {}", stringify!($name)))
            }
        }
    };
}
pub(crate) use named;

named!(
    /// One side of a posting.
    Account {
        Available = "available",
        Held = "held",
        /// What the wallet owes; it grows when it is the source of a posting.
        Debt = "debt",
        Issued = "issued",
        Spent = "spent",
        Expired = "expired",
        Revoked = "revoked",
        /// Work done that nobody paid for (overage policy `absorb`).
        Uncovered = "uncovered",
    }
);

named!(
    /// What a command did.
    EntryKind {
        Grant = "grant",
        GrantVoid = "grant_void",
        Clawback = "clawback",
        Hold = "hold",
        Extend = "extend",
        Capture = "capture",
        Void = "void",
        Lapse = "lapse",
        Debit = "debit",
        Expire = "expire",
        Reverse = "reverse",
        /// Reported work that the wallet could not pay and the feature's policy refuses.
        Unbilled = "unbilled",
        /// Reported work for which there is no price.
        Unrated = "unrated",
        /// From here on the wallet takes no new work.
        Restrict = "restrict",
        /// The restriction in force ended before its time.
        Release = "release",
    }
);

/// SHA-256 over method, path and body of the request that brought a key.
pub type InputHash = [u8; 32];

/// An idempotency key with the hash of its input. Unique in its wallet's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub text: String,
    pub hash: InputHash,
}

/// One command in a wallet's journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// From 1, without gaps, in its wallet.
    pub seq: Seq,
    pub kind: EntryKind,
    /// When it was written; never before the wallet's previous entry.
    pub recorded_at: Timestamp,
    /// When it took effect: the instant of expiry or lapse, else `recorded_at`.
    pub effective_at: Timestamp,
    /// `None` for what time itself did.
    pub key: Option<Key>,
    /// The hold that this authorizes, extends, captures, voids or lapses.
    pub hold: Option<Seq>,
    pub terms: Terms,
    /// Facts of the caller (receipt, quote, reason) as JSON; the ledger never reads them. Shared, because a command is
    /// kept for another try while its entry is written.
    pub about: Option<Arc<str>>,
    /// At least one; a command that moves nothing has one line of amount 0.
    pub lines: Vec<Line>,
}

impl Entry {
    /// The lots and holds, by seq, that folding this entry reads or changes, its own aside.
    pub fn touches(&self) -> impl Iterator<Item = Seq> + '_ {
        let named: Vec<Seq> = match &self.terms {
            Terms::LotAfter { lot, .. } => vec![*lot],
            Terms::Reverse { lots, .. } => lots.keys().copied().collect(),
            Terms::None | Terms::Lot(_) | Terms::Hold(_) | Terms::Restriction(_) => Vec::new(),
        };
        let lines = self.lines.iter().filter_map(|line| line.lot);
        lines.chain(self.hold).chain(named).filter(|seq| *seq != self.seq)
    }
}

/// One posting: `amount` leaves `from` and enters `to`. The balances after it are stored with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub from: Account,
    pub to: Account,
    /// Never negative.
    pub amount: Credits,
    pub lot: Option<Seq>,
    /// What is available in `lot` after this line.
    pub lot_remaining: Option<Credits>,
    pub available_after: Credits,
    pub held_after: Credits,
    pub debt_after: Credits,
}

/// What [`crate::fold`] needs beside the lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Terms {
    None,
    /// Of the lot that this grant makes.
    Lot(LotTerms),
    /// Of an existing lot after a void or a clawback.
    LotAfter {
        lot: Seq,
        terms: LotTerms,
    },
    /// Of the hold after this entry.
    Hold(HoldTerms),
    /// The debit that is undone, and the terms of every lot that gets credits back
    /// (a lot made here has this entry's own seq).
    Reverse {
        receipt: Seq,
        lots: BTreeMap<Seq, LotTerms>,
    },
    /// Of the wallet after this entry.
    Restriction(Option<Restriction>),
}
