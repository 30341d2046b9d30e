//! When the output behind a receipt was fetched, the first time.

use kernel::{ReceiptId, bucket_of};
use sea_orm::DatabaseTransaction;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{QueryOrder, QuerySelect};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i16,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub delivered_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub async fn insert(txn: &DatabaseTransaction, receipt: ReceiptId, at: i64) -> Result<(), StoreError> {
    let row = Model {
        bucket: bucket_of(receipt.wallet),
        wallet: receipt.wallet.uuid(),
        seq: receipt.seq,
        delivered_at: at,
    };
    Entity::insert(ActiveModel::from(row)).exec_without_returning(txn).await?;
    Ok(())
}

/// In the order (`delivered_at`, wallet, seq), later than `after` and before `end` (microseconds, exclusive), at
/// most `limit`. One index, which the rows are read from in order.
pub async fn since(
    db: &impl ConnectionTrait,
    after: (i64, Uuid, i64),
    end: i64,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let later = Expr::tuple([Column::DeliveredAt, Column::Wallet, Column::Seq].map(Expr::col))
        .gt(Expr::tuple([Expr::value(after.0), Expr::value(after.1), Expr::value(after.2)]));
    let found = Entity::find()
        .filter(later)
        .filter(Column::DeliveredAt.lt(end))
        .order_by_asc(Column::DeliveredAt)
        .order_by_asc(Column::Wallet)
        .order_by_asc(Column::Seq)
        .limit(limit);
    Ok(found.all(db).await?)
}

pub async fn find(db: &impl ConnectionTrait, receipt: ReceiptId) -> Result<Option<Model>, StoreError> {
    let key = (bucket_of(receipt.wallet), receipt.wallet.uuid(), receipt.seq);
    Ok(Entity::find_by_id(key).one(db).await?)
}
