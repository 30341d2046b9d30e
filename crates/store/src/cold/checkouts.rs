//! Purchases of credits, from the call that asked for one to the last refund. `purchase` is billing's
//! state machine as JSON, `lots` the seqs of the grants that it made, as JSON; `version` guards both.

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect};

use crate::StoreError;
use crate::cold::newest_of;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "checkouts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub customer: Uuid,
    pub wallet: Uuid,
    pub gateway: String,
    /// The gateway's id of the checkout.
    pub gateway_id: Option<String>,
    /// The gateway's id of the payment.
    pub payment: Option<String>,
    /// `None` for a custom amount.
    pub pack: Option<String>,
    pub quantity: i32,
    pub credits: i64,
    pub amount_minor: i64,
    pub currency: String,
    /// `creating`, `open`, `processing`, `paid`, `failed`, `expired`, or `refused` by the gateway.
    pub state: String,
    pub success_url: String,
    pub cancel_url: String,
    /// The gateway's page; set once and kept.
    pub url: Option<String>,
    /// Why the gateway refused or the money did not come.
    pub error: Option<String>,
    pub purchase: String,
    pub lots: String,
    pub version: i64,
    /// Who asked, under which idempotency key, with which input.
    pub owner: String,
    pub request_key: Option<String>,
    pub input_hash: Vec<u8>,
    pub created_at: i64,
    pub settled_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub const CREATING: &str = "creating";
pub const OPEN: &str = "open";
pub const PROCESSING: &str = "processing";
pub const PAID: &str = "paid";
pub const PAYMENT_FAILED: &str = "failed";
pub const EXPIRED: &str = "expired";
pub const REFUSED: &str = "refused";

pub async fn insert(txn: &DatabaseTransaction, checkout: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(checkout)).exec_without_returning(txn).await?;
    Ok(())
}

pub async fn by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

pub async fn by_key(db: &impl ConnectionTrait, owner: &str, key: &str) -> Result<Option<Model>, StoreError> {
    let query = Entity::find().filter(Column::Owner.eq(owner)).filter(Column::RequestKey.eq(key));
    Ok(query.one(db).await?)
}

/// By the gateway's id of the checkout or of the payment.
pub async fn by_gateway_id(
    db: &impl ConnectionTrait,
    gateway: &str,
    id: &str,
) -> Result<Option<Model>, StoreError> {
    let either = Condition::any().add(Column::GatewayId.eq(id)).add(Column::Payment.eq(id));
    Ok(Entity::find().filter(Column::Gateway.eq(gateway)).filter(either).one(db).await?)
}

/// Newest first, older than `before`.
pub async fn of_customer(
    db: &impl ConnectionTrait,
    customer: Uuid,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let own = Entity::find().filter(Column::Customer.eq(customer));
    newest_of(db, own, (Column::Id, before), limit).await
}

/// What was made at `since` or later and may still be paid or is on its way, oldest first.
pub async fn unsettled(
    db: &impl ConnectionTrait,
    gateway: &str,
    since: i64,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find()
        .filter(Column::State.is_in([OPEN, PROCESSING]))
        .filter(Column::Gateway.eq(gateway))
        .filter(Column::CreatedAt.gte(since))
        .order_by_asc(Column::CreatedAt)
        .limit(limit)
        .all(db)
        .await?)
}

/// What was made at `from` or later and before `until`, and whose money is on its way; oldest first.
pub async fn processing(
    db: &impl ConnectionTrait,
    gateway: &str,
    (from, until): (i64, i64),
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find()
        .filter(Column::State.eq(PROCESSING))
        .filter(Column::Gateway.eq(gateway))
        .filter(Column::CreatedAt.gte(from))
        .filter(Column::CreatedAt.lt(until))
        .order_by_asc(Column::CreatedAt)
        .limit(limit)
        .all(db)
        .await?)
}

/// Replaces what changes, unless somebody did so since `checkout.version` was read; answers whether.
pub async fn update(txn: &DatabaseTransaction, checkout: &Model) -> Result<bool, StoreError> {
    let done = Entity::update_many()
        .col_expr(Column::GatewayId, Expr::value(checkout.gateway_id.clone()))
        .col_expr(Column::Payment, Expr::value(checkout.payment.clone()))
        .col_expr(Column::State, Expr::value(checkout.state.clone()))
        .col_expr(Column::Url, Expr::value(checkout.url.clone()))
        .col_expr(Column::Error, Expr::value(checkout.error.clone()))
        .col_expr(Column::Purchase, Expr::value(checkout.purchase.clone()))
        .col_expr(Column::Lots, Expr::value(checkout.lots.clone()))
        .col_expr(Column::RequestKey, Expr::value(checkout.request_key.clone()))
        .col_expr(Column::SettledAt, Expr::value(checkout.settled_at))
        .col_expr(Column::Version, Expr::value(checkout.version + 1))
        .filter(Column::Id.eq(checkout.id))
        .filter(Column::Version.eq(checkout.version))
        .exec(txn)
        .await?;
    Ok(done.rows_affected == 1)
}
