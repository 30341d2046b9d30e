//! The ledger: decides what a command does to one wallet, never writes.
//!
//! [`decide`] takes the wallet, a command and the instant, and answers with the journal entries to
//! append and the wallet after them, or with a [`Refusal`] that changed nothing. [`fold`] applies a
//! stored entry: reading, verifying and deciding share it, so a balance has one definition.
//!
//! Every [`Line`] is one balanced posting between two accounts. Wallet side: available, held, debt.
//! Platform side: issued, spent, expired, revoked, uncovered; these have no balance of their own,
//! they are the sums of their lines.

mod audit;
mod calls;
mod check;
mod debits;
mod decide;
mod draft;
mod due;
mod entry;
mod fold;
mod grants;
mod holds;
mod refusal;
mod restrictions;
mod reversals;
mod wallet;

pub use audit::audit;
pub use calls::CallWindow;
pub use check::{Broken, check};
pub use decide::{CaptureCharge, Change, Command, Gate, WhenShort, decide};
pub use due::{due, next_due, settle, settled};
pub use entry::{Account, Entry, EntryKind, InputHash, Key, Line, Terms};
pub use fold::fold;
pub use refusal::Refusal;
pub use restrictions::{Restriction, StepUp};
pub use wallet::{GrantKind, Hold, HoldState, HoldTerms, Lot, LotTerms, Wallet};

/// Open lots one wallet may have; a grant beyond it is refused.
pub const MAX_OPEN_LOTS: usize = 4_000;
/// Open holds one wallet may have; an authorization beyond it is refused.
pub const MAX_OPEN_HOLDS: usize = 10_000;
/// Priority of a grant that names none; smaller burns first.
pub const DEFAULT_PRIORITY: i16 = 50;
