//! What customers reported about their receipts, and who looked at it.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, PaginatorTrait, QueryOrder};

use crate::StoreError;
use crate::cold::newest;

pub const OPEN: &str = "open";
pub const CLOSED: &str = "closed";

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "problems")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub customer: Uuid,
    /// Its id, as everywhere.
    pub receipt: String,
    /// Who reported it, by mail address.
    pub reporter: String,
    pub text: String,
    pub state: String,
    pub created_at: i64,
    pub closed_at: Option<i64>,
    /// The operator, by mail address.
    pub closed_by: Option<String>,
    /// What they said; `None` also for what was closed before answers were kept.
    pub answer: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub async fn insert(txn: &DatabaseTransaction, problem: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(problem)).exec_without_returning(txn).await?;
    Ok(())
}

pub async fn by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// The last one of a receipt.
pub async fn of_receipt(db: &impl ConnectionTrait, receipt: &str) -> Result<Option<Model>, StoreError> {
    let query = Entity::find().filter(Column::Receipt.eq(receipt)).order_by_desc(Column::Id);
    Ok(query.one(db).await?)
}

/// Newest first, older than `before`.
pub async fn page(
    db: &impl ConnectionTrait,
    state: Option<&str>,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    newest::<Entity>(db, (Column::Id, before), (Column::State, state), limit).await
}

pub async fn count(db: &impl ConnectionTrait, state: &str) -> Result<u64, StoreError> {
    Ok(Entity::find().filter(Column::State.eq(state)).count(db).await?)
}

/// Closes it. False when it is closed already, or unknown.
pub async fn answer(
    txn: &DatabaseTransaction,
    id: Uuid,
    (by, text): (&str, &str),
    at: i64,
) -> Result<bool, StoreError> {
    let done = Entity::update_many()
        .col_expr(Column::State, Expr::value(CLOSED))
        .col_expr(Column::ClosedAt, Expr::value(at))
        .col_expr(Column::ClosedBy, Expr::value(by))
        .col_expr(Column::Answer, Expr::value(text))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(OPEN))
        .exec(txn)
        .await?;
    Ok(done.rows_affected == 1)
}
