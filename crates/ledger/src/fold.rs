use kernel::{Credits, Seq};

use crate::draft::{counts_as_call, post};
use crate::entry::{Entry, Terms};
use crate::refusal::Refusal;
use crate::wallet::{Hold, Lot, LotTerms, Wallet};

/// The wallet after a stored entry. Fails only on rows that no decision made.
pub fn fold(wallet: &mut Wallet, entry: &Entry) -> Result<(), Refusal> {
    wallet.seq = entry.seq;
    wallet.recorded_at = entry.recorded_at;
    wallet.rows += i64::try_from(entry.lines.len()).unwrap_or(i64::MAX);
    apply_terms(wallet, entry.seq, entry.hold, &entry.terms);
    for line in &entry.lines {
        post(wallet, entry.hold, line).ok_or(Refusal::TooLarge)?;
    }
    if counts_as_call(entry.kind) {
        wallet.calls.count(entry.recorded_at);
    }
    Ok(())
}

pub(crate) fn apply_terms(wallet: &mut Wallet, seq: Seq, hold: Option<Seq>, terms: &Terms) {
    match terms {
        Terms::None => {}
        Terms::Lot(terms) => set_lot(wallet, seq, terms),
        Terms::LotAfter { lot, terms } => set_lot(wallet, *lot, terms),
        Terms::Hold(terms) => {
            let Some(hold) = hold else { return };
            // A closed hold may have been compacted away; only its own entry brings it to life.
            match wallet.holds.get_mut(&hold) {
                Some(known) => known.terms = terms.clone(),
                None if hold == seq => {
                    wallet.holds.insert(hold, Hold { terms: terms.clone(), lots: Vec::new() });
                }
                None => {}
            }
        }
        Terms::Reverse { lots, .. } => lots.iter().for_each(|(lot, terms)| set_lot(wallet, *lot, terms)),
        Terms::Restriction(restriction) => wallet.restriction = *restriction,
    }
}

fn set_lot(wallet: &mut Wallet, lot: Seq, terms: &LotTerms) {
    wallet.lots.entry(lot).and_modify(|known| known.terms = terms.clone()).or_insert_with(|| Lot {
        terms: terms.clone(),
        remaining: Credits::ZERO,
        held: Credits::ZERO,
    });
}
