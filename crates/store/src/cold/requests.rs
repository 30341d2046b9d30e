//! Idempotency of calls that move no credits: the first success of each key of an owner and a route.

use sea_orm::DatabaseTransaction;
use sea_orm::entity::prelude::*;

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "requests")]
pub struct Model {
    /// The API key that called.
    #[sea_orm(primary_key, auto_increment = false)]
    pub owner: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub route: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub input_hash: Vec<u8>,
    /// What was answered, as JSON.
    pub body: String,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub async fn insert(txn: &DatabaseTransaction, request: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(request)).exec_without_returning(txn).await?;
    Ok(())
}

pub async fn find(
    db: &impl ConnectionTrait,
    owner: &str,
    route: &str,
    key: &str,
) -> Result<Option<Model>, StoreError> {
    let id = (owner.to_owned(), route.to_owned(), key.to_owned());
    Ok(Entity::find_by_id(id).one(db).await?)
}
