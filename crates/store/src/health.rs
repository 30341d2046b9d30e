//! What `doctor` asks of the database itself.

use kernel::Timestamp;
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder, QuerySelect};

use crate::connect::Dialect;
use crate::entities::wallet;
use crate::sql::statement;
use crate::{Store, StoreError};

pub async fn version(store: &Store) -> Result<String, StoreError> {
    match store.dialect {
        Dialect::Sqlite => Ok(format!("SQLite {}", text(store, "SELECT sqlite_version()").await?)),
        Dialect::Postgres => text(store, "SELECT version()").await,
    }
}

/// How a commit survives a power cut, or (inner error) which setting gives that up.
pub async fn durability(store: &Store) -> Result<Result<String, String>, StoreError> {
    if store.dialect == Dialect::Sqlite {
        let row = store.writes.query_one_raw(statement(store.dialect, "PRAGMA synchronous", vec![])).await?;
        let level: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        let said = format!("synchronous = {}", level.unwrap_or(-1));
        return Ok(if level == Some(2) { Ok(said + " (FULL)") } else { Err(said) });
    }
    let mut said = Vec::new();
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let value = text(store, &format!("SHOW {setting}")).await?;
        if value == "off" {
            return Ok(Err(format!("{setting} = off")));
        }
        said.push(format!("{setting} = {value}"));
    }
    Ok(Ok(said.join(", ")))
}

/// The instant of the newest entry of any wallet.
pub async fn last_recorded(store: &Store) -> Result<Option<Timestamp>, StoreError> {
    let newest: Option<Option<i64>> = wallet::Entity::find()
        .select_only()
        .column(wallet::Column::RecordedAt)
        .order_by_desc(wallet::Column::RecordedAt)
        .limit(1)
        .into_tuple()
        .one(&store.reads)
        .await?;
    Ok(newest.flatten().and_then(Timestamp::from_micros))
}

async fn text(store: &Store, sql: &str) -> Result<String, StoreError> {
    let row = store.reads.query_one_raw(statement(store.dialect, sql, vec![])).await?;
    let value: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    value.ok_or_else(|| StoreError::Corrupt(format!("{sql} answered nothing")))
}
