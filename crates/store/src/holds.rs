use kernel::{Seq, WalletId, bucket_of};
use ledger::{Entry, Hold};
use sea_orm::EntityTrait;

use crate::entities::hold;
use crate::{Store, StoreError, journal, rows};

/// A hold as it is now, with the entry that authorized it.
#[derive(Clone, Debug)]
pub struct HoldRecord {
    pub hold: Hold,
    pub authorized: Entry,
}

pub async fn read(store: &Store, wallet: WalletId, seq: Seq) -> Result<Option<HoldRecord>, StoreError> {
    let txn = store.read().await?;
    let key = (bucket_of(wallet), wallet.uuid(), seq);
    let Some(row) = hold::Entity::find_by_id(key).one(&txn).await? else { return Ok(None) };
    let (_, hold) = rows::hold(&row)?;
    let authorized = journal::entry_in(&txn, wallet, seq).await?;
    Ok(authorized.map(|authorized| HoldRecord { hold, authorized }))
}
