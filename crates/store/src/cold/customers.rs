//! Persons and organisations; each has one wallet. One installation is one merchant, so a customer has
//! no further owner.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub external_id: String,
    pub wallet: Uuid,
    pub kind: String,
    pub name: String,
    pub email: String,
    pub currency: String,
    pub timezone: String,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub async fn insert(txn: &DatabaseTransaction, customer: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(customer)).exec_without_returning(txn).await?;
    Ok(())
}

pub async fn by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

pub async fn by_external_id(
    db: &impl ConnectionTrait,
    external_id: &str,
) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find().filter(Column::ExternalId.eq(external_id)).one(db).await?)
}

pub async fn by_wallet(db: &impl ConnectionTrait, wallet: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find().filter(Column::Wallet.eq(wallet)).one(db).await?)
}

/// Newest first (ids carry the time of making), older than `before`.
pub async fn page(
    db: &impl ConnectionTrait,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let mut query = Entity::find();
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(before));
    }
    Ok(query.order_by_desc(Column::Id).limit(limit).all(db).await?)
}
