//! The lane map: which bucket is written by which lane.

use std::collections::BTreeMap;

use kernel::{BUCKETS, Bucket};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use crate::entities::{lane, lane_bucket};
use crate::{Dialect, Store, StoreError};

/// Lanes on one PostgreSQL: as many as the smallest machine has cores.
const POSTGRES_LANES: i64 = 2;
const ROWS_PER_STATEMENT: usize = 512;

/// A lane and the bucket under which its fence row is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    pub bucket: Bucket,
    pub id: i64,
}

/// Every bucket's lane.
#[derive(Clone, Debug)]
pub struct LaneMap {
    pub lanes: Vec<Lane>,
    pub of_bucket: BTreeMap<Bucket, Lane>,
}

/// Reads the map; empty before `migrate`.
pub async fn read_map(store: &Store) -> Result<LaneMap, StoreError> {
    let txn = store.read().await?;
    let lanes: Vec<Lane> = lane::Entity::find()
        .order_by_asc(lane::Column::Bucket)
        .all(&txn)
        .await?
        .into_iter()
        .map(|row| Lane { bucket: row.bucket, id: row.lane })
        .collect();
    let rows = lane_bucket::Entity::find().all(&txn).await?;
    let lane_of = |id: i64| lanes.iter().find(|l| l.id == id).copied();
    let of_bucket = rows.iter().filter_map(|row| Some((row.bucket, lane_of(row.lane)?))).collect();
    Ok(LaneMap { lanes, of_bucket })
}

/// Makes the map once: one lane on SQLite, a few on PostgreSQL, each a contiguous range of buckets.
pub async fn make_map(store: &Store) -> Result<(), StoreError> {
    if lane_bucket::Entity::find().count(&store.writes).await? == u64::from(BUCKETS.unsigned_abs()) {
        return Ok(());
    }
    let lanes = match store.dialect {
        Dialect::Sqlite => 1,
        Dialect::Postgres => POSTGRES_LANES,
    };
    let txn = store.write().await?;
    insert_map(&txn, 0, lanes, false).await?;
    txn.commit().await?;
    Ok(())
}

/// Cuts the buckets into `lanes` lanes with ids never used before: a process that still has the old map
/// loses its fence at its next batch and reads the new one.
pub async fn replace_map(store: &Store, lanes: i64) -> Result<(), StoreError> {
    let txn = store.write().await?;
    // Takes every lane's row, so that no other change of the map and no sealing is under way.
    let moved = Expr::col(lane::Column::Gsn).add(1);
    let all = lane::Entity::update_many().filter(lane::Column::Bucket.gte(0));
    all.col_expr(lane::Column::Gsn, moved).exec(&txn).await?;
    let newest = lane::Entity::find().order_by_desc(lane::Column::Lane).one(&txn).await?;
    let sealed = lane::Entity::find().filter(lane::Column::HasSealed.eq(true)).one(&txn).await?;
    let has_sealed = sealed.is_some();
    lane::Entity::delete_many().filter(lane::Column::Bucket.gte(0)).exec(&txn).await?;
    lane_bucket::Entity::delete_many().filter(lane_bucket::Column::Bucket.gte(0)).exec(&txn).await?;
    let first_id = newest.map_or(0, |row| row.lane + 1);
    insert_map(&txn, first_id, lanes.clamp(1, i64::from(BUCKETS)), has_sealed).await?;
    txn.commit().await?;
    Ok(())
}

async fn insert_map(
    txn: &DatabaseTransaction,
    first_id: i64,
    lanes: i64,
    has_sealed: bool,
) -> Result<(), StoreError> {
    let lane_of = |bucket: i16| first_id + i64::from(bucket) * lanes / i64::from(BUCKETS);
    for id in first_id..first_id + lanes {
        let first = (0..BUCKETS).find(|b| lane_of(*b) == id).unwrap_or(0);
        let row =
            lane::ActiveModel { bucket: Set(first), lane: Set(id), gsn: Set(0), has_sealed: Set(has_sealed) };
        let keep = OnConflict::columns([lane::Column::Bucket, lane::Column::Lane]).do_nothing().to_owned();
        lane::Entity::insert(row).on_conflict(keep).exec_without_returning(txn).await?;
    }
    let rows: Vec<lane_bucket::ActiveModel> =
        (0..BUCKETS).map(|b| lane_bucket::ActiveModel { bucket: Set(b), lane: Set(lane_of(b)) }).collect();
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let keep = OnConflict::column(lane_bucket::Column::Bucket).do_nothing().to_owned();
        lane_bucket::Entity::insert_many(chunk.to_vec())
            .on_conflict(keep)
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}
