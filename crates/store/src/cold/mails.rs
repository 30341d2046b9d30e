//! The outbox of mails. A row is made once per `key` (`expiring:<lot>:7`, `receipt:<purchase>`), in the
//! transaction of what it tells about, and sent later.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, UpdateMany};

use crate::StoreError;
use crate::cold::newest;

pub const PENDING: &str = "pending";
pub const SENT: &str = "sent";
/// Given up: the server refuses it, or too many tries.
pub const FAILED: &str = "failed";

/// What stays of a mail's text when it was sent or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Text,
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mails")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub key: String,
    pub recipient: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub state: String,
    pub attempts: i16,
    /// While a process sends it: when another may try.
    pub next_attempt_at: i64,
    pub created_at: i64,
    pub sent_at: Option<i64>,
    /// Of the last try that failed.
    pub error: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// False when there is a mail with this key already.
pub async fn insert_once(txn: &DatabaseTransaction, mail: Model) -> Result<bool, StoreError> {
    let once = OnConflict::column(Column::Key).do_nothing().to_owned();
    let inserted = Entity::insert(ActiveModel::from(mail)).on_conflict(once).exec_without_returning(txn);
    match inserted.await {
        Ok(rows) => Ok(rows == 1),
        Err(DbErr::RecordNotInserted) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Which of these keys have a mail.
pub async fn known_keys(db: &impl ConnectionTrait, keys: Vec<String>) -> Result<Vec<String>, StoreError> {
    let query = Entity::find().select_only().column(Column::Key).filter(Column::Key.is_in(keys));
    Ok(query.into_tuple().all(db).await?)
}

/// Those that wait for a try, the longest waiting first.
pub async fn due(db: &impl ConnectionTrait, now: i64, limit: u64) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find()
        .filter(Column::State.eq(PENDING))
        .filter(Column::NextAttemptAt.lte(now))
        .order_by_asc(Column::NextAttemptAt)
        .order_by_asc(Column::Id);
    Ok(query.limit(limit).all(db).await?)
}

/// Takes the next try of a mail for one process until `until`; false when another took it.
pub async fn claim(db: &impl ConnectionTrait, mail: &Model, until: i64) -> Result<bool, StoreError> {
    let claimed = Entity::update_many()
        .col_expr(Column::Attempts, Expr::value(mail.attempts.saturating_add(1)))
        .col_expr(Column::NextAttemptAt, Expr::value(until))
        .filter(Column::Id.eq(mail.id))
        .filter(Column::State.eq(PENDING))
        .filter(Column::Attempts.eq(mail.attempts))
        .exec(db)
        .await?;
    Ok(claimed.rows_affected == 1)
}

pub async fn mark_sent(db: &impl ConnectionTrait, id: Uuid, at: i64, keep: Keep) -> Result<(), StoreError> {
    let update = Entity::update_many()
        .col_expr(Column::State, Expr::value(SENT))
        .col_expr(Column::SentAt, Expr::value(at))
        .col_expr(Column::Error, Expr::value(Option::<String>::None))
        .filter(Column::Id.eq(id))
        .filter(Column::State.ne(SENT));
    ended(update, keep).exec(db).await?;
    Ok(())
}

/// After a failed try: once more at `retry_at`, or never.
pub async fn mark_failed(
    db: &impl ConnectionTrait,
    id: Uuid,
    error: String,
    retry_at: Option<i64>,
    keep: Keep,
) -> Result<(), StoreError> {
    let mut update = Entity::update_many()
        .col_expr(Column::Error, Expr::value(Some(error)))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(PENDING));
    update = match retry_at {
        Some(at) => update.col_expr(Column::NextAttemptAt, Expr::value(at)),
        None => ended(update.col_expr(Column::State, Expr::value(FAILED)), keep),
    };
    update.exec(db).await?;
    Ok(())
}

fn ended(update: UpdateMany<Entity>, keep: Keep) -> UpdateMany<Entity> {
    match keep {
        Keep::Text => update,
        Keep::Nothing => {
            update.col_expr(Column::Text, Expr::value("")).col_expr(Column::Html, Expr::value(""))
        }
    }
}

/// An operator's wish: all tries anew. False when there is nothing to send.
pub async fn retry(txn: &DatabaseTransaction, id: Uuid, now: i64) -> Result<bool, StoreError> {
    let renewed = Entity::update_many()
        .col_expr(Column::State, Expr::value(PENDING))
        .col_expr(Column::Attempts, Expr::value(0_i16))
        .col_expr(Column::NextAttemptAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(FAILED))
        .filter(Column::Text.ne(""))
        .exec(txn)
        .await?;
    Ok(renewed.rows_affected == 1)
}

pub async fn by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// Newest first, older than `before`, of one state or of all.
pub async fn page(
    db: &impl ConnectionTrait,
    state: Option<&str>,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    newest::<Entity>(db, (Column::Id, before), (Column::State, state), limit).await
}

pub async fn count(db: &impl ConnectionTrait, state: &str) -> Result<u64, StoreError> {
    Ok(Entity::find().filter(Column::State.eq(state)).count(db).await?)
}
