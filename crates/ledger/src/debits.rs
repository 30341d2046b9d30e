use kernel::Credits;

use crate::decide::{Gate, WhenShort};
use crate::draft::Draft;
use crate::entry::{Account, EntryKind, Terms};
use crate::refusal::Refusal;

pub(crate) fn debit(
    draft: &mut Draft,
    price: Credits,
    gate: &Gate,
    when_short: WhenShort,
) -> Result<(), Refusal> {
    gate.judge(&draft.wallet, draft.now)?;
    let (now, available) = (draft.now, draft.wallet.available);
    if price > available {
        match when_short {
            WhenShort::Refuse => return Err(Refusal::Short { needed: price, available }),
            WhenShort::Unbilled => {
                draft.open(EntryKind::Unbilled, now, None, Terms::None);
                draft.close();
                return Ok(());
            }
            WhenShort::Absorb | WhenShort::Overdraft { .. } => {}
        }
    }
    draft.open(EntryKind::Debit, now, None, Terms::None);
    let taken = draft.take_available(Account::Spent, price)?;
    cover(draft, price.minus_or_zero(taken), when_short)?;
    draft.close();
    Ok(())
}

/// Accounts for work that is done but not paid by lots.
pub(crate) fn cover(draft: &mut Draft, missing: Credits, when_short: WhenShort) -> Result<(), Refusal> {
    let as_debt = match when_short {
        WhenShort::Overdraft { limit } => missing.min(limit.minus_or_zero(draft.wallet.debt)),
        _ => Credits::ZERO,
    };
    draft.moves(Account::Debt, Account::Spent, as_debt, None)?;
    draft.moves(Account::Uncovered, Account::Spent, missing.minus_or_zero(as_debt), None)
}
