//! Prices given before the work. `about` is the quote with all its frozen facts, as JSON.

use kernel::{QuoteId, bucket_of};
use sea_orm::DatabaseTransaction;
use sea_orm::entity::prelude::*;

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "quotes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i16,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub nonce: i64,
    pub credits: i64,
    pub valid_until: i64,
    pub about: String,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub async fn insert(txn: &DatabaseTransaction, quote: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(quote)).exec_without_returning(txn).await?;
    Ok(())
}

pub async fn find(db: &impl ConnectionTrait, id: QuoteId) -> Result<Option<Model>, StoreError> {
    let key = (bucket_of(id.wallet), id.wallet.uuid(), id.nonce);
    Ok(Entity::find_by_id(key).one(db).await?)
}
