//! Which wallets somebody should be told about. Both queries walk the whole table in pages by its key,
//! so a job may ask them, a request never.

use kernel::{Credits, Seq, Timestamp, WalletId};
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::sql::statement;
use crate::{Store, StoreError};

/// A lot that ends soon with something left in it.
#[derive(Clone, Copy, Debug, FromQueryResult)]
struct LotRow {
    bucket: i16,
    wallet: uuid::Uuid,
    seq: i64,
    expires_at: i64,
}

#[derive(Clone, Copy, Debug, FromQueryResult)]
struct WalletRow {
    bucket: i16,
    wallet: uuid::Uuid,
    seq: i64,
    granted: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiringLot {
    pub wallet: WalletId,
    pub seq: Seq,
    pub expires_at: Timestamp,
}

/// A wallet whose available credits are below a tenth of what its last purchase or allotment gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LowWallet {
    pub wallet: WalletId,
    pub last_lot: Seq,
    pub granted: Credits,
}

/// Where a walk stands.
#[derive(Clone, Copy, Debug)]
pub struct After {
    bucket: i16,
    wallet: uuid::Uuid,
    seq: i64,
}

impl After {
    pub const START: After = After { bucket: -1, wallet: uuid::Uuid::nil(), seq: 0 };
}

/// Lots with something available that expire after `now` and not after `until`; the next page's start.
pub async fn expiring_lots(
    store: &Store,
    now: Timestamp,
    until: Timestamp,
    after: After,
    limit: u64,
) -> Result<(Vec<ExpiringLot>, Option<After>), StoreError> {
    let sql = "SELECT bucket, wallet, seq, expires_at FROM lots \
               WHERE is_open AND has_remaining AND expires_at > $1 AND expires_at <= $2 \
               AND (bucket, wallet, seq) > ($3, $4, $5) ORDER BY bucket, wallet, seq LIMIT $6";
    let values = vec![
        now.micros().into(),
        until.micros().into(),
        after.bucket.into(),
        after.wallet.into(),
        after.seq.into(),
        limit_value(limit).into(),
    ];
    let rows = store.reads.query_all_raw(statement(store.dialect, sql, values)).await?;
    let rows = rows.iter().map(|row| LotRow::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?;
    let next = rows.last().map(|last| After { bucket: last.bucket, wallet: last.wallet, seq: last.seq });
    let lot = |row: &LotRow| ExpiringLot {
        wallet: WalletId::from_uuid(row.wallet),
        seq: row.seq,
        expires_at: Timestamp::from_micros_saturating(row.expires_at),
    };
    Ok((rows.iter().map(lot).collect(), next.filter(|_| rows.len() as u64 == limit)))
}

pub async fn low_wallets(
    store: &Store,
    after: After,
    limit: u64,
) -> Result<(Vec<LowWallet>, Option<After>), StoreError> {
    let sql = "SELECT w.bucket, w.wallet, l.seq, l.granted FROM wallets w \
               JOIN lots l ON l.bucket = w.bucket AND l.wallet = w.wallet AND l.seq = \
               (SELECT MAX(m.seq) FROM lots m WHERE m.bucket = w.bucket AND m.wallet = w.wallet \
               AND m.kind IN ('purchase', 'allotment') AND NOT m.voided) \
               WHERE w.available < l.granted / 10 AND (w.bucket, w.wallet) > ($1, $2) \
               ORDER BY w.bucket, w.wallet LIMIT $3";
    let values = vec![after.bucket.into(), after.wallet.into(), limit_value(limit).into()];
    let rows = store.reads.query_all_raw(statement(store.dialect, sql, values)).await?;
    let rows = rows.iter().map(|row| WalletRow::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?;
    let next = rows.last().map(|last| After { bucket: last.bucket, wallet: last.wallet, seq: 0 });
    let wallet = |row: &WalletRow| LowWallet {
        wallet: WalletId::from_uuid(row.wallet),
        last_lot: row.seq,
        granted: Credits::from_micros(row.granted),
    };
    Ok((rows.iter().map(wallet).collect(), next.filter(|_| rows.len() as u64 == limit)))
}

fn limit_value(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
