//! Wallets to which time has done something that nobody has written yet, and those whose projections stayed behind.

use kernel::{BUCKETS, Timestamp, WalletId, bucket_of};
use sea_orm::{ConnectionTrait, Value};

use crate::sql::{statement, with_rows};
use crate::{Store, StoreError, Uuid};

/// Wallets with an open lot that has expired or an open hold whose time is over; at most `limit` by each.
pub async fn wallets(store: &Store, now: Timestamp, limit: u64) -> Result<Vec<WalletId>, StoreError> {
    let buckets: Vec<Vec<Value>> = (0..BUCKETS).map(|bucket| vec![bucket.into()]).collect();
    let mut found = std::collections::BTreeSet::new();
    let now = now.micros();
    for rest in [
        // What an expired lot still has in holds is due when they end.
        format!(
            "SELECT l.wallet FROM v JOIN lots l ON l.bucket = v.bucket \
             WHERE l.is_open AND l.expires_at <= {now} AND l.has_remaining LIMIT {limit}"
        ),
        format!(
            "SELECT h.wallet FROM v JOIN holds h ON h.bucket = v.bucket \
             WHERE h.state = 'open' AND h.expires_at <= {now} LIMIT {limit}"
        ),
    ] {
        let query = with_rows(store.dialect(), &["bucket"], &buckets, &rest);
        for row in store.reader().query_all_raw(query).await? {
            found.insert(WalletId::from_uuid(row.try_get_by_index(0)?));
        }
    }
    Ok(found.into_iter().collect())
}

/// Wallets after this one, in the order of their table, whose projections are behind the journal; at most `limit`.
pub async fn behind(store: &Store, after: Option<WalletId>, limit: u64) -> Result<Vec<WalletId>, StoreError> {
    let (bucket, wallet) = after.map_or((-1, Uuid::nil()), |wallet| (bucket_of(wallet), wallet.uuid()));
    let sql = format!(
        "SELECT w.wallet FROM wallets w WHERE (w.bucket, w.wallet) > ($1, $2) AND EXISTS (SELECT 1 FROM postings p \
         WHERE p.bucket = w.bucket AND p.wallet = w.wallet AND p.seq > w.seq) \
         ORDER BY w.bucket, w.wallet LIMIT {limit}"
    );
    let query = statement(store.dialect(), &sql, vec![bucket.into(), wallet.into()]);
    let rows = store.reader().query_all_raw(query).await?;
    rows.iter().map(|row| Ok(WalletId::from_uuid(row.try_get_by_index(0)?))).collect()
}
