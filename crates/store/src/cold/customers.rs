//! Persons and organisations; each has one wallet. One installation is one merchant, so a customer has
//! no further owner.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Func, LikeExpr};
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, TryGetable};

use crate::StoreError;
use crate::cold::newest_of;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub external_id: String,
    pub wallet: Uuid,
    pub kind: String,
    pub name: String,
    pub email: String,
    pub currency: String,
    pub timezone: String,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// SQLite takes 32,766 values in a statement.
const IDS_AT_ONCE: usize = 1_000;

/// As whoever signs up anew calls themselves.
pub async fn set_name(txn: &DatabaseTransaction, id: Uuid, name: &str) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Name, Expr::value(name))
        .filter(Column::Id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

pub async fn insert(txn: &DatabaseTransaction, customer: Model) -> Result<(), StoreError> {
    Entity::insert(ActiveModel::from(customer)).exec_without_returning(txn).await?;
    Ok(())
}

pub async fn by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

pub async fn by_external_id(
    db: &impl ConnectionTrait,
    external_id: &str,
) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find().filter(Column::ExternalId.eq(external_id)).one(db).await?)
}

/// Wallets of customers; of more than a statement takes, with several.
pub async fn wallets_of(db: &impl ConnectionTrait, ids: Vec<Uuid>) -> Result<Vec<(Uuid, Uuid)>, StoreError> {
    each(db, ids, Column::Wallet).await
}

/// Names of customers, likewise.
pub async fn names_of(db: &impl ConnectionTrait, ids: Vec<Uuid>) -> Result<Vec<(Uuid, String)>, StoreError> {
    each(db, ids, Column::Name).await
}

async fn each<T: TryGetable>(
    db: &impl ConnectionTrait,
    ids: Vec<Uuid>,
    column: Column,
) -> Result<Vec<(Uuid, T)>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    for some in ids.chunks(IDS_AT_ONCE) {
        let query = Entity::find().select_only().columns([Column::Id, column]);
        let query = query.filter(Column::Id.is_in(some.iter().copied()));
        found.extend(query.into_tuple::<(Uuid, T)>().all(db).await?);
    }
    Ok(found)
}

pub async fn by_wallet(db: &impl ConnectionTrait, wallet: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find().filter(Column::Wallet.eq(wallet)).one(db).await?)
}

/// Whose name, address or external id contains `text`, newest first.
pub async fn search(db: &impl ConnectionTrait, text: &str, limit: u64) -> Result<Vec<Model>, StoreError> {
    let escaped = |text: &str| text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    let (typed, lower) = (escaped(text), escaped(&text.to_lowercase()));
    let mut contains = Condition::any();
    for column in [Column::Name, Column::Email, Column::ExternalId] {
        let pattern = LikeExpr::new(format!("%{lower}%")).escape('!');
        contains = contains.add(Expr::expr(Func::lower(Expr::col(column))).like(pattern));
        // SQLite lowers ASCII only.
        contains = contains.add(column.like(LikeExpr::new(format!("%{typed}%")).escape('!')));
    }
    Ok(Entity::find().filter(contains).order_by_desc(Column::Id).limit(limit).all(db).await?)
}

pub async fn count(db: &impl ConnectionTrait) -> Result<u64, StoreError> {
    Ok(Entity::find().count(db).await?)
}

/// Newest first (ids carry the time of making), older than `before`.
pub async fn page(
    db: &impl ConnectionTrait,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    newest_of(db, Entity::find(), (Column::Id, before), limit).await
}
