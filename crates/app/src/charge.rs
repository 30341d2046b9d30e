//! Receipts: journal entries that charge, fail to charge or give back, as callers see them.

use kernel::{Credits, CustomerId, GrantId, HoldId, QuoteId, ReceiptId, Seq, Timestamp, WalletId};
use ledger::{Account, Entry, EntryKind, Line, Terms};
use serde::{Deserialize, Serialize};

use crate::about::{ChargeFacts, facts};
use crate::{AppError, EventIdentity, Priced};

/// The proof of one debit or capture, of a report that was not charged, or of a reversal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub id: ReceiptId,
    pub customer: CustomerId,
    /// `debit`, `capture`, `unbilled`, `unrated` or `reverse`.
    pub kind: EntryKind,
    /// Charged to the wallet, debt included; of a reversal: given back.
    pub credits: Credits,
    /// Work that nobody paid for (overage policy `absorb`); of a reversal: no longer uncovered.
    pub uncovered: Credits,
    /// Set aside for the hold and given back by its final capture.
    pub released: Credits,
    pub lines: Vec<ReceiptLine>,
    /// The price of all captures of the hold so far; `None` for charges in plain credits.
    pub priced: Option<Box<Priced>>,
    pub hold: Option<HoldId>,
    pub quote: Option<QuoteId>,
    pub job: Option<String>,
    pub subject: Option<String>,
    pub vendor_transaction: Option<String>,
    pub occurred_at: Option<Timestamp>,
    pub event: Option<EventIdentity>,
    /// Why a report has no price.
    pub unrated: Option<String>,
    pub reverses: Option<ReceiptId>,
    /// Known only when a receipt is read, never in the answer that made it.
    pub reversed_by: Option<ReceiptId>,
    pub available: Credits,
    pub held: Credits,
    pub debt: Credits,
    pub created_at: Timestamp,
}

/// One movement of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptLine {
    pub from: Account,
    pub to: Account,
    pub credits: Credits,
    /// Whose lot it was.
    pub grant: Option<GrantId>,
}

/// Whether `rct_` names this kind of entry.
pub(crate) fn is_receipt(kind: EntryKind) -> bool {
    matches!(
        kind,
        EntryKind::Debit | EntryKind::Capture | EntryKind::Unbilled | EntryKind::Unrated | EntryKind::Reverse
    )
}

pub(crate) fn receipt(wallet: WalletId, entry: &Entry) -> Result<Receipt, AppError> {
    Ok(receipt_of(wallet, entry, facts(entry)?))
}

/// With the facts of the entry at hand: those that were written with it.
pub(crate) fn receipt_of(wallet: WalletId, entry: &Entry, facts: ChargeFacts) -> Receipt {
    let (credits, uncovered) = totals(entry);
    let last = entry.lines.last();
    let after = |balance: fn(&Line) -> Credits| last.map_or(Credits::ZERO, balance);
    Receipt {
        id: ReceiptId { wallet, seq: entry.seq },
        customer: facts.customer,
        kind: entry.kind,
        credits,
        uncovered,
        released: sum(entry, |l| l.from == Account::Held && l.to != Account::Spent),
        lines: entry.lines.iter().filter(|l| !l.amount.is_zero()).map(|l| line(wallet, l)).collect(),
        priced: facts.priced,
        hold: entry.hold.map(|seq| HoldId { wallet, seq }).or(facts.hold),
        quote: facts.quote,
        job: facts.job,
        subject: facts.subject,
        vendor_transaction: facts.vendor_transaction,
        occurred_at: facts.occurred_at,
        event: facts.event,
        unrated: facts.unrated,
        reverses: reversed(&entry.terms).map(|seq| ReceiptId { wallet, seq }),
        reversed_by: None,
        available: after(|l| l.available_after),
        held: after(|l| l.held_after),
        debt: after(|l| l.debt_after),
        created_at: entry.recorded_at,
    }
}

/// (charged or given back, uncovered).
fn totals(entry: &Entry) -> (Credits, Credits) {
    // The account that a spending line meets; a reversal runs the other way.
    let met = |l: &Line| match (entry.kind, l.from, l.to) {
        (EntryKind::Reverse, Account::Spent, to) => Some(to),
        (EntryKind::Reverse, ..) => None,
        (_, from, Account::Spent) => Some(from),
        _ => None,
    };
    (
        sum(entry, |l| met(l).is_some_and(|account| account != Account::Uncovered)),
        sum(entry, |l| met(l) == Some(Account::Uncovered)),
    )
}

pub(crate) fn sum(entry: &Entry, counts: impl Fn(&Line) -> bool) -> Credits {
    // The lines of one entry were added up by the ledger before, so they fit.
    Credits::from_micros(entry.lines.iter().filter(|l| counts(l)).map(|l| l.amount.micros()).sum())
}

fn line(wallet: WalletId, line: &Line) -> ReceiptLine {
    let grant = line.lot.map(|seq| GrantId { wallet, seq });
    ReceiptLine { from: line.from, to: line.to, credits: line.amount, grant }
}

fn reversed(terms: &Terms) -> Option<Seq> {
    match terms {
        Terms::Reverse { receipt, .. } => Some(*receipt),
        _ => None,
    }
}
