//! Verified events of gateways, as they came. The gateway's id of an event is unique, so it is stored
//! once however often it arrives.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, TryInsertResult};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub gateway: String,
    pub kind: String,
    /// When the gateway made it, if it says so.
    pub created_at: Option<i64>,
    pub api_version: Option<String>,
    pub livemode: bool,
    /// What to read again because of it, as JSON; `None` for events that move no credits.
    pub subject: Option<String>,
    pub body: String,
    /// JSON.
    pub headers: String,
    /// How often it arrived.
    pub deliveries: i32,
    pub received_at: i64,
    /// What came of it, in a sentence.
    pub effect: Option<String>,
    pub state: String,
    pub attempts: i32,
    /// While it is leased: the end of the lease.
    pub next_attempt_at: i64,
    pub lease: Option<Uuid>,
    pub done_at: Option<i64>,
    pub error: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// False when the event is there already; then only its deliveries are counted.
pub async fn insert(txn: &DatabaseTransaction, event: Model) -> Result<bool, StoreError> {
    let id = event.id.clone();
    if insert_new(txn, event).await? {
        return Ok(true);
    }
    Entity::update_many()
        .col_expr(Column::Deliveries, Expr::col(Column::Deliveries).add(1))
        .filter(Column::Id.eq(id))
        .exec(txn)
        .await?;
    Ok(false)
}

/// False when the event is there already; nothing happens then.
pub async fn insert_new(txn: &DatabaseTransaction, event: Model) -> Result<bool, StoreError> {
    let insert = Entity::insert(ActiveModel::from(event)).on_conflict_do_nothing_on([Column::Id]);
    Ok(matches!(insert.exec_without_returning(txn).await?, TryInsertResult::Inserted(1)))
}

/// Which of `ids` are there.
pub async fn known(db: &impl ConnectionTrait, ids: Vec<String>) -> Result<Vec<String>, StoreError> {
    let query = Entity::find().select_only().column(Column::Id).filter(Column::Id.is_in(ids));
    Ok(query.into_tuple().all(db).await?)
}

pub async fn by_id(db: &impl ConnectionTrait, id: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// Says what came of the event that is leased under `token`.
pub async fn set_effect(txn: &DatabaseTransaction, token: Uuid, effect: &str) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Effect, Expr::value(effect))
        .filter(Column::Lease.eq(token))
        .exec(txn)
        .await?;
    Ok(())
}

/// What is read again because of the event, from now on.
pub async fn set_subject(txn: &DatabaseTransaction, id: &str, subject: &str) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Subject, Expr::value(subject))
        .filter(Column::Id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

/// Last arrived first, arrived before the event `before`.
pub async fn page(
    db: &impl ConnectionTrait,
    state: Option<&str>,
    before: Option<(i64, String)>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let mut filter = Condition::all();
    if let Some(state) = state {
        filter = filter.add(Column::State.eq(state));
    }
    if let Some((at, id)) = before {
        let same = Condition::all().add(Column::ReceivedAt.eq(at)).add(Column::Id.lt(id));
        filter = filter.add(Condition::any().add(Column::ReceivedAt.lt(at)).add(same));
    }
    let query = Entity::find().filter(filter);
    Ok(query.order_by_desc(Column::ReceivedAt).order_by_desc(Column::Id).limit(limit).all(db).await?)
}
