//! Claiming rows of [`Queue::Inbox`] and [`Queue::Outbox`]: a claim is a guarded UPDATE that moves
//! `next_attempt_at` to the end of the lease and leaves a token, so a worker that dies gives its row back
//! by doing nothing, and one that comes back too late changes nothing.

use sea_orm::{ConnectionTrait, DatabaseTransaction, Value};
use uuid::Uuid;

use crate::sql::statement;
use crate::{Store, StoreError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    Inbox,
    Outbox,
}

/// The states of a row. Only `waiting` rows are claimed.
pub const WAITING: &str = "waiting";
pub const DONE: &str = "done";
/// Nothing had to be done.
pub const IGNORED: &str = "ignored";
/// A dead letter: a person must look.
pub const FAILED: &str = "failed";

impl Queue {
    const fn table(self) -> &'static str {
        match self {
            Queue::Inbox => "inbox",
            Queue::Outbox => "outbox",
        }
    }
}

/// Ids of rows whose time has come, the longest waiting first.
pub async fn due<T: sea_orm::TryGetable>(
    store: &Store,
    queue: Queue,
    now: i64,
    limit: u64,
) -> Result<Vec<T>, StoreError> {
    let sql = format!(
        "SELECT id FROM {} WHERE state = 'waiting' AND next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT {limit}",
        queue.table()
    );
    let rows = store.reader().query_all_raw(statement(store.dialect(), &sql, vec![now.into()])).await?;
    rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
}

/// Whether the row is now leased under `token`, until `until`.
pub async fn claim(
    store: &Store,
    queue: Queue,
    id: impl Into<Value>,
    token: Uuid,
    (now, until): (i64, i64),
) -> Result<bool, StoreError> {
    let sql = format!(
        "UPDATE {} SET lease = $1, next_attempt_at = $2, attempts = attempts + 1 \
         WHERE id = $3 AND state = 'waiting' AND next_attempt_at <= $4",
        queue.table()
    );
    let values = vec![token.into(), until.into(), id.into(), now.into()];
    let done = store.writer().execute_raw(statement(store.dialect(), &sql, values)).await?;
    Ok(done.rows_affected() == 1)
}

/// The end of a row that is leased under `token`; false when the lease went to somebody else.
pub async fn end(
    db: &impl ConnectionTrait,
    queue: Queue,
    token: Uuid,
    state: &str,
    error: Option<&str>,
    at: i64,
) -> Result<bool, StoreError> {
    let sql = format!(
        "UPDATE {} SET state = $1, error = $2, done_at = $3, lease = NULL WHERE lease = $4 AND state = 'waiting'",
        queue.table()
    );
    let values = vec![state.into(), error.map(str::to_owned).into(), at.into(), token.into()];
    let done = db.execute_raw(raw(db, sql, values)).await?;
    Ok(done.rows_affected() == 1)
}

/// Another attempt at `at`.
pub async fn retry(
    store: &Store,
    queue: Queue,
    token: Uuid,
    error: &str,
    at: i64,
) -> Result<bool, StoreError> {
    let sql = format!(
        "UPDATE {} SET next_attempt_at = $1, error = $2, lease = NULL WHERE lease = $3 AND state = 'waiting'",
        queue.table()
    );
    let values = vec![at.into(), error.into(), token.into()];
    let done = store.writer().execute_raw(statement(store.dialect(), &sql, values)).await?;
    Ok(done.rows_affected() == 1)
}

/// Begins anew with a row that has ended; false while it still waits.
pub async fn again(
    txn: &DatabaseTransaction,
    queue: Queue,
    id: impl Into<Value>,
    now: i64,
) -> Result<bool, StoreError> {
    let sql = format!(
        "UPDATE {} SET state = 'waiting', attempts = 0, next_attempt_at = $1, lease = NULL, done_at = NULL \
         WHERE id = $2 AND state <> 'waiting'",
        queue.table()
    );
    let done = txn.execute_raw(raw(txn, sql, vec![now.into(), id.into()])).await?;
    Ok(done.rows_affected() == 1)
}

/// How many rows are in `state`.
pub async fn count(store: &Store, queue: Queue, state: &str) -> Result<u64, StoreError> {
    let sql = format!("SELECT COUNT(*) FROM {} WHERE state = $1", queue.table());
    let row = store.reader().query_one_raw(statement(store.dialect(), &sql, vec![state.into()])).await?;
    let count: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

fn raw(db: &impl ConnectionTrait, sql: String, values: Vec<Value>) -> sea_orm::Statement {
    sea_orm::Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}
