//! What time must have done at the end: every short hold lapsed once, every lot with an end is empty.

use kernel::Seq;

use super::audit::{Entry, Journal};
use super::operation::{Due, Effect, Record};
use super::{Flaw, FlawKind};

/// Finds what followed from the record; nobody else may have it.
pub fn claim(journal: &mut Journal, record: &Record) -> Result<(), Flaw> {
    let id = record.first.text("id");
    let followed = match record.operation.due {
        Due::Nothing => return Ok(()),
        Due::Lapse(_) => journal.of_holds.get(&("lapse".to_owned(), id.clone())).cloned().unwrap_or_default(),
        Due::ExpiryOfAll(_) | Due::ExpiryOfRest(_) => expiries_of(journal, &id),
    };
    let wrong = |journal: &Journal, what: &str| {
        let entries: Vec<&Entry> = followed.iter().filter_map(|seq| journal.entries.get(seq)).collect();
        let lot = journal.lots.get(&id);
        let (key, due) = (&record.operation.key, record.operation.due);
        let what = format!("{key} {id}: {what}; due was {due:?}, the journal has {entries:?}, lot {lot:?}");
        Err(Flaw::new(FlawKind::NotInTime, what))
    };
    match (record.operation.due, followed.as_slice()) {
        (Due::ExpiryOfRest(_), []) => {}
        (_, [seq]) => {
            let Some(entry) = journal.entries.get_mut(seq) else { return wrong(journal, "no entry") };
            if entry.claimed_by.is_some() {
                return wrong(journal, "it followed from something else");
            }
            entry.claimed_by = Some(format!("{}'s end", record.operation.key));
            if entry.is_unwritten || entry.effective_at != record.first.text("expires_at") {
                return wrong(journal, "not at its instant");
            }
        }
        _ => return wrong(journal, "not once"),
    }
    let lot = journal.lots.get(&id).copied().unwrap_or_default();
    let happened = followed.first().and_then(|seq| journal.entries.get(seq)).map(|entry| entry.effect);
    let is_right = match record.operation.due {
        Due::Nothing => true,
        Due::Lapse(micros) => happened == Some(Effect { available: micros, held: -micros }),
        Due::ExpiryOfAll(micros) => lot.expired == micros && lot.left == Effect::default(),
        Due::ExpiryOfRest(micros) => lot.expired <= micros && lot.left.available == 0,
    };
    if is_right { Ok(()) } else { wrong(journal, "not so much") }
}

/// What a lapse gave back.
pub fn given_back(record: &Record) -> Effect {
    match record.operation.due {
        Due::Lapse(micros) => Effect { available: micros, held: -micros },
        _ => Effect::default(),
    }
}

fn expiries_of(journal: &Journal, lot: &str) -> Vec<Seq> {
    let of_lot = |entry: &Entry| entry.kind == "expire" && entry.lot.as_deref() == Some(lot);
    journal.entries.iter().filter(|(_, entry)| of_lot(entry)).map(|(seq, _)| *seq).collect()
}
