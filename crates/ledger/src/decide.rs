use kernel::{Credits, Seq, Timestamp};

use crate::draft::Draft;
use crate::due::settle_draft;
use crate::entry::{Entry, EntryKind, Terms};
use crate::refusal::Refusal;
use crate::restrictions::StepUp;
use crate::wallet::{LotTerms, Wallet};
use crate::{debits, grants, holds, restrictions, reversals};

/// What a caller wants of one wallet.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Gives `terms.granted`; pays debt first.
    Grant(LotTerms),
    /// Takes back what is available of a grant; what is held follows when its hold ends.
    VoidGrant { grant: Seq },
    /// Takes credits of a refunded or disputed grant back; what is already used becomes debt.
    Clawback { grant: Seq, credits: Credits },
    /// Sets credits aside until `now + ttl_seconds`.
    Authorize { credits: Credits, ttl_seconds: i64, gate: Gate },
    /// Sets more aside, or gives more time (never less).
    Extend { hold: Seq, credits: Credits, ttl_seconds: Option<i64> },
    /// Charges a hold; `is_final` releases the rest.
    Capture { hold: Seq, charge: CaptureCharge, is_final: bool, when_short: WhenShort },
    /// Gives a hold back to its very lots.
    VoidHold { hold: Seq },
    /// Charges in one step.
    Debit { price: Credits, gate: Gate, when_short: WhenShort },
    /// Keeps a report for which there is no price; moves nothing.
    Unrated,
    /// Undoes a debit or capture: `receipt` is its entry, `lots` the terms of the lots it used.
    Reverse { receipt: Box<Entry>, lots: Vec<(Seq, LotTerms)> },
    /// Keeps new work out until an instant (exclusive), or until it is released.
    Restrict { until: Option<Timestamp>, step_up: StepUp },
    /// Ends the restriction in force, or the one whose entry is named and no other.
    Release { restriction: Option<Seq> },
}

/// What the wallet's restriction, the plan and the quote allow; judged after the idempotency key, in this
/// order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// A report of work that is done: a restriction does not keep it out.
    pub is_done: bool,
    /// Exclusive end of the quote.
    pub valid_until: Option<Timestamp>,
    pub is_denied: bool,
    pub calls_per_minute: Option<u32>,
    pub max_open_holds: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptureCharge {
    /// These credits, on top of what was captured before.
    Credits(Credits),
    /// The frozen price of all quantities so far; charged is what exceeds the earlier captures.
    /// `captures_seen` guards against a capture between pricing and deciding.
    Cumulative { total: Credits, captures_seen: u32, progress: String },
}

/// What happens to the part that the wallet cannot pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenShort {
    /// Nothing changes, the caller gets [`Refusal::Short`].
    Refuse,
    /// The rest is a line from `uncovered`.
    Absorb,
    /// Debt up to the limit; what exceeds it is absorbed, since the work is done.
    Overdraft { limit: Credits },
    /// A debit becomes an `unbilled` entry that moves nothing; a capture is refused.
    Unbilled,
}

/// A decision: entries to append (what was due first, the command's own last) and the wallet after them.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub entries: Vec<Entry>,
    pub wallet: Wallet,
}

/// Decides `command` on `wallet` at `now` (or at the wallet's last instant, if that is later).
///
/// Lots, holds and receipts that the command names must be in `wallet`; an absent one is unknown.
/// A negative amount, which the edge never lets in, is [`Refusal::TooLarge`].
pub fn decide(wallet: &Wallet, command: &Command, now: Timestamp) -> Result<Change, Refusal> {
    if command.amount().is_negative() {
        return Err(Refusal::TooLarge);
    }
    let mut draft = Draft::new(wallet, now);
    settle_draft(&mut draft)?;
    match command {
        Command::Grant(terms) => grants::grant(&mut draft, terms)?,
        Command::VoidGrant { grant } => grants::void(&mut draft, *grant)?,
        Command::Clawback { grant, credits } => grants::claw_back(&mut draft, *grant, *credits)?,
        Command::Authorize { credits, ttl_seconds, gate } => {
            holds::authorize(&mut draft, *credits, *ttl_seconds, gate)?;
        }
        Command::Extend { hold, credits, ttl_seconds } => {
            holds::extend(&mut draft, *hold, *credits, *ttl_seconds)?;
        }
        Command::Capture { hold, charge, is_final, when_short } => {
            holds::capture(&mut draft, *hold, charge, *is_final, *when_short)?;
        }
        Command::VoidHold { hold } => holds::void(&mut draft, *hold)?,
        Command::Debit { price, gate, when_short } => debits::debit(&mut draft, *price, gate, *when_short)?,
        Command::Unrated => {
            let now = draft.now;
            draft.open(EntryKind::Unrated, now, None, Terms::None);
            draft.close();
        }
        Command::Reverse { receipt, lots } => reversals::reverse(&mut draft, receipt, lots)?,
        Command::Restrict { until, step_up } => restrictions::restrict(&mut draft, *until, *step_up)?,
        Command::Release { restriction } => restrictions::release(&mut draft, *restriction)?,
    }
    Ok(Change { entries: draft.entries, wallet: draft.wallet })
}

impl Command {
    /// The credits that it names.
    fn amount(&self) -> Credits {
        match self {
            Command::Grant(terms) => terms.granted,
            Command::Clawback { credits, .. }
            | Command::Authorize { credits, .. }
            | Command::Extend { credits, .. } => *credits,
            Command::Capture { charge: CaptureCharge::Credits(credits), .. } => *credits,
            Command::Capture { charge: CaptureCharge::Cumulative { total, .. }, .. } => *total,
            Command::Debit { price, .. } => *price,
            Command::VoidGrant { .. }
            | Command::VoidHold { .. }
            | Command::Unrated
            | Command::Reverse { .. }
            | Command::Restrict { .. }
            | Command::Release { .. } => Credits::ZERO,
        }
    }
}

impl Gate {
    pub(crate) fn judge(&self, wallet: &Wallet, now: Timestamp) -> Result<(), Refusal> {
        if !self.is_done {
            restrictions::judge(wallet, now)?;
        }
        if let Some(valid_until) = self.valid_until.filter(|until| *until <= now) {
            return Err(Refusal::QuoteExpired { valid_until });
        }
        if self.is_denied {
            return Err(Refusal::NotEntitled);
        }
        if let Some(limit) = self.calls_per_minute
            && let Some(retry_after_seconds) = wallet.calls.wait_seconds(limit, now)
        {
            return Err(Refusal::RateLimited { limit, retry_after_seconds });
        }
        Ok(())
    }
}
