//! Models, as bytes that name what they were fitted on. One is active at most.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, FromQueryResult, QueryOrder, QuerySelect};

use crate::StoreError;

pub const CANDIDATE: &str = "candidate";
pub const SHADOW: &str = "shadow";
pub const ACTIVE: &str = "active";
pub const RETIRED: &str = "retired";

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_models")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// `ensemble` or `feedback`.
    pub kind: String,
    pub state: String,
    /// JSON.
    pub metrics: String,
    pub created_at: i64,
    pub promoted_at: Option<i64>,
    pub bytes: Vec<u8>,
    /// The rows it was fitted on, thinned, to compare later days with.
    pub rows: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A model without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Listed {
    pub id: String,
    pub kind: String,
    pub state: String,
    pub metrics: String,
    pub created_at: i64,
    pub promoted_at: Option<i64>,
}

/// False when there is one with this id.
pub async fn insert(txn: &DatabaseTransaction, model: Model) -> Result<bool, StoreError> {
    let done = Entity::insert(ActiveModel::from(model))
        .on_conflict_do_nothing_on([Column::Id])
        .exec_without_returning(txn)
        .await?;
    Ok(matches!(done, sea_orm::TryInsertResult::Inserted(1)))
}

pub async fn by_id(db: &impl ConnectionTrait, id: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// Newest first.
pub async fn list(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Listed>, StoreError> {
    Ok(Entity::find()
        .select_only()
        .columns([
            Column::Id,
            Column::Kind,
            Column::State,
            Column::Metrics,
            Column::CreatedAt,
            Column::PromotedAt,
        ])
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(limit)
        .into_model()
        .all(db)
        .await?)
}

/// The id of the one in this state, the newest if there are several.
pub async fn id_in(db: &impl ConnectionTrait, kind: &str, state: &str) -> Result<Option<String>, StoreError> {
    Ok(Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Kind.eq(kind))
        .filter(Column::State.eq(state))
        .order_by_desc(Column::CreatedAt)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?)
}

/// Moves every model of the kind that is in one state to another, but for the named one.
pub async fn move_others(
    txn: &DatabaseTransaction,
    (kind, but): (&str, &str),
    from: &str,
    to: &str,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(to))
        .filter(Column::Kind.eq(kind))
        .filter(Column::State.eq(from))
        .filter(Column::Id.ne(but))
        .exec(txn)
        .await?;
    Ok(())
}

pub async fn set_state(
    txn: &DatabaseTransaction,
    id: &str,
    state: &str,
    promoted_at: Option<i64>,
) -> Result<bool, StoreError> {
    let mut update = Entity::update_many().col_expr(Column::State, Expr::value(state));
    if let Some(at) = promoted_at {
        update = update.col_expr(Column::PromotedAt, Expr::value(at));
    }
    Ok(update.filter(Column::Id.eq(id)).exec(txn).await?.rows_affected == 1)
}

pub async fn set_metrics(txn: &DatabaseTransaction, id: &str, metrics: String) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Metrics, Expr::value(metrics))
        .filter(Column::Id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

/// Forgets retired ones made before.
pub async fn forget(db: &impl ConnectionTrait, before: i64) -> Result<u64, StoreError> {
    let gone = Entity::delete_many()
        .filter(Column::State.eq(RETIRED))
        .filter(Column::CreatedAt.lt(before))
        .exec(db)
        .await?;
    Ok(gone.rows_affected)
}
