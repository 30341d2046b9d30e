//! What operators answered customers on hold who wrote: one row a case.

use sea_orm::DatabaseTransaction;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_answers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case: Uuid,
    pub text: String,
    pub author: String,
    pub answered_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Keeps the answer that was there before; true when there was none.
pub async fn insert_once(txn: &DatabaseTransaction, row: Model) -> Result<bool, StoreError> {
    let once = OnConflict::column(Column::Case).do_nothing().to_owned();
    match Entity::insert(ActiveModel::from(row)).on_conflict(once).exec_without_returning(txn).await {
        Ok(written) => Ok(written > 0),
        Err(DbErr::RecordNotInserted) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub async fn of_case(db: &impl ConnectionTrait, case: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(case).one(db).await?)
}
