//! Which processes watch, and how far each has come.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{QueryOrder, QuerySelect};

use crate::{Store, StoreError};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_watchers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub process: Uuid,
    pub seen_at: i64,
    /// Every signal before this instant is in the state.
    pub watermark: i64,
    pub wallets: i64,
    pub applied: i64,
    /// Why it stands still.
    pub error: Option<String>,
    /// Verdicts that could not be acted on, and signals that did not fit into memory, since the process began; and
    /// when the last such thing happened.
    pub failed_acts: i64,
    pub dropped: i64,
    pub troubled_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub async fn say(store: &Store, watcher: Model) -> Result<(), StoreError> {
    let others = [
        Column::SeenAt,
        Column::Watermark,
        Column::Wallets,
        Column::Applied,
        Column::Error,
        Column::FailedActs,
        Column::Dropped,
        Column::TroubledAt,
    ];
    let again = OnConflict::column(Column::Process).update_columns(others).to_owned();
    Entity::insert(ActiveModel::from(watcher))
        .on_conflict(again)
        .exec_without_returning(store.writer())
        .await?;
    Ok(())
}

/// The one that said something last.
pub async fn last(db: &impl ConnectionTrait) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find().order_by_desc(Column::SeenAt).limit(1).one(db).await?)
}

/// Those that said something since, the one that has come furthest first.
pub async fn since(db: &impl ConnectionTrait, since: i64) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::SeenAt.gte(since)).order_by_desc(Column::Watermark);
    Ok(query.all(db).await?)
}

/// Those that said nothing since, and did not leave.
pub async fn before(db: &impl ConnectionTrait, since: i64) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find().filter(Column::SeenAt.lt(since)).order_by_asc(Column::SeenAt).all(db).await?)
}

/// A process that ends in order is not missed.
pub async fn leave(store: &Store, process: Uuid) -> Result<(), StoreError> {
    Entity::delete_by_id(process).exec(store.writer()).await?;
    Ok(())
}

/// Forgets processes that said nothing since `before`, but for the last one.
pub async fn forget(store: &Store, before: i64) -> Result<(), StoreError> {
    let Some(last) = last(store.reader()).await? else { return Ok(()) };
    Entity::delete_many()
        .filter(Column::SeenAt.lt(before))
        .filter(Column::Process.ne(last.process))
        .exec(store.writer())
        .await?;
    Ok(())
}
