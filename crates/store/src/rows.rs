//! Stored rows ↔ the ledger's types.

use std::collections::BTreeMap;

use kernel::{Credits, Money, Seq, Timestamp, WalletId, bucket_of};
use ledger::{CallWindow, Entry, Hold, HoldTerms, Key, Line, Lot, LotTerms, Terms, Wallet};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;
use crate::entities::{hold, lot, posting, wallet};

/// What is left of a wallet's open lots: (remaining, held) by seq, until each has met its lot's row.
pub(crate) type Left = BTreeMap<Seq, (Credits, Credits)>;

fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(corrupt)
}

pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(corrupt)
}

fn instant(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_micros(micros).ok_or_else(|| corrupt(format!("{micros} is not an instant")))
}

/// Lines count from 0 without gaps.
pub(crate) fn order(entry: &[posting::Model]) -> Result<(), &'static str> {
    let in_order = entry.iter().enumerate().all(|(n, row)| i16::try_from(n) == Ok(row.line));
    if in_order { Ok(()) } else { Err("has a gap between its lines") }
}

/// Entries of rows in the order (seq, line); every entry must be whole.
pub(crate) fn entries(rows: Vec<posting::Model>) -> Result<Vec<Entry>, StoreError> {
    let mut entries: Vec<Entry> = Vec::new();
    for row in rows {
        let line = line(&row)?;
        match entries.last_mut() {
            Some(entry) if entry.seq == row.seq => entry.lines.push(line),
            _ => entries.push(entry(&row, line)?),
        }
    }
    Ok(entries)
}

fn entry(row: &posting::Model, line: Line) -> Result<Entry, StoreError> {
    if row.line != 0 {
        return Err(corrupt(format!("entry {} starts at line {}", row.seq, row.line)));
    }
    let key = match (&row.idempotency_key, &row.input_hash) {
        (Some(text), Some(hash)) => Some(Key {
            text: text.clone(),
            hash: hash.as_slice().try_into().map_err(|_| corrupt("a hash is not 32 bytes"))?,
        }),
        _ => None,
    };
    Ok(Entry {
        seq: row.seq,
        kind: row.kind.parse().map_err(corrupt)?,
        recorded_at: instant(row.recorded_at)?,
        effective_at: instant(row.effective_at)?,
        key,
        hold: row.hold,
        terms: row.terms.as_deref().map_or(Ok(Terms::None), from_json)?,
        about: row.about.as_deref().map(Into::into),
        lines: vec![line],
    })
}

pub(crate) fn line(row: &posting::Model) -> Result<Line, StoreError> {
    Ok(Line {
        from: row.from_account.parse().map_err(corrupt)?,
        to: row.to_account.parse().map_err(corrupt)?,
        amount: Credits::from_micros(row.amount),
        lot: row.lot,
        lot_remaining: row.lot_remaining.map(Credits::from_micros),
        available_after: Credits::from_micros(row.balance_after),
        held_after: Credits::from_micros(row.held_after),
        debt_after: Credits::from_micros(row.debt_after),
    })
}

pub(crate) fn wallet(row: &wallet::Model) -> Result<Wallet, StoreError> {
    let calls: CallWindow = from_json(&row.calls)?;
    Ok(Wallet {
        seq: row.seq,
        recorded_at: instant(row.recorded_at)?,
        rows: row.posting_rows,
        available: Credits::from_micros(row.available),
        held: Credits::from_micros(row.held),
        debt: Credits::from_micros(row.debt),
        calls,
        restriction: row.restriction.as_deref().map(from_json).transpose()?,
        ..Wallet::new(WalletId::from_uuid(row.wallet))
    })
}

pub(crate) fn wallet_row(wallet: &Wallet) -> Result<wallet::Model, StoreError> {
    Ok(wallet::Model {
        bucket: bucket_of(wallet.id),
        wallet: wallet.id.uuid(),
        seq: wallet.seq,
        recorded_at: wallet.recorded_at.micros(),
        posting_rows: wallet.rows,
        available: wallet.available.micros(),
        held: wallet.held.micros(),
        debt: wallet.debt.micros(),
        calls: to_json(&wallet.calls)?,
        lots: open_lots(wallet)?,
        restriction: restriction(wallet)?,
    })
}

pub(crate) fn open_lots(wallet: &Wallet) -> Result<String, StoreError> {
    let open = wallet.lots.iter().filter(|(_, lot)| lot.is_open());
    to_json(&open.map(|(seq, lot)| (seq, lot.remaining.micros(), lot.held.micros())).collect::<Vec<_>>())
}

pub(crate) fn left(row: &wallet::Model) -> Result<Left, StoreError> {
    let left: Vec<(Seq, i64, i64)> = from_json(&row.lots)?;
    let micros = Credits::from_micros;
    Ok(left.into_iter().map(|(seq, remaining, held)| (seq, (micros(remaining), micros(held)))).collect())
}

/// After the last open lot's row.
pub(crate) fn all_found(left: &Left) -> Result<(), StoreError> {
    left.keys().next().map_or(Ok(()), |seq| Err(corrupt(format!("lot {seq} is open and has no open row"))))
}

pub(crate) fn restriction(wallet: &Wallet) -> Result<Option<String>, StoreError> {
    wallet.restriction.as_ref().map(to_json).transpose()
}

pub(crate) fn lot_row(wallet: WalletId, seq: Seq, lot: &Lot) -> lot::Model {
    lot::Model {
        bucket: bucket_of(wallet),
        wallet: wallet.uuid(),
        seq,
        kind: lot.terms.kind.as_str().to_owned(),
        granted: lot.terms.granted.micros(),
        priority: lot.terms.priority,
        expires_at: lot.terms.expires_at.map(|at| at.micros()),
        paid_minor: lot.terms.paid.map(|paid| paid.amount),
        currency: lot.terms.paid.map(|paid| paid.currency.to_string()),
        clawed_back: lot.terms.clawed_back.micros(),
        voided: lot.terms.voided,
        has_remaining: lot.remaining.is_positive(),
        is_open: lot.is_open(),
    }
}

/// True when both make the same row.
pub(crate) fn is_same_row(before: &Lot, after: &Lot) -> bool {
    before.terms == after.terms
        && before.remaining.is_positive() == after.remaining.is_positive()
        && before.is_open() == after.is_open()
}

pub(crate) fn hold_row(wallet: WalletId, seq: Seq, hold: &Hold) -> Result<hold::Model, StoreError> {
    Ok(hold::Model {
        bucket: bucket_of(wallet),
        wallet: wallet.uuid(),
        seq,
        state: hold.terms.state.as_str().to_owned(),
        authorized: hold.terms.authorized.micros(),
        captured: hold.terms.captured.micros(),
        captures: i64::from(hold.terms.captures),
        expires_at: hold.terms.expires_at.micros(),
        progress: hold.terms.progress.clone(),
        lots: hold_lots(hold)?,
    })
}

pub(crate) fn open_lot(row: &lot::Model, left: &mut Left) -> Result<Lot, StoreError> {
    let (remaining, held) = left
        .remove(&row.seq)
        .ok_or_else(|| corrupt(format!("lot {} is open and nothing is left", row.seq)))?;
    Ok(Lot { terms: lot_terms(row)?, remaining, held })
}

pub(crate) fn closed_lot(row: &lot::Model) -> Result<Lot, StoreError> {
    if row.is_open {
        return Err(corrupt(format!("lot {} is open and its wallet does not say so", row.seq)));
    }
    Ok(Lot { terms: lot_terms(row)?, remaining: Credits::ZERO, held: Credits::ZERO })
}

fn lot_terms(row: &lot::Model) -> Result<LotTerms, StoreError> {
    let paid = match (row.paid_minor, row.currency.as_deref()) {
        (Some(amount), Some(currency)) => {
            Some(Money { amount, currency: currency.parse().map_err(corrupt)? })
        }
        _ => None,
    };
    Ok(LotTerms {
        kind: row.kind.parse().map_err(corrupt)?,
        granted: Credits::from_micros(row.granted),
        priority: row.priority,
        expires_at: row.expires_at.map(instant).transpose()?,
        paid,
        clawed_back: Credits::from_micros(row.clawed_back),
        voided: row.voided,
    })
}

pub(crate) fn hold(row: &hold::Model) -> Result<(Seq, Hold), StoreError> {
    let lots: Vec<(Seq, i64)> = from_json(&row.lots)?;
    let terms = HoldTerms {
        state: row.state.parse().map_err(corrupt)?,
        authorized: Credits::from_micros(row.authorized),
        captured: Credits::from_micros(row.captured),
        remaining: Credits::from_micros(lots.iter().map(|(_, micros)| micros).sum()),
        captures: u32::try_from(row.captures).map_err(corrupt)?,
        expires_at: instant(row.expires_at)?,
        progress: row.progress.clone(),
    };
    let lots = lots.into_iter().map(|(lot, micros)| (lot, Credits::from_micros(micros))).collect();
    Ok((row.seq, Hold { terms, lots }))
}

pub(crate) fn hold_lots(hold: &Hold) -> Result<String, StoreError> {
    let lots: Vec<(Seq, i64)> = hold.lots.iter().map(|(lot, c)| (*lot, c.micros())).collect();
    to_json(&lots)
}
