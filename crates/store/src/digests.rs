//! A digest of each stored entry: it sits on line 0 and tells whether any column of any of its rows
//! changed since they were written.

use sea_orm::{ConnectionTrait, Value};
use sha2::{Digest, Sha256};

use crate::connect::Dialect;
use crate::entities::posting;
use crate::pages::Cursor;
use crate::sql::with_rows;
use crate::{StoreError, rows};

/// Entries without digests are older than sealing.
const HOT: &str = "postings";
const ENTRIES_PER_STATEMENT: usize = 1_000;
/// Bytes that most entries have room in.
const ROOM: usize = 1_024;

/// One row as its digest sees it: every column but the digest itself.
pub(crate) struct Row<'a> {
    pub bucket: i16,
    pub wallet: &'a [u8],
    pub line: i16,
    /// seq, recorded_at, effective_at, amount, balance_after, held_after, debt_after
    pub numbers: [i64; 7],
    /// lot, lot_remaining, hold
    pub optional_numbers: [Option<i64>; 3],
    /// kind, from_account, to_account
    pub texts: [&'a str; 3],
    /// idempotency_key, terms, about
    pub optional_texts: [Option<&'a str>; 3],
    pub input_hash: Option<&'a [u8]>,
}

/// The first 64 bits of SHA-256 over the rows of an entry, texts with their lengths before them.
pub(crate) fn digest_of<'a>(rows: impl Iterator<Item = Row<'a>>) -> i64 {
    let mut bytes = Vec::with_capacity(ROOM);
    for row in rows {
        bytes.extend_from_slice(&row.bucket.to_be_bytes());
        bytes.extend_from_slice(row.wallet);
        bytes.extend_from_slice(&row.line.to_be_bytes());
        for number in row.numbers {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        for number in row.optional_numbers {
            optional(&mut bytes, number.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        }
        for text in row.texts {
            optional(&mut bytes, Some(text.as_bytes()));
        }
        for text in row.optional_texts {
            optional(&mut bytes, text.map(str::as_bytes));
        }
        optional(&mut bytes, row.input_hash);
    }
    let whole: [u8; 32] = Sha256::digest(&bytes).into();
    whole.iter().take(8).fold(0, |number, byte| number << 8 | i64::from(*byte))
}

pub(crate) fn digest(rows: &[posting::Model]) -> i64 {
    digest_of(rows.iter().map(|row| Row {
        bucket: row.bucket,
        wallet: row.wallet.as_bytes(),
        line: row.line,
        numbers: [
            row.seq,
            row.recorded_at,
            row.effective_at,
            row.amount,
            row.balance_after,
            row.held_after,
            row.debt_after,
        ],
        optional_numbers: [row.lot, row.lot_remaining, row.hold],
        texts: [&row.kind, &row.from_account, &row.to_account],
        optional_texts: [row.idempotency_key.as_deref(), row.terms.as_deref(), row.about.as_deref()],
        input_hash: row.input_hash.as_deref(),
    }))
}

fn optional(all: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let length = bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    all.extend_from_slice(&length.to_be_bytes());
    all.extend_from_slice(bytes.unwrap_or_default());
}

/// Gives entries that were written before there were digests theirs. A migration's; safe to run twice.
pub async fn fill(db: &impl ConnectionTrait, dialect: Dialect) -> Result<(), StoreError> {
    let mut cursor = Cursor::<posting::Model>::over_table(dialect, HOT, (i16::MIN, i16::MAX));
    let (mut entry, mut found) = (Vec::new(), Vec::new());
    while let Some(row) = cursor.next(db).await? {
        if row.line == 0 && !entry.is_empty() {
            found.extend(lacking(&std::mem::take(&mut entry)));
        }
        entry.push(row);
        if found.len() == ENTRIES_PER_STATEMENT {
            write(db, dialect, &std::mem::take(&mut found)).await?;
        }
    }
    found.extend(lacking(&entry));
    write(db, dialect, &found).await
}

fn lacking(entry: &[posting::Model]) -> Option<Vec<Value>> {
    let first = entry.first().filter(|row| row.digest.is_none())?;
    Some(vec![first.bucket.into(), first.wallet.into(), first.seq.into(), digest(entry).into()])
}

async fn write(db: &impl ConnectionTrait, dialect: Dialect, found: &[Vec<Value>]) -> Result<(), StoreError> {
    if found.is_empty() {
        return Ok(());
    }
    let update = format!(
        "UPDATE {HOT} AS t SET digest = v.digest FROM v \
         WHERE t.bucket = v.bucket AND t.wallet = v.wallet AND t.seq = v.seq AND t.line = 0"
    );
    db.execute_raw(with_rows(dialect, &["bucket", "wallet", "seq", "digest"], found, &update)).await?;
    Ok(())
}

/// What is wrong with the digest of an entry's rows, in order of their lines.
pub(crate) fn wrong(entry: &[posting::Model]) -> Option<&'static str> {
    let (first, rest) = entry.split_first()?;
    match first.digest {
        None => Some("has no digest on its first line"),
        Some(_) if rest.iter().any(|row| row.digest.is_some()) => Some("has a second digest"),
        Some(said) if said != digest(entry) => Some("is not what was written: its digest differs"),
        Some(_) => rows::order(entry).err(),
    }
}
