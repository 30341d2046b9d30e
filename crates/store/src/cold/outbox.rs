//! What must happen once, outside of the transaction that decided it: credits to move, calls to a
//! gateway. `key` is what it comes from (a payment, a period); the same key is the same work for ever.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, TryInsertResult};

use crate::StoreError;
use crate::cold::newest;
use crate::cold::queue::WAITING;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub key: String,
    pub kind: String,
    /// JSON that only the handler of `kind` reads.
    pub payload: String,
    pub created_at: i64,
    pub state: String,
    pub attempts: i32,
    /// While it is leased: the end of the lease.
    pub next_attempt_at: i64,
    pub lease: Option<Uuid>,
    pub done_at: Option<i64>,
    /// Why the last attempt failed, or what ended it.
    pub error: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Work to be done from `at` on.
    pub fn new(id: Uuid, key: String, kind: &str, payload: String, at: i64) -> Model {
        Model {
            id,
            key,
            kind: kind.to_owned(),
            payload,
            created_at: at,
            state: WAITING.to_owned(),
            attempts: 0,
            next_attempt_at: at,
            lease: None,
            done_at: None,
            error: None,
        }
    }
}

/// False when there is work with this key already; it stays as it is.
pub async fn insert(txn: &DatabaseTransaction, work: Model) -> Result<bool, StoreError> {
    let done = Entity::insert(ActiveModel::from(work))
        .on_conflict_do_nothing_on([Column::Key])
        .exec_without_returning(txn)
        .await?;
    Ok(matches!(done, TryInsertResult::Inserted(1)))
}

pub async fn by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

pub async fn by_key(db: &impl ConnectionTrait, key: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find().filter(Column::Key.eq(key)).one(db).await?)
}

/// Newest first, older than `before`.
pub async fn page(
    db: &impl ConnectionTrait,
    state: Option<&str>,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    newest::<Entity>(db, (Column::Id, before), (Column::State, state), limit).await
}
