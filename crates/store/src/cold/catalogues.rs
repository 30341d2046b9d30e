//! Rate cards as documents. A published one never changes; the newest published one is in force.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "catalogues")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    pub name: String,
    pub toml: String,
    pub created_at: i64,
    pub published_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Two that take the same version collide on the primary key; the loser tries again.
pub async fn insert(txn: &DatabaseTransaction, catalogue: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(catalogue)).exec_without_returning(txn).await?;
    Ok(())
}

pub async fn by_version(db: &impl ConnectionTrait, version: i64) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(version).one(db).await?)
}

/// The highest version there is; 0 before the first.
pub async fn last_version(db: &impl ConnectionTrait) -> Result<i64, StoreError> {
    let last: Option<i64> = Entity::find()
        .select_only()
        .column(Column::Version)
        .order_by_desc(Column::Version)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok(last.unwrap_or(0))
}

/// (instant, version) of all published ones, oldest first; their documents are read apart.
pub async fn published(db: &impl ConnectionTrait) -> Result<Vec<(i64, i64)>, StoreError> {
    Ok(Entity::find()
        .select_only()
        .column(Column::PublishedAt)
        .column(Column::Version)
        .filter(Column::PublishedAt.is_not_null())
        .order_by_asc(Column::PublishedAt)
        .order_by_asc(Column::Version)
        .into_tuple()
        .all(db)
        .await?)
}

/// Newest version first, older than `before`.
pub async fn page(
    db: &impl ConnectionTrait,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let mut query = Entity::find();
    if let Some(before) = before {
        query = query.filter(Column::Version.lt(before));
    }
    Ok(query.order_by_desc(Column::Version).limit(limit).all(db).await?)
}

/// Publishes a draft; one that is published keeps its instant.
pub async fn publish(txn: &DatabaseTransaction, version: i64, at: i64) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::PublishedAt, Expr::value(at))
        .filter(Column::Version.eq(version))
        .filter(Column::PublishedAt.is_null())
        .exec(txn)
        .await?;
    Ok(())
}
