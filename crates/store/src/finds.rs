//! What operators look for across all wallets. The journal has no index for it on purpose (it would cost
//! every write), so each of these reads the whole journal: for a person, never for a request of the API.

use kernel::{Seq, Timestamp, WalletId};
use ledger::EntryKind;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::sql::statement;
use crate::{Store, StoreError};

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
    let rest = format!(
        "AND kind IN ('unbilled', 'unrated') AND (recorded_at, wallet, seq) < ($1, $2, $3) \
         ORDER BY recorded_at DESC, wallet DESC, seq DESC LIMIT {limit}"
    );
    find(store, &rest, vec![at.micros().into(), wallet.uuid().into(), seq.into()]).await
}

/// Entries whose facts name this job, the last recorded first.
pub async fn of_job(store: &Store, job: &str, limit: u64) -> Result<Vec<Found>, StoreError> {
    let name = serde_json::to_string(job).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    let pattern = name.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    let rest = format!("AND about LIKE $1 ESCAPE '!' ORDER BY recorded_at DESC, seq DESC LIMIT {limit}");
    find(store, &rest, vec![format!("%\"job\":{pattern}%").into()]).await
}

async fn find(store: &Store, rest: &str, values: Vec<Value>) -> Result<Vec<Found>, StoreError> {
    let sql = format!("SELECT wallet, seq, kind, recorded_at, about FROM journal WHERE line = 0 {rest}");
    let rows = store.reads.query_all_raw(statement(store.dialect, &sql, values)).await?;
    rows.iter().map(|row| found(FoundRow::from_query_result(row, "")?)).collect()
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
