//! What time alone has done to a wallet: expired lots and lapsed holds.

use kernel::{Seq, Timestamp};

use crate::draft::Draft;
use crate::entry::{Account, Entry, EntryKind, Terms};
use crate::refusal::Refusal;
use crate::wallet::{HoldState, Wallet};

enum Due {
    Lapse(Seq),
    Expire(Seq),
}

/// The entries that time owes the wallet at `now`, in the order of their instants.
pub fn due(wallet: &Wallet, now: Timestamp) -> Result<Vec<Entry>, Refusal> {
    let mut draft = Draft::new(wallet, now);
    settle(&mut draft)?;
    Ok(draft.entries)
}

/// The wallet as anybody must see it at `now`, whether or not a job has posted what is due.
pub fn settled(wallet: &Wallet, now: Timestamp) -> Result<Wallet, Refusal> {
    let mut draft = Draft::new(wallet, now);
    settle(&mut draft)?;
    Ok(draft.wallet)
}

pub(crate) fn settle(draft: &mut Draft) -> Result<(), Refusal> {
    while let Some((at, next)) = earliest(&draft.wallet, draft.now) {
        match next {
            Due::Lapse(hold) => lapse(draft, hold, at)?,
            Due::Expire(lot) => expire(draft, lot, at)?,
        }
    }
    Ok(())
}

/// A lapse comes before an expiry of the same instant; its credits then expire with the rest.
fn earliest(wallet: &Wallet, now: Timestamp) -> Option<(Timestamp, Due)> {
    let lapse = wallet
        .holds
        .iter()
        .filter(|(_, h)| h.is_open() && h.terms.expires_at <= now)
        .min_by_key(|(seq, h)| (h.terms.expires_at, **seq))
        .map(|(seq, h)| (h.terms.expires_at, Due::Lapse(*seq)));
    let expiry = wallet
        .lots
        .iter()
        .filter(|(_, l)| l.remaining.is_positive() && l.terms.is_expired(now))
        .min_by_key(|(seq, l)| (l.terms.expires_at, **seq))
        .and_then(|(seq, l)| Some((l.terms.expires_at?, Due::Expire(*seq))));
    match (lapse, expiry) {
        (Some(l), Some(e)) => Some(if l.0 <= e.0 { l } else { e }),
        (l, e) => l.or(e),
    }
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
