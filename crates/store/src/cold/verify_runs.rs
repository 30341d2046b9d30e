//! What each recomputation of all balances from the journal found.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "verify_runs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub started_at: i64,
    pub finished_at: i64,
    pub breaks: i64,
    /// JSON.
    pub report: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub async fn insert(txn: &DatabaseTransaction, run: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(run)).exec_without_returning(txn).await?;
    Ok(())
}

/// What finished at `since` or later, oldest first, of them the last `limit`.
pub async fn since(db: &impl ConnectionTrait, since: i64, limit: u64) -> Result<Vec<Model>, StoreError> {
    let newest = Entity::find().filter(Column::FinishedAt.gte(since)).order_by_desc(Column::FinishedAt);
    let mut runs = newest.limit(limit).all(db).await?;
    runs.reverse();
    Ok(runs)
}

pub async fn last(db: &impl ConnectionTrait) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find().order_by_desc(Column::Id).limit(1).one(db).await?)
}
