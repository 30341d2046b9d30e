use crate::check::Broken;
use crate::draft::{counts_as_call, post};
use crate::entry::{Entry, EntryKind, Line, Terms};
use crate::fold::apply_terms;
use crate::wallet::Wallet;

/// Folds a stored entry and compares everything that it says of itself: its place in the journal, and
/// after each line the balances and the lot's remainder.
pub fn audit(wallet: &mut Wallet, entry: &Entry) -> Result<(), Broken> {
    let id = wallet.id;
    let broken = |what: String| Broken { wallet: id, what: format!("entry {}: {what}", entry.seq) };
    if entry.seq != wallet.seq + 1 {
        return Err(broken(format!("follows entry {}", wallet.seq)));
    }
    if entry.recorded_at < wallet.recorded_at || entry.effective_at > entry.recorded_at {
        return Err(broken(format!("recorded {} effective {}", entry.recorded_at, entry.effective_at)));
    }
    wallet.seq = entry.seq;
    wallet.recorded_at = entry.recorded_at;
    wallet.rows += i64::try_from(entry.lines.len()).unwrap_or(i64::MAX);
    is_itself(entry).map_err(|what| broken(what.to_owned()))?;
    apply_terms(wallet, entry.seq, entry.hold, &entry.terms);
    for (n, line) in entry.lines.iter().enumerate() {
        if line.amount.is_negative() {
            return Err(broken(format!("line {n} moves {}", line.amount)));
        }
        post(wallet, entry.hold, line).ok_or_else(|| broken(format!("line {n} overflows")))?;
        says_what_is(wallet, line).map_err(|what| broken(format!("line {n} says {what}")))?;
    }
    if counts_as_call(entry.kind) {
        wallet.calls.count(entry.recorded_at);
    }
    Ok(())
}

/// A restriction names the entry that made it and its instant; nothing else carries one.
fn is_itself(entry: &Entry) -> Result<(), &'static str> {
    let is_restriction = matches!(entry.kind, EntryKind::Restrict | EntryKind::Release);
    match &entry.terms {
        Terms::Restriction(Some(made)) if (made.seq, made.since) != (entry.seq, entry.recorded_at) => {
            Err("restricts under another entry's name")
        }
        Terms::Restriction(made) if made.is_some() != (entry.kind == EntryKind::Restrict) => {
            Err("says of the restriction what its kind does not")
        }
        Terms::Restriction(_) if !is_restriction => Err("restricts and is of another kind"),
        Terms::Restriction(_) => Ok(()),
        _ if is_restriction => Err("says nothing of the restriction"),
        _ => Ok(()),
    }
}

fn says_what_is(wallet: &Wallet, line: &Line) -> Result<(), String> {
    let lot = line.lot.map(|lot| wallet.lots.get(&lot).map(|l| l.remaining));
    if lot.is_some_and(|remaining| remaining != line.lot_remaining) {
        return Err(format!("{:?} remains in its lot, which has {lot:?}", line.lot_remaining));
    }
    for (name, said, is) in [
        ("available", line.available_after, wallet.available),
        ("held", line.held_after, wallet.held),
        ("debt", line.debt_after, wallet.debt),
    ] {
        if said != is {
            return Err(format!("{name} {said}, it is {is}"));
        }
    }
    Ok(())
}
