use std::collections::BTreeMap;

use kernel::{Credits, Seq, WalletId};

use crate::wallet::Wallet;

/// A broken invariant: a defect of ours or a row changed behind our back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("wallet {wallet}: {what}")]
pub struct Broken {
    pub wallet: WalletId,
    pub what: String,
}

/// The invariants of a wallet: nothing negative, the lots add up to available and held, the open
/// holds add up to held, per lot as well, and no lot holds more than was granted.
pub fn check(wallet: &Wallet) -> Result<(), Broken> {
    let broken = |what: String| Err(Broken { wallet: wallet.id, what });
    for (name, amount) in [("available", wallet.available), ("held", wallet.held), ("debt", wallet.debt)] {
        if amount.is_negative() {
            return broken(format!("{name} is {amount}"));
        }
    }
    let available: i128 = wallet.lots.values().map(|l| i128::from(l.remaining.micros())).sum();
    if available != i128::from(wallet.available.micros()) {
        return broken(format!("its lots hold {available} micro-credits, available is {}", wallet.available));
    }
    let held: i128 = wallet.lots.values().map(|l| i128::from(l.held.micros())).sum();
    if held != i128::from(wallet.held.micros()) {
        return broken(format!("its lots have {held} micro-credits held, held is {}", wallet.held));
    }
    let by_holds = held_by_lot(wallet);
    for (seq, lot) in &wallet.lots {
        let by_holds = by_holds.get(seq).copied().unwrap_or(0);
        if by_holds != i128::from(lot.held.micros()) {
            return broken(format!(
                "lot {seq} has {} held, its holds say {by_holds} micro-credits",
                lot.held
            ));
        }
        if lot.remaining.is_negative() || lot.held.is_negative() {
            return broken(format!("lot {seq} is negative"));
        }
        let total = lot.remaining.checked_add(lot.held).unwrap_or(Credits::from_micros(i64::MAX));
        if total > lot.terms.granted {
            return broken(format!("lot {seq} has {total} of {} granted", lot.terms.granted));
        }
    }
    if let Some((seq, _)) = wallet.holds.iter().find(|(_, h)| h.lots.iter().any(|(_, c)| c.is_negative())) {
        return broken(format!("hold {seq} has a negative part"));
    }
    if let Some((seq, _)) = wallet.holds.iter().find(|(_, h)| h.terms.remaining != h.remaining()) {
        return broken(format!("hold {seq} says another remainder than its lots"));
    }
    match wallet.holds.iter().find(|(_, h)| !h.is_open() && !h.lots.is_empty()) {
        Some((seq, _)) => broken(format!("hold {seq} is closed and still holds credits")),
        None if by_holds.keys().any(|lot| !wallet.lots.contains_key(lot)) => {
            broken("a hold names a lot that is not there".to_owned())
        }
        None => Ok(()),
    }
}

fn held_by_lot(wallet: &Wallet) -> BTreeMap<Seq, i128> {
    let mut held = BTreeMap::new();
    for (lot, credits) in wallet.holds.values().flat_map(|h| &h.lots) {
        *held.entry(*lot).or_insert(0) += i128::from(credits.micros());
    }
    held
}
