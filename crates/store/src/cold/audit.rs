//! What operators did: who, what, when, before and after. Rows are only ever added.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, QueryTrait};

use crate::StoreError;
use crate::cold::newest_of;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    /// Also the idempotency key of what was done, so that a form sent twice has one row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The operator, by mail address.
    pub actor: String,
    /// A verb phrase, such as `grant.create`.
    pub action: String,
    /// The object, by its id.
    pub subject: String,
    pub customer: Option<Uuid>,
    pub reason: String,
    /// `asked` before it is done, then `done` or `refused`.
    pub state: String,
    /// The input of the action, JSON.
    pub input: String,
    /// JSON.
    pub before: Option<String>,
    pub after: Option<String>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row of this id: this one, or the one that was there before.
pub async fn insert_once(txn: &DatabaseTransaction, row: Model) -> Result<Model, StoreError> {
    let id = row.id;
    let once = OnConflict::column(Column::Id).do_nothing().to_owned();
    let new = row.clone();
    match Entity::insert(ActiveModel::from(row)).on_conflict(once).exec_without_returning(txn).await {
        Ok(1) => return Ok(new),
        Ok(_) | Err(DbErr::RecordNotInserted) => {}
        Err(error) => return Err(error.into()),
    }
    let first = Entity::find_by_id(id).one(txn).await?;
    first.ok_or_else(|| StoreError::Corrupt(format!("audit row {id} is neither new nor there")))
}

/// What came of it. A row that was done stays as it is.
pub async fn conclude(
    txn: &DatabaseTransaction,
    id: Uuid,
    state: &str,
    after: Option<String>,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::After, Expr::value(after))
        .filter(Column::Id.eq(id))
        .filter(Column::State.ne("done"))
        .exec(txn)
        .await?;
    Ok(())
}

/// Newest first, older than `before`, of one customer or of all.
pub async fn page(
    db: &impl ConnectionTrait,
    customer: Option<Uuid>,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let found = Entity::find().apply_if(customer, |query, of| query.filter(Column::Customer.eq(of)));
    newest_of(db, found, (Column::Id, before), limit).await
}
