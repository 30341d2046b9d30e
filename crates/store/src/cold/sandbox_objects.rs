//! Objects of the sandbox gateway as JSON that this crate does not read. `parent` is the payment behind
//! an object, `due_at` the instant at which the sandbox itself must act on it.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sandbox_objects")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub kind: String,
    pub parent: Option<String>,
    pub created_at: i64,
    pub due_at: Option<i64>,
    pub json: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// One page of a list, newest first.
#[derive(Clone, Debug, Default)]
pub struct Page<'a> {
    pub parent: Option<&'a str>,
    /// Bounds on `created_at`, both inclusive.
    pub from: Option<i64>,
    pub to: Option<i64>,
    /// The `created_at` and id after which the page begins.
    pub after: Option<(i64, String)>,
    pub limit: u64,
}

/// Inserts the object, or replaces what changes in it.
pub async fn put(txn: &DatabaseTransaction, object: Model) -> Result<(), StoreError> {
    let replace = OnConflict::column(Column::Id)
        .update_columns([Column::Parent, Column::DueAt, Column::Json])
        .to_owned();
    Entity::insert(ActiveModel::from(object)).on_conflict(replace).exec_without_returning(txn).await?;
    Ok(())
}

pub async fn find(db: &impl ConnectionTrait, id: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

pub async fn page(db: &impl ConnectionTrait, kind: &str, page: &Page<'_>) -> Result<Vec<Model>, StoreError> {
    let mut query = Entity::find().filter(Column::Kind.eq(kind));
    if let Some(parent) = page.parent {
        query = query.filter(Column::Parent.eq(parent));
    }
    if let Some(from) = page.from {
        query = query.filter(Column::CreatedAt.gte(from));
    }
    if let Some(to) = page.to {
        query = query.filter(Column::CreatedAt.lte(to));
    }
    if let Some((at, id)) = &page.after {
        let same_instant = Column::CreatedAt.eq(*at);
        let older = Condition::all().add(same_instant).add(Column::Id.lt(id.as_str()));
        query = query.filter(Condition::any().add(Column::CreatedAt.lt(*at)).add(older));
    }
    let newest_first = query.order_by_desc(Column::CreatedAt).order_by_desc(Column::Id);
    Ok(newest_first.limit(page.limit).all(db).await?)
}

/// Objects of a kind whose instant has come, oldest first.
pub async fn due(
    db: &impl ConnectionTrait,
    kind: &str,
    now: i64,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find()
        .filter(Column::Kind.eq(kind))
        .filter(Column::DueAt.lte(now))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await?)
}

pub async fn remove(txn: &DatabaseTransaction, id: &str) -> Result<(), StoreError> {
    Entity::delete_by_id(id).exec(txn).await?;
    Ok(())
}
