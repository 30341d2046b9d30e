//! Wallets to which time has done something that nobody has written yet.

use kernel::{BUCKETS, Timestamp, WalletId};
use sea_orm::{ConnectionTrait, Value};

use crate::sql::with_rows;
use crate::{Store, StoreError};

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
