//! When the output behind a receipt was fetched, the first time.

use kernel::{ReceiptId, bucket_of};
use sea_orm::DatabaseTransaction;
use sea_orm::entity::prelude::*;

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i16,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub delivered_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub async fn insert(txn: &DatabaseTransaction, receipt: ReceiptId, at: i64) -> Result<(), StoreError> {
    let row = Model {
        bucket: bucket_of(receipt.wallet),
        wallet: receipt.wallet.uuid(),
        seq: receipt.seq,
        delivered_at: at,
    };
    Entity::insert(ActiveModel::from(row)).exec_without_returning(txn).await?;
    Ok(())
}

pub async fn find(db: &impl ConnectionTrait, receipt: ReceiptId) -> Result<Option<Model>, StoreError> {
    let key = (bucket_of(receipt.wallet), receipt.wallet.uuid(), receipt.seq);
    Ok(Entity::find_by_id(key).one(db).await?)
}
