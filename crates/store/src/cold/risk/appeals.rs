//! What customers on hold wrote, and what operators answered: one row a hold.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, QueryOrder};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_appeals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet: Uuid,
    /// The hold, by the seq of its entry.
    #[sea_orm(primary_key, auto_increment = false)]
    pub restriction: i64,
    /// Where it is decided.
    pub case_id: Uuid,
    pub text: String,
    pub appealed_at: i64,
    pub answer: Option<String>,
    pub answered_by: Option<String>,
    pub answered_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Keeps what was written before; true when nothing was.
pub async fn insert_once(txn: &DatabaseTransaction, row: Model) -> Result<bool, StoreError> {
    let once = OnConflict::columns([Column::Wallet, Column::Restriction]).do_nothing().to_owned();
    match Entity::insert(ActiveModel::from(row)).on_conflict(once).exec_without_returning(txn).await {
        Ok(written) => Ok(written > 0),
        Err(DbErr::RecordNotInserted) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Of one hold.
pub async fn of_hold(
    db: &impl ConnectionTrait,
    wallet: Uuid,
    restriction: i64,
) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id((wallet, restriction)).one(db).await?)
}

/// Of one case, the newest first.
pub async fn of_case(db: &impl ConnectionTrait, case: Uuid) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::CaseId.eq(case)).order_by_desc(Column::AppealedAt);
    Ok(query.all(db).await?)
}

/// False when it was answered before.
pub async fn answer(
    txn: &DatabaseTransaction,
    appeal: &Model,
    (text, author, at): (&str, &str, i64),
) -> Result<bool, StoreError> {
    let done = Entity::update_many()
        .col_expr(Column::Answer, Expr::value(text))
        .col_expr(Column::AnsweredBy, Expr::value(author))
        .col_expr(Column::AnsweredAt, Expr::value(at))
        .filter(Column::Wallet.eq(appeal.wallet))
        .filter(Column::Restriction.eq(appeal.restriction))
        .filter(Column::AnsweredAt.is_null())
        .exec(txn)
        .await?;
    Ok(done.rows_affected == 1)
}
