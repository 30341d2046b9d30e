//! Who signs in. A customer's user names the customer; an operator's has none.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Lower case.
    pub email: String,
    pub name: String,
    /// Argon2id, as a PHC string; empty until its user has chosen one.
    pub password_hash: String,
    pub role: String,
    pub customer: Option<Uuid>,
    pub verified_at: Option<i64>,
    /// Since the last success.
    pub failed_sign_ins: i32,
    /// Exclusive; 0 for never.
    pub locked_until: i64,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub async fn insert(txn: &DatabaseTransaction, user: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(user)).exec_without_returning(txn).await?;
    Ok(())
}

pub async fn by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

pub async fn by_email(db: &impl ConnectionTrait, email: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find().filter(Column::Email.eq(email)).one(db).await?)
}

/// The users of a customer, oldest first.
pub async fn of_customer(
    db: &impl ConnectionTrait,
    customer: Uuid,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::Customer.eq(customer));
    Ok(query.order_by_asc(Column::Id).limit(limit).all(db).await?)
}

/// Those with this role, oldest first.
pub async fn of_role(db: &impl ConnectionTrait, role: &str, limit: u64) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::Role.eq(role));
    Ok(query.order_by_asc(Column::Id).limit(limit).all(db).await?)
}

/// Removes the user of this role; false when there is none.
pub async fn remove(txn: &DatabaseTransaction, id: Uuid, role: &str) -> Result<bool, StoreError> {
    let gone = Entity::delete_by_id(id).filter(Column::Role.eq(role)).exec(txn).await?;
    Ok(gone.rows_affected == 1)
}

/// Counts one more try before it is judged, unless another was counted meanwhile: `false` then.
pub async fn count_try(
    txn: &DatabaseTransaction,
    id: Uuid,
    failed_before: i32,
    locked_until: i64,
) -> Result<bool, StoreError> {
    let done = Entity::update_many()
        .col_expr(Column::FailedSignIns, Expr::value(failed_before.saturating_add(1)))
        .col_expr(Column::LockedUntil, Expr::value(locked_until))
        .filter(Column::Id.eq(id))
        .filter(Column::FailedSignIns.eq(failed_before))
        .exec(txn)
        .await?;
    Ok(done.rows_affected == 1)
}

pub async fn forget_tries(txn: &DatabaseTransaction, id: Uuid) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::FailedSignIns, Expr::value(0))
        .col_expr(Column::LockedUntil, Expr::value(0_i64))
        .filter(Column::Id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

pub async fn set_password(
    txn: &DatabaseTransaction,
    id: Uuid,
    password_hash: &str,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(password_hash))
        .filter(Column::Id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

pub async fn set_name(txn: &DatabaseTransaction, id: Uuid, name: &str) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Name, Expr::value(name))
        .filter(Column::Id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

/// Keeps the first instant; a link for an address that was changed since proves nothing. False when nothing
/// was left to prove.
pub async fn verify(txn: &DatabaseTransaction, id: Uuid, email: &str, at: i64) -> Result<bool, StoreError> {
    let done = Entity::update_many()
        .col_expr(Column::VerifiedAt, Expr::value(at))
        .filter(Column::Id.eq(id))
        .filter(Column::Email.eq(email))
        .filter(Column::VerifiedAt.is_null())
        .exec(txn)
        .await?;
    Ok(done.rows_affected == 1)
}
