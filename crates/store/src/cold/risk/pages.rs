//! The log of signals: each process writes its own, a page a moment, and reads all. Kept for some days.

use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

use crate::{Store, StoreError};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_pages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub process: Uuid,
    /// Of the first and the last record, microseconds.
    pub first_at: i64,
    pub last_at: i64,
    pub written_at: i64,
    pub records: i32,
    pub bytes: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub async fn insert(store: &Store, page: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(page)).exec_without_returning(store.writer()).await?;
    Ok(())
}

/// Ids of pages written at `since` or later, the oldest first.
pub async fn ids_since(store: &Store, since: i64, limit: u64) -> Result<Vec<(Uuid, i64)>, StoreError> {
    Ok(Entity::find()
        .select_only()
        .column(Column::Id)
        .column(Column::WrittenAt)
        .filter(Column::WrittenAt.gte(since))
        .order_by_asc(Column::WrittenAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(store.reader())
        .await?)
}

pub async fn by_ids(store: &Store, ids: Vec<Uuid>) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find().filter(Column::Id.is_in(ids)).all(store.reader()).await?)
}

/// Ids of pages with something at `since` or later.
pub async fn ids_reaching(store: &Store, since: i64) -> Result<Vec<Uuid>, StoreError> {
    Ok(Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::LastAt.gte(since))
        .order_by_asc(Column::LastAt)
        .order_by_asc(Column::Id)
        .into_tuple()
        .all(store.reader())
        .await?)
}

/// Whether a page was written after `written_at` with something before `watermark`.
pub async fn is_late(store: &Store, watermark: i64, written_at: i64) -> Result<bool, StoreError> {
    let query = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::WrittenAt.gt(written_at))
        .filter(Column::FirstAt.lt(watermark))
        .limit(1);
    let found: Option<Uuid> = query.into_tuple().one(store.reader()).await?;
    Ok(found.is_some())
}
