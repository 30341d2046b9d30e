//! Versions of the settings of the watch. A version never changes; the highest is in force.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect};

use crate::StoreError;
use crate::cold::newest_of;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_settings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// JSON.
    pub settings: String,
    pub author: String,
    pub reason: String,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Two that take the same version collide on the primary key; the loser tries again.
pub async fn insert(txn: &DatabaseTransaction, version: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(version)).exec_without_returning(txn).await?;
    Ok(())
}

pub async fn last(db: &impl ConnectionTrait) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find().order_by_desc(Column::Version).limit(1).one(db).await?)
}

/// Newest first, older than `before`.
pub async fn page(
    db: &impl ConnectionTrait,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    newest_of(db, Entity::find(), (Column::Version, before), limit).await
}
