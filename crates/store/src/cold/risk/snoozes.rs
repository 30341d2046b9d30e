//! Rules that do not count for one customer for a while.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait as _, OnConflict};
use sea_orm::{DatabaseTransaction, PaginatorTrait, QuerySelect};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_snoozes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub rule: String,
    /// Exclusive.
    pub until: i64,
    pub author: String,
    pub reason: String,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A later one takes the place of the one before.
pub async fn set(txn: &DatabaseTransaction, snooze: Model) -> Result<(), StoreError> {
    let others = [Column::Until, Column::Author, Column::Reason, Column::CreatedAt];
    let again = OnConflict::columns([Column::Customer, Column::Rule]).update_columns(others).to_owned();
    Entity::insert(ActiveModel::from(snooze)).on_conflict(again).exec_without_returning(txn).await?;
    Ok(())
}

/// Ends it; false when there is none.
pub async fn remove(txn: &DatabaseTransaction, customer: Uuid, rule: &str) -> Result<bool, StoreError> {
    let gone = Entity::delete_by_id((customer, rule.to_owned())).exec(txn).await?;
    Ok(gone.rows_affected == 1)
}

/// Ends those of a customer that came of this.
pub async fn remove_because(
    txn: &DatabaseTransaction,
    customer: Uuid,
    reason: &str,
) -> Result<(), StoreError> {
    let of_it = Entity::delete_many().filter(Column::Customer.eq(customer));
    of_it.filter(Column::Reason.eq(reason)).exec(txn).await?;
    Ok(())
}

pub async fn running(db: &impl ConnectionTrait, now: i64, limit: u64) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find().filter(Column::Until.gt(now)).limit(limit).all(db).await?)
}

/// How many run at `now` besides this one.
pub async fn count_besides(
    db: &impl ConnectionTrait,
    now: i64,
    (customer, rule): (Uuid, &str),
) -> Result<u64, StoreError> {
    let is_other = Column::Customer.ne(customer).or(Column::Rule.ne(rule));
    Ok(Entity::find().filter(Column::Until.gt(now)).filter(is_other).count(db).await?)
}

pub async fn of_customer(
    db: &impl ConnectionTrait,
    customer: Uuid,
    now: i64,
) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::Customer.eq(customer)).filter(Column::Until.gt(now));
    Ok(query.all(db).await?)
}
