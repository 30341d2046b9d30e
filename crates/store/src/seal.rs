//! Sealing: older journal rows leave the table that is written to, whose indexes then stay small, and go
//! with their keys to `sealed_postings`. Readers see both as `journal`.
//!
//! A chunk is one transaction, so a crash anywhere leaves each row in exactly one of the tables. It moves
//! the lane's fence before rows leave: whoever looked a key up before must look again. Only rows that
//! projections have passed are sealed.

use kernel::{BUCKETS, Bucket, Seq, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult};
use tokio::time::{Instant, sleep};

use crate::connect::Dialect;
use crate::lanes::{LaneMap, read_map};
use crate::postings::COLUMNS;
use crate::sql::statement;
use crate::{Store, StoreError};

/// Rows in a chunk, the rest of the last entry aside. Writers of the lane wait while they are deleted.
const ROWS_PER_CHUNK: u64 = 1_000;
/// Tries of a chunk after a conflict with a writer, with another sealer, or a changed lane map.
const CHUNK_TRIES: u32 = 6;
/// Of the time that a chunk took.
const RESTS: u32 = 4;

/// The entries of a bucket after the first and up to the second, in the order of the journal's key.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    bucket: Bucket,
    after: Place,
    until: Place,
}

#[derive(Clone, Copy, Debug, FromQueryResult)]
struct Place {
    wallet: uuid::Uuid,
    seq: Seq,
}

/// Rows in the table that is written to. Counts them, so it is for a job.
pub async fn hot_rows(store: &Store) -> Result<u64, StoreError> {
    let count = statement(store.dialect, "SELECT COUNT(*) FROM postings", vec![]);
    let row = store.reads.query_one_raw(count).await?;
    let count: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or(0);
    Ok(count.unsigned_abs())
}

/// Seals all but the `keep` rows recorded last, others of the same instant, and those that no projection
/// has reached; answers how many rows moved. May run in many processes at once and beside writers; stopped at any point, another
/// run goes on.
pub async fn seal(store: &Store, keep: u64) -> Result<u64, StoreError> {
    seal_with_rests(store, keep, 0).await
}

/// As [`seal`], beside callers: writers of a lane wait while a chunk of theirs moves and know nothing of their wallets
/// afterwards, so it rests four times as long as it works.
pub async fn seal_beside(store: &Store, keep: u64) -> Result<u64, StoreError> {
    seal_with_rests(store, keep, RESTS).await
}

async fn seal_with_rests(store: &Store, keep: u64, rests: u32) -> Result<u64, StoreError> {
    let Some(recorded_before) = oldest_of_newest(store, keep).await? else { return Ok(0) };
    let mut map = read_map(store).await?;
    let mut moved = 0;
    for bucket in 0..BUCKETS {
        let mut after = Place { wallet: uuid::Uuid::nil(), seq: 0 };
        while let Some(until) = end_of_chunk(store, bucket, after, recorded_before).await? {
            let (before, began) = (moved, Instant::now());
            moved += move_chunk(store, &mut map, Chunk { bucket, after, until }, recorded_before).await?;
            after = until;
            sleep(began.elapsed() * rests).await;
            if before == 0 && moved > 0 {
                plan_anew(store).await?;
            }
        }
    }
    if moved > 0 {
        plan_anew(store).await?;
    }
    Ok(moved)
}

/// Plans that were made while the one table was full and the other empty are made anew.
async fn plan_anew(store: &Store) -> Result<(), StoreError> {
    if store.dialect == Dialect::Postgres {
        store.writer().execute_unprepared("ANALYZE postings, sealed_postings").await?;
    }
    Ok(())
}

/// When the oldest of the `keep` newest rows was recorded; `None` when there are no more rows than that.
async fn oldest_of_newest(store: &Store, keep: u64) -> Result<Option<Timestamp>, StoreError> {
    let Some(others) = keep.checked_sub(1) else { return Ok(Some(Timestamp::MAX)) };
    let sql = "SELECT recorded_at FROM postings ORDER BY recorded_at DESC LIMIT 1 OFFSET $1";
    let others = i64::try_from(others).unwrap_or(i64::MAX);
    let row = store.reads.query_one_raw(statement(store.dialect, sql, vec![others.into()])).await?;
    let micros: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(micros.map(Timestamp::from_micros_saturating))
}

async fn end_of_chunk(
    store: &Store,
    bucket: Bucket,
    after: Place,
    recorded_before: Timestamp,
) -> Result<Option<Place>, StoreError> {
    let sql = format!(
        "SELECT p.wallet, p.seq FROM postings p \
         JOIN wallets w ON w.bucket = p.bucket AND w.wallet = p.wallet AND w.seq >= p.seq \
         WHERE p.bucket = $1 AND (p.wallet, p.seq) > ($2, $3) AND p.recorded_at < $4 \
         ORDER BY p.wallet, p.seq LIMIT {ROWS_PER_CHUNK}"
    );
    let values = vec![bucket.into(), after.wallet.into(), after.seq.into(), recorded_before.micros().into()];
    let rows = store.reads.query_all_raw(statement(store.dialect, &sql, values)).await?;
    Ok(rows.last().map(|row| Place::from_query_result(row, "")).transpose()?)
}

async fn move_chunk(
    store: &Store,
    map: &mut LaneMap,
    chunk: Chunk,
    recorded_before: Timestamp,
) -> Result<u64, StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match try_chunk(store, map, chunk, recorded_before).await {
            Ok(Some(moved)) => return Ok(moved),
            Ok(None) if tries < CHUNK_TRIES => *map = read_map(store).await?,
            Ok(None) => return Err(StoreError::Corrupt(format!("bucket {} has no lane", chunk.bucket))),
            Err(error) if tries < CHUNK_TRIES && error.is_transient() => {
                tracing::info!(%error, bucket = chunk.bucket, "a chunk is sealed at another try");
            }
            Err(error) => return Err(error),
        }
    }
}

/// `None` when the lane is gone.
async fn try_chunk(
    store: &Store,
    map: &LaneMap,
    chunk: Chunk,
    recorded_before: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let Some(lane) = map.of_bucket.get(&chunk.bucket) else { return Ok(None) };
    let tx = store.begin_lane().await?;
    let range = "t.bucket = $1 AND (t.wallet, t.seq) > ($2, $3) AND (t.wallet, t.seq) <= ($4, $5)";
    let values: Vec<sea_orm::Value> = vec![
        chunk.bucket.into(),
        chunk.after.wallet.into(),
        chunk.after.seq.into(),
        chunk.until.wallet.into(),
        chunk.until.seq.into(),
    ];
    let copy = format!(
        "INSERT INTO sealed_postings ({}) SELECT t.{} FROM postings t \
         JOIN wallets w ON w.bucket = t.bucket AND w.wallet = t.wallet AND w.seq >= t.seq \
         WHERE {range} AND t.recorded_at < $6",
        COLUMNS.join(", "),
        COLUMNS.join(", t.")
    );
    let mut copied_values = values.clone();
    copied_values.push(recorded_before.micros().into());
    let copied = tx.txn.execute_raw(statement(store.dialect, &copy, copied_values)).await?.rows_affected();
    if tx.claim(*lane).await?.is_none() {
        return Ok(None);
    }
    let tell = "UPDATE lanes SET has_sealed = TRUE WHERE bucket = $1 AND lane = $2 AND NOT has_sealed";
    tx.txn.execute_raw(statement(store.dialect, tell, vec![lane.bucket.into(), lane.id.into()])).await?;
    // Exactly what lies in the other table leaves this one, whatever happened in between.
    let delete = format!(
        "DELETE FROM postings AS t WHERE {range} AND EXISTS (SELECT 1 FROM sealed_postings s \
         WHERE s.bucket = t.bucket AND s.wallet = t.wallet AND s.seq = t.seq AND s.line = t.line)"
    );
    let deleted = tx.txn.execute_raw(statement(store.dialect, &delete, values)).await?.rows_affected();
    if copied != deleted {
        return Err(StoreError::Corrupt(format!("{copied} rows were copied to be sealed, {deleted} left")));
    }
    tx.commit().await?;
    Ok(Some(copied))
}
