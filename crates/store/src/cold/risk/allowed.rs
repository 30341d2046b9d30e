//! Customers that are scored and never acted on.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, PaginatorTrait, QueryOrder, QuerySelect};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_allowed")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer: Uuid,
    pub author: String,
    pub reason: String,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A later one takes the place of the one before.
pub async fn put(txn: &DatabaseTransaction, allowed: Model) -> Result<(), StoreError> {
    let others = [Column::Author, Column::Reason, Column::CreatedAt];
    let again = OnConflict::column(Column::Customer).update_columns(others).to_owned();
    Entity::insert(ActiveModel::from(allowed)).on_conflict(again).exec_without_returning(txn).await?;
    Ok(())
}

pub async fn by_customer(db: &impl ConnectionTrait, customer: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(customer).one(db).await?)
}

/// How many others are on the list.
pub async fn count_besides(db: &impl ConnectionTrait, customer: Uuid) -> Result<u64, StoreError> {
    Ok(Entity::find().filter(Column::Customer.ne(customer)).count(db).await?)
}

/// False when the customer is not on the list.
pub async fn remove(txn: &DatabaseTransaction, customer: Uuid) -> Result<bool, StoreError> {
    Ok(Entity::delete_by_id(customer).exec(txn).await?.rows_affected == 1)
}

/// The newest first.
pub async fn all(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find().order_by_desc(Column::CreatedAt).limit(limit).all(db).await?)
}
