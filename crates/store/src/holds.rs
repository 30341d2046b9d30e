use kernel::{Seq, WalletId, bucket_of};
use ledger::{Entry, Hold};
use sea_orm::EntityTrait;

use crate::entities::hold;
use crate::{Store, StoreError, journal, rows, wallets};

/// A hold as it is now, with the entry that authorized it.
#[derive(Clone, Debug)]
pub struct HoldRecord {
    pub hold: Hold,
    pub authorized: Entry,
}

/// The projection and what the journal has beyond it, in one snapshot.
pub async fn read(store: &Store, wallet_id: WalletId, seq: Seq) -> Result<Option<HoldRecord>, StoreError> {
    let txn = store.read().await?;
    let Some(mut wallet) = wallets::projection(&txn, wallet_id).await? else { return Ok(None) };
    let key = (bucket_of(wallet_id), wallet_id.uuid(), seq);
    if let Some(row) = hold::Entity::find_by_id(key).one(&txn).await? {
        let (seq, hold) = rows::hold(&row)?;
        wallet.holds.insert(seq, hold);
    }
    let newer = wallets::newer(store, &txn, wallet_id, wallet.seq).await?;
    wallets::fold_all(&mut wallet, newer)?;
    let Some(hold) = wallet.holds.remove(&seq) else { return Ok(None) };
    let authorized = journal::entry_in(&txn, wallet_id, seq).await?;
    Ok(authorized.map(|authorized| HoldRecord { hold, authorized }))
}
