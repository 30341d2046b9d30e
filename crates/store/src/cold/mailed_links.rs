//! Links that were mailed to somebody, as good as a password for one purpose: the SHA-256 of each token,
//! never the token.

use sea_orm::DatabaseTransaction;
use sea_orm::entity::prelude::*;

use crate::StoreError;

/// Proves the address of a sign-up and opens its account.
pub const OPEN_ACCOUNT: &str = "open_account";
/// Proves the address once more and lifts a hold.
pub const LIFT_HOLD: &str = "lift_hold";
/// Lets its reader choose a new password, once.
pub const CHOOSE_PASSWORD: &str = "choose_password";

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mailed_links")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: Vec<u8>,
    pub user_id: Uuid,
    pub purpose: String,
    /// Where it was mailed to: what following it proves.
    pub email: String,
    /// Exclusive.
    pub expires_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A new link ends the older ones of its user and purpose.
pub async fn replace(txn: &DatabaseTransaction, link: Model) -> Result<(), StoreError> {
    forget(txn, link.user_id, &link.purpose).await?;
    Entity::insert(ActiveModel::from(link)).exec_without_returning(txn).await?;
    Ok(())
}

/// Ends the links of a user for one purpose.
pub async fn forget(txn: &DatabaseTransaction, user: Uuid, purpose: &str) -> Result<(), StoreError> {
    let of_user = Entity::delete_many().filter(Column::UserId.eq(user));
    of_user.filter(Column::Purpose.eq(purpose)).exec(txn).await?;
    Ok(())
}

/// Ends all links of a user.
pub async fn forget_all(txn: &DatabaseTransaction, user: Uuid) -> Result<(), StoreError> {
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
