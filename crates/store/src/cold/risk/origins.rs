//! Where customers signed up from: of each wallet the first network that was told, as a keyed hash.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait as _, OnConflict};
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_origins")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet: Uuid,
    pub network: i64,
    pub told_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Keeps the row that was there before; true when there was none.
pub async fn insert_once(txn: &DatabaseTransaction, row: Model) -> Result<bool, StoreError> {
    let once = OnConflict::column(Column::Wallet).do_nothing().to_owned();
    match Entity::insert(ActiveModel::from(row)).on_conflict(once).exec_without_returning(txn).await {
        Ok(written) => Ok(written > 0),
        Err(DbErr::RecordNotInserted) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// In the order (`told_at`, wallet), later than `after` and before `end` (microseconds, exclusive), at most `limit`.
pub async fn since(
    db: &impl ConnectionTrait,
    after: (i64, Uuid),
    end: i64,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let later = Expr::tuple([Column::ToldAt, Column::Wallet].map(Expr::col))
        .gt(Expr::tuple([Expr::value(after.0), Expr::value(after.1)]));
    let found = Entity::find()
        .filter(later)
        .filter(Column::ToldAt.lt(end))
        .order_by_asc(Column::ToldAt)
        .order_by_asc(Column::Wallet)
        .limit(limit);
    Ok(found.all(db).await?)
}
