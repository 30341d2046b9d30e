//! The working copy on which a decision is made: every movement goes through [`post`].

use kernel::{Credits, Seq, Timestamp};

use crate::entry::{Account, Entry, EntryKind, Line, Terms};
use crate::fold::apply_terms;
use crate::refusal::Refusal;
use crate::wallet::{Hold, Wallet};

pub(crate) struct Draft {
    pub wallet: Wallet,
    pub now: Timestamp,
    pub entries: Vec<Entry>,
}

impl Draft {
    pub fn new(wallet: &Wallet, now: Timestamp) -> Draft {
        Draft { wallet: wallet.clone(), now: now.max(wallet.recorded_at), entries: Vec::new() }
    }

    /// The seq that the entry opened next will have.
    pub fn next_seq(&self) -> Seq {
        self.wallet.seq + 1
    }

    pub fn open(&mut self, kind: EntryKind, effective_at: Timestamp, hold: Option<Seq>, terms: Terms) {
        let seq = self.next_seq();
        self.wallet.seq = seq;
        self.wallet.recorded_at = self.now;
        apply_terms(&mut self.wallet, seq, hold, &terms);
        self.entries.push(Entry {
            seq,
            kind,
            recorded_at: self.now,
            effective_at,
            key: None,
            hold,
            terms,
            about: None,
            lines: Vec::new(),
        });
    }

    pub fn moves(
        &mut self,
        from: Account,
        to: Account,
        amount: Credits,
        lot: Option<Seq>,
    ) -> Result<(), Refusal> {
        if amount.is_zero() {
            return Ok(());
        }
        let Some(entry) = self.entries.last_mut() else { return Ok(()) };
        let mut line = Line {
            from,
            to,
            amount,
            lot,
            lot_remaining: None,
            available_after: Credits::ZERO,
            held_after: Credits::ZERO,
            debt_after: Credits::ZERO,
        };
        post(&mut self.wallet, entry.hold, &line).ok_or(Refusal::TooLarge)?;
        stamp(&mut line, &self.wallet);
        entry.lines.push(line);
        Ok(())
    }

    /// Takes up to `amount` from what is available, in burn order; answers what it took.
    pub fn take_available(&mut self, to: Account, amount: Credits) -> Result<Credits, Refusal> {
        let mut left = amount;
        for lot in self.wallet.burn_order() {
            if left.is_zero() {
                break;
            }
            let part = self.wallet.lots.get(&lot).map_or(Credits::ZERO, |l| l.remaining.min(left));
            self.moves(Account::Available, to, part, Some(lot))?;
            left = left.minus_or_zero(part);
        }
        Ok(amount.minus_or_zero(left))
    }

    /// Gives credits back to their lot: available again, or expired or revoked at once.
    ///
    /// Credits of a lot that was clawed back pay the wallet's debt first, up to what was clawed back of
    /// it, and even when they would expire or be revoked: the clawback made a debt of what it could not
    /// reach, and must not leave the same credits both owed and spendable, nor owed and lost. What a
    /// grant or a reversal has paid since is no debt any more, so nothing is paid twice.
    /// An entry calls this once for a lot.
    pub fn give_back(&mut self, from: Account, amount: Credits, lot: Seq) -> Result<(), Refusal> {
        let taken_back = self.wallet.lots.get(&lot).map_or(Credits::ZERO, |l| l.terms.clawed_back);
        let pays_debt = amount.min(taken_back).min(self.wallet.debt);
        self.moves(from, Account::Debt, pays_debt, Some(lot))?;
        let amount = amount.minus_or_zero(pays_debt);
        let to = match self.wallet.lots.get(&lot) {
            Some(l) if l.terms.voided => Account::Revoked,
            Some(l) if l.terms.is_expired(self.effective_at()) => Account::Expired,
            _ => Account::Available,
        };
        self.moves(from, to, amount, Some(lot))
    }

    pub fn hold(&self, seq: Seq) -> Option<&Hold> {
        self.wallet.holds.get(&seq)
    }

    /// Ends the open entry; only now its lines tell what is still set aside.
    pub fn close(&mut self) {
        let Some(entry) = self.entries.last_mut() else { return };
        if let (Some(seq), Terms::Hold(terms)) = (entry.hold, &mut entry.terms)
            && let Some(hold) = self.wallet.holds.get_mut(&seq)
        {
            terms.remaining = hold.remaining();
            hold.terms.remaining = terms.remaining;
        }
        if entry.lines.is_empty() {
            entry.lines.push(nothing(entry.kind, &self.wallet));
        }
        self.wallet.rows += i64::try_from(entry.lines.len()).unwrap_or(i64::MAX);
        if counts_as_call(entry.kind) {
            self.wallet.calls.count(entry.recorded_at);
        }
    }

    fn effective_at(&self) -> Timestamp {
        self.entries.last().map_or(self.now, |e| e.effective_at)
    }
}

/// Holds and reported usage begin work; the plan's rate limit counts them.
pub(crate) fn counts_as_call(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Hold | EntryKind::Debit)
}

/// The one line of an entry that moves nothing: the accounts that such an entry would have used.
fn nothing(kind: EntryKind, wallet: &Wallet) -> Line {
    let (from, to) = match kind {
        EntryKind::Grant => (Account::Issued, Account::Available),
        EntryKind::Hold | EntryKind::Extend => (Account::Available, Account::Held),
        EntryKind::Void | EntryKind::Lapse => (Account::Held, Account::Available),
        EntryKind::GrantVoid | EntryKind::Clawback => (Account::Available, Account::Revoked),
        EntryKind::Expire => (Account::Available, Account::Expired),
        EntryKind::Reverse => (Account::Spent, Account::Available),
        EntryKind::Capture
        | EntryKind::Debit
        | EntryKind::Unbilled
        | EntryKind::Unrated
        | EntryKind::Restrict
        | EntryKind::Release => (Account::Available, Account::Spent),
    };
    let mut line = Line {
        from,
        to,
        amount: Credits::ZERO,
        lot: None,
        lot_remaining: None,
        available_after: Credits::ZERO,
        held_after: Credits::ZERO,
        debt_after: Credits::ZERO,
    };
    stamp(&mut line, wallet);
    line
}

fn stamp(line: &mut Line, wallet: &Wallet) {
    line.lot_remaining = line.lot.and_then(|lot| wallet.lots.get(&lot)).map(|lot| lot.remaining);
    line.available_after = wallet.available;
    line.held_after = wallet.held;
    line.debt_after = wallet.debt;
}

/// Applies one posting to the wallet; `None` when an amount is negative or would leave its range.
pub(crate) fn post(wallet: &mut Wallet, hold: Option<Seq>, line: &Line) -> Option<()> {
    let amount = line.amount;
    if amount.is_negative() {
        return None;
    }
    let lot = line.lot.and_then(|lot| wallet.lots.get_mut(&lot));
    match line.from {
        Account::Available => {
            wallet.available = wallet.available.checked_sub(amount)?;
            if let Some(lot) = lot {
                lot.remaining = lot.remaining.checked_sub(amount)?;
            }
        }
        Account::Held => {
            wallet.held = wallet.held.checked_sub(amount)?;
            if let Some(lot) = lot {
                lot.held = lot.held.checked_sub(amount)?;
            }
            change_hold(wallet, hold, line.lot, Credits::from_micros(-amount.micros()))?;
        }
        Account::Debt => wallet.debt = wallet.debt.checked_add(amount)?,
        _ => {}
    }
    let lot = line.lot.and_then(|lot| wallet.lots.get_mut(&lot));
    match line.to {
        Account::Available => {
            wallet.available = wallet.available.checked_add(amount)?;
            // What is held may come back at any time, and time must never fail.
            wallet.available.checked_add(wallet.held)?;
            if let Some(lot) = lot {
                lot.remaining = lot.remaining.checked_add(amount)?;
            }
        }
        Account::Held => {
            wallet.held = wallet.held.checked_add(amount)?;
            if let Some(lot) = lot {
                lot.held = lot.held.checked_add(amount)?;
            }
            change_hold(wallet, hold, line.lot, amount)?;
        }
        Account::Debt => wallet.debt = wallet.debt.checked_sub(amount)?,
        _ => {}
    }
    Some(())
}

fn change_hold(wallet: &mut Wallet, hold: Option<Seq>, lot: Option<Seq>, by: Credits) -> Option<()> {
    let (Some(hold), Some(lot)) = (hold.and_then(|h| wallet.holds.get_mut(&h)), lot) else { return Some(()) };
    match hold.lots.iter_mut().find(|(l, _)| *l == lot) {
        Some((_, credits)) => *credits = credits.checked_add(by)?,
        None => hold.lots.push((lot, by)),
    }
    hold.lots.retain(|(_, credits)| !credits.is_zero());
    Some(())
}
