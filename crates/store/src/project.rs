//! How projections reach their tables: PostgreSQL's short way for wallets of which only amounts changed, as debits
//! leave them.

use ledger::Wallet;
use sea_orm::sqlx::{self, PgConnection};

use kernel::bucket_of;

use crate::append::ROWS_PER_SNAPSHOT;
use crate::known::Known;
use crate::lanes::Lane;
use crate::postings::failed;
use crate::{StoreError, rows};

/// Fence, snapshots and wallets in one statement, which is its own transaction and costs one round trip. Nothing is
/// written unless the fence moved.
pub(crate) const FENCED: &str = "WITH fence AS (UPDATE lanes SET gsn = gsn + 1 \
     WHERE bucket = $1 AND lane = $2 AND gsn = $3 RETURNING bucket), \
     v AS (SELECT unnest($4::smallint[]) AS bucket, unnest($5::uuid[]) AS wallet, unnest($6::bigint[]) AS old_seq, \
     unnest($7::bigint[]) AS seq, unnest($8::bigint[]) AS recorded_at, unnest($9::bigint[]) AS posting_rows, \
     unnest($10::bigint[]) AS available, unnest($11::bigint[]) AS held, unnest($12::bigint[]) AS debt, \
     unnest($13::text[]) AS calls, unnest($14::text[]) AS lots, unnest($15::text[]) AS restriction FROM fence), \
     s AS (INSERT INTO snapshots (bucket, wallet, recorded_at, seq, state) \
     SELECT unnest($16::smallint[]), unnest($17::uuid[]), unnest($18::bigint[]), unnest($19::bigint[]), \
     unnest($20::text[]) FROM fence) \
     UPDATE wallets AS t SET seq = v.seq, recorded_at = v.recorded_at, posting_rows = v.posting_rows, \
     available = v.available, held = v.held, debt = v.debt, calls = v.calls, lots = v.lots, \
     restriction = v.restriction \
     FROM v WHERE t.bucket = v.bucket AND t.wallet = v.wallet AND t.seq = v.old_seq";

/// The rows of wallets, column by column.
#[derive(Default)]
struct Columns {
    bucket: Vec<i16>,
    wallet: Vec<uuid::Uuid>,
    old_seq: Vec<i64>,
    seq: Vec<i64>,
    recorded_at: Vec<i64>,
    posting_rows: Vec<i64>,
    available: Vec<i64>,
    held: Vec<i64>,
    debt: Vec<i64>,
    calls: Vec<String>,
    lots: Vec<String>,
    restriction: Vec<Option<String>>,
}

/// Those of snapshots.
#[derive(Default)]
struct Snapshots {
    bucket: Vec<i16>,
    wallet: Vec<uuid::Uuid>,
    recorded_at: Vec<i64>,
    seq: Vec<i64>,
    state: Vec<String>,
}

impl Columns {
    fn of(wallets: &[&Known]) -> Result<Columns, StoreError> {
        let mut columns = Columns::default();
        for Known { wallet: after, ahead } in wallets {
            columns.bucket.push(bucket_of(after.id));
            columns.wallet.push(after.id.uuid());
            columns.old_seq.push(ahead.projected_seq);
            columns.seq.push(after.seq);
            columns.recorded_at.push(after.recorded_at.micros());
            columns.posting_rows.push(after.rows);
            columns.available.push(after.available.micros());
            columns.held.push(after.held.micros());
            columns.debt.push(after.debt.micros());
            columns.calls.push(rows::to_json(&after.calls)?);
            columns.lots.push(rows::open_lots(after)?);
            columns.restriction.push(rows::restriction(after)?);
        }
        Ok(columns)
    }
}

impl Snapshots {
    fn of(wallets: &[&Known]) -> Result<Snapshots, StoreError> {
        let mut columns = Snapshots::default();
        for known in wallets.iter().filter(|known| needs_snapshot(known)) {
            columns.bucket.push(bucket_of(known.wallet.id));
            columns.wallet.push(known.wallet.id.uuid());
            columns.recorded_at.push(known.wallet.recorded_at.micros());
            columns.seq.push(known.wallet.seq);
            columns.state.push(state(&known.wallet)?);
        }
        Ok(columns)
    }
}

/// That so many rows came since the last one.
pub(crate) fn needs_snapshot(known: &Known) -> bool {
    known.ahead.projected_rows / ROWS_PER_SNAPSHOT != known.wallet.rows / ROWS_PER_SNAPSHOT
}

/// A wallet as a snapshot keeps it.
pub(crate) fn state(wallet: &Wallet) -> Result<String, StoreError> {
    let mut state = wallet.clone();
    state.compact();
    rows::to_json(&state)
}

/// Moves the lane's fence from `gsn` to the next and brings these wallets' rows to their heads; false when another
/// process moved the fence first: then nothing is written.
pub(crate) async fn project_fenced(
    connection: &mut PgConnection,
    (lane, gsn): (Lane, i64),
    wallets: &[&Known],
) -> Result<bool, StoreError> {
    let (columns, snapshots) = (Columns::of(wallets)?, Snapshots::of(wallets)?);
    let done = sqlx::query(FENCED)
        .bind(lane.bucket)
        .bind(lane.id)
        .bind(gsn)
        .bind(columns.bucket)
        .bind(columns.wallet)
        .bind(columns.old_seq)
        .bind(columns.seq)
        .bind(columns.recorded_at)
        .bind(columns.posting_rows)
        .bind(columns.available)
        .bind(columns.held)
        .bind(columns.debt)
        .bind(columns.calls)
        .bind(columns.lots)
        .bind(columns.restriction)
        .bind(snapshots.bucket)
        .bind(snapshots.wallet)
        .bind(snapshots.recorded_at)
        .bind(snapshots.seq)
        .bind(snapshots.state)
        .execute(connection)
        .await;
    let moved = done.map_err(failed)?.rows_affected();
    // While the fence is ours every row is where it was left; what moved is true in any case.
    if moved != 0 && moved != wallets.len() as u64 {
        let what = format!("{} rows of wallets should have changed, {moved} did", wallets.len());
        return Err(StoreError::Corrupt(what));
    }
    Ok(moved > 0)
}
