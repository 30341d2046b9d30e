//! Signed-in browsers: the SHA-256 of each cookie's token, never the token.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: Vec<u8>,
    /// What pages call it by.
    pub id: Uuid,
    pub user_id: Uuid,
    pub user_agent: String,
    pub created_at: i64,
    pub last_seen: i64,
    /// Exclusive.
    pub expires_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub async fn insert(txn: &DatabaseTransaction, session: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(session)).exec_without_returning(txn).await?;
    Ok(())
}

/// A session whose time is not over.
pub async fn valid(
    db: &impl ConnectionTrait,
    token_hash: &[u8],
    now: i64,
) -> Result<Option<Model>, StoreError> {
    let query = Entity::find_by_id(token_hash.to_vec()).filter(Column::ExpiresAt.gt(now));
    Ok(query.one(db).await?)
}

/// Of one user, the last used first.
pub async fn of_user(
    db: &impl ConnectionTrait,
    user: Uuid,
    now: i64,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::UserId.eq(user)).filter(Column::ExpiresAt.gt(now));
    Ok(query.order_by_desc(Column::LastSeen).order_by_desc(Column::Id).limit(limit).all(db).await?)
}

pub async fn touch(
    txn: &DatabaseTransaction,
    token_hash: &[u8],
    now: i64,
    expires_at: i64,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::LastSeen, Expr::value(now))
        .col_expr(Column::ExpiresAt, Expr::value(expires_at))
        .filter(Column::TokenHash.eq(token_hash.to_vec()))
        .exec(txn)
        .await?;
    Ok(())
}

pub async fn end(txn: &DatabaseTransaction, token_hash: &[u8]) -> Result<(), StoreError> {
    Entity::delete_many().filter(Column::TokenHash.eq(token_hash.to_vec())).exec(txn).await?;
    Ok(())
}

/// Ends one session of this user; `false` when they have none with this id.
pub async fn end_of_user(txn: &DatabaseTransaction, user: Uuid, id: Uuid) -> Result<bool, StoreError> {
    let query = Entity::delete_many().filter(Column::UserId.eq(user)).filter(Column::Id.eq(id));
    Ok(query.exec(txn).await?.rows_affected > 0)
}

/// Ends every session of this user but the one with `kept`.
pub async fn end_all(txn: &DatabaseTransaction, user: Uuid, kept: Option<Uuid>) -> Result<(), StoreError> {
    let mut query = Entity::delete_many().filter(Column::UserId.eq(user));
    if let Some(kept) = kept {
        query = query.filter(Column::Id.ne(kept));
    }
    query.exec(txn).await?;
    Ok(())
}

/// Forgets sessions whose time is over.
pub async fn forget_expired(txn: &DatabaseTransaction, user: Uuid, now: i64) -> Result<(), StoreError> {
    Entity::delete_many()
        .filter(Column::UserId.eq(user))
        .filter(Column::ExpiresAt.lte(now))
        .exec(txn)
        .await?;
    Ok(())
}
