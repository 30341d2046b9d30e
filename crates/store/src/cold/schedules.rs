//! When what recurs is next. One row a schedule; a lease with an end keeps other processes off.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{Condition, QueryOrder};

use crate::{Store, StoreError};

/// How a run ended.
pub const DONE: &str = "done";
pub const FAILED: &str = "failed";

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "schedules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub cron: String,
    pub next_run_at: i64,
    pub lease: Option<Uuid>,
    pub lease_until: Option<i64>,
    pub last_run_at: Option<i64>,
    /// [`DONE`] or [`FAILED`].
    pub last_state: Option<String>,
    pub last_result: Option<String>,
    pub runs: i64,
    /// When the last run began that ended well.
    pub last_success_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Run {
    pub started_at: i64,
    pub next_run_at: i64,
    /// What it said, or why it failed.
    pub result: Result<String, String>,
}

/// Makes the row unless it is there. A changed expression begins at `next_run_at` as well.
pub async fn ensure(store: &Store, name: &str, cron: &str, next_run_at: i64) -> Result<(), StoreError> {
    let row = Model {
        name: name.to_owned(),
        cron: cron.to_owned(),
        next_run_at,
        lease: None,
        lease_until: None,
        last_run_at: None,
        last_state: None,
        last_result: None,
        runs: 0,
        last_success_at: None,
    };
    let insert = Entity::insert(ActiveModel::from(row)).on_conflict_do_nothing_on([Column::Name]);
    insert.exec_without_returning(store.writer()).await?;
    Entity::update_many()
        .col_expr(Column::Cron, Expr::value(cron))
        .col_expr(Column::NextRunAt, Expr::value(next_run_at))
        .filter(Column::Name.eq(name))
        .filter(Column::Cron.ne(cron))
        .exec(store.writer())
        .await?;
    Ok(())
}

pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find().order_by_asc(Column::Name).all(db).await?)
}

/// Makes the next run due at `at`, unless it is due before.
pub async fn hasten(store: &Store, name: &str, at: i64) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::NextRunAt, Expr::value(at))
        .filter(Column::Name.eq(name))
        .filter(Column::NextRunAt.gt(at))
        .exec(store.writer())
        .await?;
    Ok(())
}

pub async fn by_name(db: &impl ConnectionTrait, name: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(name).one(db).await?)
}

/// Takes the run that is due, under `token` until `until`; answers when it was due. `None`: nothing is, or
/// another process has it.
pub async fn claim(
    store: &Store,
    name: &str,
    token: Uuid,
    (now, until): (i64, i64),
) -> Result<Option<i64>, StoreError> {
    let row = Entity::find_by_id(name).one(store.reader()).await?;
    let Some(due_at) = row.map(|row| row.next_run_at).filter(|at| *at <= now) else { return Ok(None) };
    let is_free = Condition::any().add(Column::LeaseUntil.is_null()).add(Column::LeaseUntil.lte(now));
    let done = Entity::update_many()
        .col_expr(Column::Lease, Expr::value(token))
        .col_expr(Column::LeaseUntil, Expr::value(until))
        .filter(Column::Name.eq(name))
        .filter(Column::NextRunAt.eq(due_at))
        .filter(is_free)
        .exec(store.writer())
        .await?;
    Ok((done.rows_affected == 1).then_some(due_at))
}

/// How far the running run has come, until its result takes the place.
pub async fn progress(store: &Store, name: &str, said: &str) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::LastResult, Expr::value(said))
        .filter(Column::Name.eq(name))
        .filter(Column::Lease.is_not_null())
        .exec(store.writer())
        .await?;
    Ok(())
}

/// The end of the run under `token`; nothing when the lease went to somebody else.
pub async fn finish(store: &Store, name: &str, token: Uuid, run: Run) -> Result<(), StoreError> {
    let mut row = Entity::update_many();
    let (state, said) = match run.result {
        Ok(said) => {
            row = row.col_expr(Column::LastSuccessAt, Expr::value(run.started_at));
            (DONE, said)
        }
        Err(error) => (FAILED, error),
    };
    row.col_expr(Column::NextRunAt, Expr::value(run.next_run_at))
        .col_expr(Column::LastRunAt, Expr::value(run.started_at))
        .col_expr(Column::LastState, Expr::value(state))
        .col_expr(Column::LastResult, Expr::value(said))
        .col_expr(Column::Runs, Expr::col(Column::Runs).add(1))
        .col_expr(Column::Lease, Expr::value(None::<Uuid>))
        .col_expr(Column::LeaseUntil, Expr::value(None::<i64>))
        .filter(Column::Name.eq(name))
        .filter(Column::Lease.eq(token))
        .exec(store.writer())
        .await?;
    Ok(())
}
