//! What operators look for across all wallets. Sealed rows, however many, are found by indexes of their own.
//! The table that is written to has none for it on purpose (it would cost every write) and is read as a whole;
//! sealing bounds it by `hot_rows`. For a person, never for a request of the API.

use kernel::{Seq, Timestamp, WalletId};
use ledger::EntryKind;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::connect::Dialect;
use crate::sql::statement;
use crate::{Store, StoreError};

const TABLES: [&str; 2] = ["postings", "sealed_postings"];

/// The first line of an entry.
#[derive(Clone, Debug)]
pub struct Found {
    pub wallet: WalletId,
    pub seq: Seq,
    pub kind: EntryKind,
    pub recorded_at: Timestamp,
    pub about: Option<String>,
}

#[derive(FromQueryResult)]
struct FoundRow {
    wallet: uuid::Uuid,
    seq: i64,
    kind: String,
    recorded_at: i64,
    about: Option<String>,
}

/// Where a page of finds ends: its last entry.
pub type Before = (Timestamp, WalletId, Seq);

/// Reported work that nobody was charged for, the last recorded first.
pub async fn unpaid(store: &Store, before: Option<Before>, limit: u64) -> Result<Vec<Found>, StoreError> {
    let (at, wallet, seq) = before.unwrap_or((Timestamp::MAX, WalletId::from_uuid(uuid::Uuid::max()), 0));
    let condition = "kind IN ('unbilled', 'unrated') AND (recorded_at, wallet, seq) < ($1, $2, $3)";
    let values: Vec<Value> = vec![at.micros().into(), wallet.uuid().into(), seq.into()];
    find(store, [(condition, values.clone()), (condition, values)], limit).await
}

/// Entries whose facts name this job, the last recorded first.
pub async fn of_job(store: &Store, job: &str, limit: u64) -> Result<Vec<Found>, StoreError> {
    let written = serde_json::to_string(job).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    let anywhere = format!("\"job\":{written}");
    // The very expressions of the index on sealed rows, `m0051_finds`.
    let (job_of, position, name) = match store.dialect {
        Dialect::Sqlite => {
            ("CASE WHEN json_valid(about) THEN json_extract(about, '$.job') END", "instr", job.to_owned())
        }
        Dialect::Postgres => (
            r#"substring(split_part(about, ',"report":', 1) from '"job":("(?:[^"\\]|\\.)*")')"#,
            "strpos",
            written,
        ),
    };
    // Where every row is looked at, most are left by a glance.
    let hot = format!("{position}(about, $1) > 0 AND {job_of} = $2");
    let sealed = format!("{job_of} = $1");
    let searches = [(&*hot, vec![anywhere.into(), name.clone().into()]), (&*sealed, vec![name.into()])];
    find(store, searches, limit).await
}

/// The last recorded of both tables, each with its condition. Sealing moves rows from the first to the second: what
/// is read twice is one entry, and nothing is missed.
async fn find(
    store: &Store,
    searches: [(&str, Vec<Value>); 2],
    limit: u64,
) -> Result<Vec<Found>, StoreError> {
    let mut all = Vec::new();
    for (table, (condition, values)) in TABLES.iter().zip(searches) {
        let sql = format!(
            "SELECT wallet, seq, kind, recorded_at, about FROM {table} WHERE line = 0 AND {condition} \
             ORDER BY recorded_at DESC, wallet DESC, seq DESC LIMIT {limit}"
        );
        let rows = store.reads.query_all_raw(statement(store.dialect, &sql, values)).await?;
        for row in &rows {
            all.push(found(FoundRow::from_query_result(row, "")?)?);
        }
    }
    let place = |found: &Found| (found.recorded_at, found.wallet.uuid(), found.seq);
    all.sort_by_key(|found| std::cmp::Reverse(place(found)));
    all.dedup_by_key(|found| place(found));
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(all)
}

fn found(row: FoundRow) -> Result<Found, StoreError> {
    Ok(Found {
        wallet: WalletId::from_uuid(row.wallet),
        seq: row.seq,
        kind: row.kind.parse().map_err(StoreError::Corrupt)?,
        recorded_at: Timestamp::from_micros_saturating(row.recorded_at),
        about: row.about,
    })
}

/// (available + held - debt of all wallets in micro-credits, holds that are open).
pub async fn outstanding(store: &Store) -> Result<(i64, i64), StoreError> {
    let number = async |sql: &str| -> Result<i64, StoreError> {
        let row = store.reads.query_one_raw(statement(store.dialect, sql, vec![])).await?;
        let number: Option<Option<i64>> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(number.flatten().unwrap_or(0))
    };
    let credits = number("SELECT CAST(SUM(available + held - debt) AS BIGINT) FROM wallets").await?;
    Ok((credits, number("SELECT COUNT(*) FROM holds WHERE state = 'open'").await?))
}
