//! What the gateway told of the risk of payments: one row a charge, warning or dispute.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait as _, OnConflict};
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect};

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment_signals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub gateway: String,
    /// The gateway's id of the charge, warning or dispute.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub wallet: Uuid,
    pub customer: Uuid,
    /// `succeeded`, `failed`, `warned` or `disputed`.
    pub kind: String,
    /// `normal`, `elevated` or `highest`.
    pub risk_level: Option<String>,
    /// A hash of the card's fingerprint.
    pub card: Option<i64>,
    pub country_matches: Option<bool>,
    /// What the purchase brings, in micro-credits.
    pub credits: i64,
    /// When the gateway says that it happened.
    pub occurred_at: i64,
    pub recorded_at: i64,
    /// The bank recognised the holder of the card.
    pub is_authenticated: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Keeps the row that was there before; true when there was none.
pub async fn insert_once(txn: &DatabaseTransaction, row: Model) -> Result<bool, StoreError> {
    let once = OnConflict::columns([Column::Gateway, Column::Id]).do_nothing().to_owned();
    match Entity::insert(ActiveModel::from(row)).on_conflict(once).exec_without_returning(txn).await {
        Ok(written) => Ok(written > 0),
        Err(DbErr::RecordNotInserted) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Of these kinds, recorded at `since` (microseconds) or later, the newest first.
pub async fn of_kinds(
    db: &impl ConnectionTrait,
    kinds: &[&str],
    since: i64,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let found = Entity::find()
        .filter(Column::RecordedAt.gte(since))
        .filter(Column::Kind.is_in(kinds.iter().copied()))
        .order_by_desc(Column::RecordedAt)
        .limit(limit);
    Ok(found.all(db).await?)
}

/// Charges of a wallet that succeeded, the newest first.
pub async fn paid_by(db: &impl ConnectionTrait, wallet: Uuid, limit: u64) -> Result<Vec<Model>, StoreError> {
    let found = Entity::find()
        .filter(Column::Wallet.eq(wallet))
        .filter(Column::Kind.eq("succeeded"))
        .order_by_desc(Column::OccurredAt)
        .order_by_desc(Column::Id)
        .limit(limit);
    Ok(found.all(db).await?)
}

/// In the order (`recorded_at`, wallet, id), later than `after` and before `end` (microseconds, exclusive), at
/// most `limit`. One index, which the rows are read from in order.
pub async fn since(
    db: &impl ConnectionTrait,
    after: (i64, Uuid, String),
    end: i64,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let later = Expr::tuple([Column::RecordedAt, Column::Wallet, Column::Id].map(Expr::col))
        .gt(Expr::tuple([Expr::value(after.0), Expr::value(after.1), Expr::value(after.2)]));
    let found = Entity::find()
        .filter(later)
        .filter(Column::RecordedAt.lt(end))
        .order_by_asc(Column::RecordedAt)
        .order_by_asc(Column::Wallet)
        .order_by_asc(Column::Id)
        .limit(limit);
    Ok(found.all(db).await?)
}
