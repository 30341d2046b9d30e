//! What was known of a wallet at its last use of a day: what models are fitted on.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{QueryOrder, QuerySelect};

use crate::{Store, StoreError};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_days")]
pub struct Model {
    /// Days since 1970, UTC.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet: Uuid,
    pub score: f64,
    /// The features in their order, eight bytes each, little-endian.
    pub features: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Rows of one statement: five values a row, and SQLite takes 32,766.
const AT_ONCE: usize = 1_000;

/// A wallet-day that is there stays as it is.
pub async fn insert(store: &Store, rows: Vec<Model>) -> Result<(), StoreError> {
    for chunk in rows.chunks(AT_ONCE) {
        let once = OnConflict::columns([Column::Day, Column::Wallet]).do_nothing().to_owned();
        let rows = chunk.iter().cloned().map(ActiveModel::from);
        match Entity::insert_many(rows).on_conflict(once).exec_without_returning(store.writer()).await {
            Ok(_) | Err(DbErr::RecordNotInserted) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Since a day, the newest first, in the order of their keys.
pub async fn since(db: &impl ConnectionTrait, day: i64, limit: u64) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find()
        .filter(Column::Day.gte(day))
        .order_by_desc(Column::Day)
        .order_by_asc(Column::Wallet)
        .limit(limit)
        .all(db)
        .await?)
}

/// Of one wallet, the newest first.
pub async fn of_wallet(
    db: &impl ConnectionTrait,
    wallet: Uuid,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::Wallet.eq(wallet)).order_by_desc(Column::Day);
    Ok(query.limit(limit).all(db).await?)
}

pub async fn last_day(db: &impl ConnectionTrait) -> Result<Option<i64>, StoreError> {
    let query = Entity::find().select_only().column(Column::Day).order_by_desc(Column::Day);
    Ok(query.limit(1).into_tuple().one(db).await?)
}

pub async fn forget(store: &Store, before: i64) -> Result<u64, StoreError> {
    Ok(Entity::delete_many().filter(Column::Day.lt(before)).exec(store.writer()).await?.rows_affected)
}
