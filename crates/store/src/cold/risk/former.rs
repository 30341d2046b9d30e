//! What people decided about cases and corrected later. The decision that counts is in the case.

use sea_orm::DatabaseTransaction;
use sea_orm::QueryOrder;
use sea_orm::entity::prelude::*;

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_former_decisions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    /// The first decision about the case is 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i32,
    /// `confirmed` or `dismissed`.
    pub decision: String,
    pub note: Option<String>,
    pub decided_by: String,
    pub decided_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Fails when the decision of this number was corrected before.
pub async fn insert(txn: &DatabaseTransaction, row: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(row)).exec_without_returning(txn).await?;
    Ok(())
}

/// Of these cases, in the order in which they were made.
pub async fn of_cases(
    db: &impl ConnectionTrait,
    cases: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::CaseId.is_in(cases));
    Ok(query.order_by_asc(Column::CaseId).order_by_asc(Column::Number).all(db).await?)
}
