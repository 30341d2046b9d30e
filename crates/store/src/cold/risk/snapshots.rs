//! The state of all wallets at an instant, in parts that fit a row.

use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

use crate::{Store, StoreError};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_snapshots")]
pub struct Model {
    /// Everything before it is in, microseconds.
    #[sea_orm(primary_key, auto_increment = false)]
    pub watermark: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub part: i32,
    pub parts: i32,
    pub taken_at: i64,
    pub bytes: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Of one row.
const PART_BYTES: usize = 2 * 1024 * 1024;

/// Writes a snapshot whole or not at all. One with this watermark that is there already stays.
pub async fn save(store: &Store, watermark: i64, taken_at: i64, bytes: &[u8]) -> Result<(), StoreError> {
    let txn = store.write().await?;
    let chunks: Vec<&[u8]> = bytes.chunks(PART_BYTES).collect();
    let parts = i32::try_from(chunks.len()).unwrap_or(i32::MAX);
    for (part, bytes) in (0..).zip(chunks) {
        let row = Model { watermark, part, parts, taken_at, bytes: bytes.to_vec() };
        Entity::insert(ActiveModel::from(row))
            .on_conflict_do_nothing_on([Column::Watermark, Column::Part])
            .exec_without_returning(&txn)
            .await?;
    }
    txn.commit().await?;
    Ok(())
}

/// Watermarks up to `until`, the newest first.
pub async fn watermarks(store: &Store, until: i64, limit: u64) -> Result<Vec<i64>, StoreError> {
    Ok(Entity::find()
        .select_only()
        .column(Column::Watermark)
        .filter(Column::Part.eq(0))
        .filter(Column::Watermark.lte(until))
        .order_by_desc(Column::Watermark)
        .limit(limit)
        .into_tuple()
        .all(store.reader())
        .await?)
}

/// When it was taken, and all its parts joined; `None` when one is missing.
pub async fn load(store: &Store, watermark: i64) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let query = Entity::find().filter(Column::Watermark.eq(watermark)).order_by_asc(Column::Part);
    let rows = query.all(store.reader()).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let (taken_at, is_whole) = (first.taken_at, i32::try_from(rows.len()) == Ok(first.parts));
    Ok(is_whole.then(|| (taken_at, rows.into_iter().flat_map(|row| row.bytes).collect())))
}

/// Forgets all snapshots older than `before`.
pub async fn forget(store: &Store, before: i64) -> Result<(), StoreError> {
    Entity::delete_many().filter(Column::Watermark.lt(before)).exec(store.writer()).await?;
    Ok(())
}
