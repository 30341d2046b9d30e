//! API keys: the SHA-256 of each secret, never the secret.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect};

use crate::StoreError;
use crate::cold::newest_of;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub secret_hash: Vec<u8>,
    pub name: String,
    /// Names with a space between them.
    pub scopes: String,
    /// Whose key it is; `None` for the merchant's.
    pub customer: Option<Uuid>,
    pub livemode: bool,
    pub created_at: i64,
    pub revoked_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub async fn insert(txn: &DatabaseTransaction, key: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(key)).exec_without_returning(txn).await?;
    Ok(())
}

/// A key that is not revoked.
pub async fn valid_by_hash(
    db: &impl ConnectionTrait,
    secret_hash: &[u8],
) -> Result<Option<Model>, StoreError> {
    let query = Entity::find()
        .filter(Column::SecretHash.eq(secret_hash.to_vec()))
        .filter(Column::RevokedAt.is_null());
    Ok(query.one(db).await?)
}

pub async fn by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// Every key, oldest first; a merchant has few.
pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find().order_by_asc(Column::Id).all(db).await?)
}

/// Newest first (ids carry the time of making), older than `before`.
pub async fn page(
    db: &impl ConnectionTrait,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    newest_of(db, Entity::find(), (Column::Id, before), limit).await
}

/// A customer's keys that are not revoked, newest first.
pub async fn of_customer(
    db: &impl ConnectionTrait,
    customer: Uuid,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::Customer.eq(customer)).filter(Column::RevokedAt.is_null());
    Ok(query.order_by_desc(Column::Id).limit(limit).all(db).await?)
}

/// Keeps the instant of the first revocation.
pub async fn revoke(txn: &DatabaseTransaction, id: Uuid, at: i64) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(at))
        .filter(Column::Id.eq(id))
        .filter(Column::RevokedAt.is_null())
        .exec(txn)
        .await?;
    Ok(())
}
