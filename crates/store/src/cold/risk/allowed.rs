//! Customers that are scored and never acted on.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect};

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

/// One that is there stays as it is.
pub async fn add(txn: &DatabaseTransaction, allowed: Model) -> Result<(), StoreError> {
    let once = OnConflict::column(Column::Customer).do_nothing().to_owned();
    match Entity::insert(ActiveModel::from(allowed)).on_conflict(once).exec_without_returning(txn).await {
        Ok(_) | Err(DbErr::RecordNotInserted) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// False when the customer is not on the list.
pub async fn remove(txn: &DatabaseTransaction, customer: Uuid) -> Result<bool, StoreError> {
    Ok(Entity::delete_by_id(customer).exec(txn).await?.rows_affected == 1)
}

/// The newest first.
pub async fn all(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find().order_by_desc(Column::CreatedAt).limit(limit).all(db).await?)
}
