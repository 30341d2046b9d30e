//! What time alone has done to a wallet: expired lots and lapsed holds.

use kernel::{Seq, Timestamp};

use crate::decide::Change;
use crate::draft::Draft;
use crate::entry::{Account, Entry, EntryKind, Terms};
use crate::refusal::Refusal;
use crate::wallet::{HoldState, Wallet};

/// The entries that time owes the wallet at `now`, in the order of their instants.
pub fn due(wallet: &Wallet, now: Timestamp) -> Result<Vec<Entry>, Refusal> {
    let mut draft = Draft::new(wallet, now);
    settle_draft(&mut draft)?;
    Ok(draft.entries)
}

/// What time owes the wallet as a decision; no entries when it owes nothing.
pub fn settle(wallet: &Wallet, now: Timestamp) -> Result<Change, Refusal> {
    let mut draft = Draft::new(wallet, now);
    settle_draft(&mut draft)?;
    Ok(Change { entries: draft.entries, wallet: draft.wallet })
}

/// The first entry that time owes the wallet at `now`, if any; much cheaper than [`due`] when none is.
pub fn next_due(wallet: &Wallet, now: Timestamp) -> Option<Entry> {
    let lapses = wallet.holds.values().any(|h| h.is_open() && h.terms.expires_at <= now);
    let expires = wallet.lots.values().any(|l| l.remaining.is_positive() && l.terms.is_expired(now));
    if !lapses && !expires {
        return None;
    }
    due(wallet, now).ok()?.into_iter().next()
}

/// The wallet as anybody must see it at `now`, whether or not a job has posted what is due.
pub fn settled(wallet: &Wallet, now: Timestamp) -> Result<Wallet, Refusal> {
    let mut draft = Draft::new(wallet, now);
    settle_draft(&mut draft)?;
    Ok(draft.wallet)
}

pub(crate) fn settle_draft(draft: &mut Draft) -> Result<(), Refusal> {
    let mut lapses = lapses(&draft.wallet, draft.now).into_iter().peekable();
    loop {
        let expiry = earliest_expiry(&draft.wallet, draft.now);
        // A lapse comes before an expiry of the same instant; its credits then expire with the rest.
        match (lapses.peek().copied(), expiry) {
            (Some((at, hold)), expiry) if expiry.is_none_or(|(expires_at, _)| at <= expires_at) => {
                lapses.next();
                lapse(draft, hold, at)?;
            }
            (_, Some((at, lot))) => expire(draft, lot, at)?,
            (_, None) => return Ok(()),
        }
    }
}

/// The holds whose time is over, in the order of their instants. Nothing that is due opens another.
fn lapses(wallet: &Wallet, now: Timestamp) -> Vec<(Timestamp, Seq)> {
    let open = wallet.holds.iter().filter(|(_, h)| h.is_open() && h.terms.expires_at <= now);
    let mut due: Vec<(Timestamp, Seq)> = open.map(|(seq, h)| (h.terms.expires_at, *seq)).collect();
    due.sort_unstable();
    due
}

/// Looked up anew after each step: a lapse gives credits back to lots that may then expire.
fn earliest_expiry(wallet: &Wallet, now: Timestamp) -> Option<(Timestamp, Seq)> {
    let expired = wallet.lots.iter().filter(|(_, l)| l.remaining.is_positive() && l.terms.is_expired(now));
    expired.filter_map(|(seq, l)| Some((l.terms.expires_at?, *seq))).min()
}

fn lapse(draft: &mut Draft, seq: Seq, at: Timestamp) -> Result<(), Refusal> {
    let Some(hold) = draft.hold(seq).cloned() else { return Ok(()) };
    let mut terms = hold.terms;
    terms.state = HoldState::Lapsed;
    draft.open(EntryKind::Lapse, at, Some(seq), Terms::Hold(terms));
    for (lot, credits) in hold.lots {
        draft.give_back(Account::Held, credits, lot)?;
    }
    draft.close();
    Ok(())
}

fn expire(draft: &mut Draft, seq: Seq, at: Timestamp) -> Result<(), Refusal> {
    let Some(remaining) = draft.wallet.lots.get(&seq).map(|l| l.remaining) else { return Ok(()) };
    draft.open(EntryKind::Expire, at, None, Terms::None);
    draft.moves(Account::Available, Account::Expired, remaining, Some(seq))?;
    draft.close();
    Ok(())
}
