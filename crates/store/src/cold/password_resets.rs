//! Links that let somebody choose a new password: the SHA-256 of each token, never the token.

use sea_orm::DatabaseTransaction;
use sea_orm::entity::prelude::*;

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "password_resets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: Vec<u8>,
    pub user_id: Uuid,
    /// Exclusive.
    pub expires_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A new link ends the older ones of its user.
pub async fn replace(txn: &DatabaseTransaction, link: Model) -> Result<(), StoreError> {
    forget(txn, link.user_id).await?;
    Entity::insert(ActiveModel::from(link)).exec_without_returning(txn).await?;
    Ok(())
}

/// Ends all links of a user.
pub async fn forget(txn: &DatabaseTransaction, user: Uuid) -> Result<(), StoreError> {
    Entity::delete_many().filter(Column::UserId.eq(user)).exec(txn).await?;
    Ok(())
}

/// A link whose time is not over.
pub async fn valid(
    db: &impl ConnectionTrait,
    token_hash: &[u8],
    now: i64,
) -> Result<Option<Model>, StoreError> {
    let query = Entity::find_by_id(token_hash.to_vec()).filter(Column::ExpiresAt.gt(now));
    Ok(query.one(db).await?)
}
