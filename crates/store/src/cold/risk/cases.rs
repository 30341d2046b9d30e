//! Wallets that somebody should look at: why, what was done at once, and what a person decided.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait as _, OnConflict};
use sea_orm::{DatabaseTransaction, Order, PaginatorTrait, QueryOrder, QuerySelect};

use crate::StoreError;
use crate::cold::newest;

pub const OPEN: &str = "open";
pub const CLOSED: &str = "closed";
pub const CONFIRMED: &str = "confirmed";
pub const DISMISSED: &str = "dismissed";

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_cases")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub wallet: Uuid,
    pub customer: Uuid,
    pub state: String,
    /// The strictest since it was opened.
    pub verdict: String,
    /// The highest since it was opened, with its reasons and features (JSON).
    pub score: f64,
    pub reasons: String,
    pub features: String,
    /// The model that spoke; none before the first was fitted.
    pub model: Option<String>,
    /// Version.
    pub settings: i64,
    /// Micro-credits that the wallet could still spend when the score was highest.
    pub at_risk: i64,
    /// Somebody or something restricted the wallet because of this case, and nobody ended that; its time may have.
    pub is_restricted: bool,
    /// Of the last hold.
    pub restricted_until: Option<i64>,
    /// The entry in the journal that made the last hold; none before it is written.
    pub restriction: Option<i64>,
    /// How often the watch put the wallet on hold because of this case.
    pub holds: i32,
    /// When the watch put the wallet on hold last because of this case.
    pub held_at: Option<i64>,
    /// When a person or the customer ended the last hold; none when nobody did.
    pub lifted_at: Option<i64>,
    pub step_up: String,
    pub opened_at: i64,
    /// Of the highest score.
    pub seen_at: i64,
    /// `confirmed` or `dismissed`; those before it are in [`super::former`].
    pub decision: Option<String>,
    pub note: Option<String>,
    pub decided_by: Option<String>,
    /// Of the decision that counts.
    pub closed_at: Option<i64>,
    /// What the customer wrote last.
    pub appeal: Option<String>,
    pub appealed_at: Option<i64>,
}

impl Model {
    /// An open case that says nothing yet: nothing is held because of it, nothing decided, nothing written.
    pub fn opened(id: Uuid, (wallet, customer): (Uuid, Uuid), at: i64) -> Model {
        Model {
            id,
            wallet,
            customer,
            state: OPEN.to_owned(),
            verdict: "review".to_owned(),
            score: 0.0,
            reasons: "[]".to_owned(),
            features: "{}".to_owned(),
            model: None,
            settings: 0,
            at_risk: 0,
            is_restricted: false,
            restricted_until: None,
            restriction: None,
            holds: 0,
            held_at: None,
            lifted_at: None,
            step_up: "review".to_owned(),
            opened_at: at,
            seen_at: at,
            decision: None,
            note: None,
            decided_by: None,
            closed_at: None,
            appeal: None,
            appealed_at: None,
        }
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What a stricter look at an open case changes.
#[derive(Clone, Debug)]
pub struct Sharper {
    pub verdict: String,
    pub score: f64,
    pub reasons: String,
    pub features: String,
    pub model: Option<String>,
    pub settings: i64,
    pub at_risk: i64,
    pub step_up: String,
    pub seen_at: i64,
}

/// How a case ends.
#[derive(Clone, Debug)]
pub struct Closing {
    pub decision: String,
    pub note: Option<String>,
    pub decided_by: String,
    pub at: i64,
}

/// False when the wallet has an open case already.
pub async fn open(txn: &DatabaseTransaction, case: Model) -> Result<bool, StoreError> {
    // Without a target: SQLite does not find a partial index by its columns and a condition with parameters.
    let once = OnConflict::new().do_nothing().to_owned();
    match Entity::insert(ActiveModel::from(case)).on_conflict(once).exec_without_returning(txn).await {
        Ok(rows) => Ok(rows == 1),
        Err(DbErr::RecordNotInserted) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub async fn by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// For whoever decides; another who does so at the same moment waits.
pub async fn locked(txn: &DatabaseTransaction, id: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).lock_exclusive().one(txn).await?)
}

pub async fn open_of(db: &impl ConnectionTrait, wallet: Uuid) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find().filter(Column::Wallet.eq(wallet)).filter(Column::State.eq(OPEN)).one(db).await?)
}

/// Of one wallet, the newest first.
pub async fn of_wallet(
    db: &impl ConnectionTrait,
    wallet: Uuid,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::Wallet.eq(wallet)).order_by_desc(Column::Id);
    Ok(query.limit(limit).all(db).await?)
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

/// All that are open, at most `limit`.
pub async fn all_open(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find().filter(Column::State.eq(OPEN)).order_by_desc(Column::Id).limit(limit).all(db).await?)
}

/// Open ones in the order in which somebody should look at them: customers who wrote first, then by score × credits
/// at risk, the newest first among equals.
pub async fn queue(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Model>, StoreError> {
    let has_written = Expr::col(Column::AppealedAt).is_not_null();
    let stake = Expr::cust("score * (CASE WHEN at_risk > 0 THEN at_risk ELSE 0 END + 1)");
    let query = Entity::find()
        .filter(Column::State.eq(OPEN))
        .order_by(has_written, Order::Desc)
        .order_by(stake, Order::Desc)
        .order_by_desc(Column::Id);
    Ok(query.limit(limit).all(db).await?)
}

/// Decided since, the newest first.
pub async fn closed_since(
    db: &impl ConnectionTrait,
    since: i64,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::ClosedAt.gte(since)).order_by_desc(Column::ClosedAt);
    Ok(query.limit(limit).all(db).await?)
}

/// Opened since, the newest first.
pub async fn opened_since(
    db: &impl ConnectionTrait,
    since: i64,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::OpenedAt.gte(since)).order_by_desc(Column::OpenedAt);
    Ok(query.limit(limit).all(db).await?)
}

/// Held by the watch since, those with most at stake first.
pub async fn held_since(db: &impl ConnectionTrait, since: i64, limit: u64) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::HeldAt.gte(since)).order_by_desc(Column::AtRisk);
    Ok(query.limit(limit).all(db).await?)
}

pub async fn count(db: &impl ConnectionTrait, state: &str) -> Result<u64, StoreError> {
    Ok(Entity::find().filter(Column::State.eq(state)).count(db).await?)
}

/// Open ones whose customers wrote.
pub async fn appeals(db: &impl ConnectionTrait) -> Result<u64, StoreError> {
    let query = Entity::find().filter(Column::State.eq(OPEN)).filter(Column::AppealedAt.is_not_null());
    Ok(query.count(db).await?)
}

/// A stricter look at a case as it was read; false when it is another by now.
pub async fn sharpen(txn: &DatabaseTransaction, open: &Model, sharper: Sharper) -> Result<bool, StoreError> {
    let done = Entity::update_many()
        .col_expr(Column::Verdict, Expr::value(sharper.verdict))
        .col_expr(Column::Score, Expr::value(sharper.score))
        .col_expr(Column::Reasons, Expr::value(sharper.reasons))
        .col_expr(Column::Features, Expr::value(sharper.features))
        .col_expr(Column::Model, Expr::value(sharper.model))
        .col_expr(Column::Settings, Expr::value(sharper.settings))
        .col_expr(Column::AtRisk, Expr::value(sharper.at_risk))
        .col_expr(Column::StepUp, Expr::value(sharper.step_up))
        .col_expr(Column::SeenAt, Expr::value(sharper.seen_at))
        .filter(Column::Id.eq(open.id))
        .filter(Column::State.eq(OPEN))
        .filter(Column::Score.eq(open.score))
        .filter(Column::Verdict.eq(open.verdict.as_str()))
        .exec(txn)
        .await?;
    Ok(done.rows_affected == 1)
}

/// The watch's next hold, at this moment; its entry is not written yet. False when the case was decided meanwhile.
pub async fn hold(
    txn: &DatabaseTransaction,
    case: &Model,
    (until, step_up): (Option<i64>, &str),
    at: i64,
) -> Result<bool, StoreError> {
    let done = Entity::update_many()
        .col_expr(Column::IsRestricted, Expr::value(true))
        .col_expr(Column::RestrictedUntil, Expr::value(until))
        .col_expr(Column::Restriction, Expr::value(None::<i64>))
        .col_expr(Column::StepUp, Expr::value(step_up))
        .col_expr(Column::Holds, Expr::value(case.holds + 1))
        .col_expr(Column::HeldAt, Expr::value(at))
        .col_expr(Column::LiftedAt, Expr::value(None::<i64>))
        .filter(Column::Id.eq(case.id))
        .filter(Column::State.eq(OPEN))
        .exec(txn)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Held until somebody ends it, by a person's decision; the entry is not written yet.
pub async fn hold_for_good(txn: &DatabaseTransaction, id: Uuid) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::IsRestricted, Expr::value(true))
        .col_expr(Column::RestrictedUntil, Expr::value(None::<i64>))
        .col_expr(Column::Restriction, Expr::value(None::<i64>))
        .col_expr(Column::LiftedAt, Expr::value(None::<i64>))
        .filter(Column::Id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

/// The hold stands in the journal; false when it was to end meanwhile, or a later one stands.
pub async fn held_by(db: &impl ConnectionTrait, id: Uuid, restriction: i64) -> Result<bool, StoreError> {
    let done = Entity::update_many()
        .col_expr(Column::Restriction, Expr::value(restriction))
        .filter(Column::Id.eq(id))
        .filter(Column::IsRestricted.eq(true))
        .filter(Column::Restriction.is_null().or(Column::Restriction.lte(restriction)))
        .exec(db)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Held at `now`, the newest first, and it is not written by which entry.
pub async fn held_without_entry(
    db: &impl ConnectionTrait,
    now: i64,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find()
        .filter(Column::IsRestricted.eq(true))
        .filter(Column::Restriction.is_null())
        .filter(Column::RestrictedUntil.is_null().or(Column::RestrictedUntil.gt(now)))
        .order_by_desc(Column::Id)
        .limit(limit);
    Ok(query.all(db).await?)
}

/// A hold that somebody else put is decided in this case too.
pub async fn stands_for(
    txn: &DatabaseTransaction,
    id: Uuid,
    (restriction, until): (i64, Option<i64>),
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::IsRestricted, Expr::value(true))
        .col_expr(Column::RestrictedUntil, Expr::value(until))
        .col_expr(Column::Restriction, Expr::value(restriction))
        .col_expr(Column::LiftedAt, Expr::value(None::<i64>))
        .filter(Column::Id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

/// The last hold is over; `lifted_at`: by somebody, at this time.
pub async fn ended(db: &impl ConnectionTrait, id: Uuid, lifted_at: Option<i64>) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::IsRestricted, Expr::value(false))
        .col_expr(Column::LiftedAt, Expr::value(lifted_at))
        .filter(Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// The newest case that decides about a hold.
pub async fn of_hold(
    db: &impl ConnectionTrait,
    wallet: Uuid,
    restriction: i64,
) -> Result<Option<Model>, StoreError> {
    let query = Entity::find()
        .filter(Column::Wallet.eq(wallet))
        .filter(Column::Restriction.eq(restriction))
        .filter(Column::IsRestricted.eq(true))
        .order_by_desc(Column::Id);
    Ok(query.one(db).await?)
}

/// Decided ones that put or kept this hold.
pub async fn decided_by_hold(
    db: &impl ConnectionTrait,
    wallet: Uuid,
    restriction: i64,
) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find()
        .filter(Column::Wallet.eq(wallet))
        .filter(Column::Restriction.eq(restriction))
        .filter(Column::State.eq(CLOSED));
    Ok(query.all(db).await?)
}

/// Decides a case as it was read, for the first time or again; false when somebody else decided meanwhile.
pub async fn close(txn: &DatabaseTransaction, case: &Model, closing: Closing) -> Result<bool, StoreError> {
    let decided = match &case.decision {
        Some(decision) => Column::Decision.eq(decision.as_str()),
        None => Column::Decision.is_null(),
    };
    let done = Entity::update_many()
        .col_expr(Column::State, Expr::value(CLOSED))
        .col_expr(Column::Decision, Expr::value(closing.decision))
        .col_expr(Column::Note, Expr::value(closing.note))
        .col_expr(Column::DecidedBy, Expr::value(closing.decided_by))
        .col_expr(Column::ClosedAt, Expr::value(closing.at))
        .filter(Column::Id.eq(case.id))
        .filter(decided)
        .exec(txn)
        .await?;
    Ok(done.rows_affected == 1)
}

/// What the customer says of the hold.
pub async fn appeal(txn: &DatabaseTransaction, id: Uuid, text: &str, at: i64) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Appeal, Expr::value(text))
        .col_expr(Column::AppealedAt, Expr::value(at))
        .filter(Column::Id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}
