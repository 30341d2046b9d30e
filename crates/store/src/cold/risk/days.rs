//! What was known of a wallet at its last use of a day: what models are fitted on. A day ends with the night's work.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, ExprTrait as _, OnConflict};
use sea_orm::{QueryOrder, QuerySelect};

use crate::{Store, StoreError};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "risk_days")]
pub struct Model {
    /// Days since 1970.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet: Uuid,
    pub score: f64,
    /// The features in their order, eight bytes each, little-endian.
    pub features: Vec<u8>,
    /// The use that it tells of, microseconds.
    pub used_at: i64,
    /// By chance: of a day that is not read as a whole, those with the lowest are.
    pub draw: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Rows of one statement: six values a row, and SQLite takes 32,766.
const AT_ONCE: usize = 1_000;

/// Of a wallet-day that is there the later use stays.
pub async fn put(store: &Store, rows: Vec<Model>) -> Result<(), StoreError> {
    let there = Expr::col((Entity, Column::UsedAt));
    let is_later = there.lt(Expr::col((Alias::new("excluded"), Column::UsedAt)));
    let later = OnConflict::columns([Column::Day, Column::Wallet])
        .update_columns([Column::Score, Column::Features, Column::UsedAt, Column::Draw])
        .action_and_where(is_later)
        .to_owned();
    for chunk in rows.chunks(AT_ONCE) {
        let rows = chunk.iter().cloned().map(ActiveModel::from);
        match Entity::insert_many(rows)
            .on_conflict(later.clone())
            .exec_without_returning(store.writer())
            .await
        {
            Ok(_) | Err(DbErr::RecordNotInserted) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Since a day, the newest first. Of more than `limit` an even share of each day, by chance and the same each time: of
/// a day with fewer than its share all, and the others share what that leaves.
pub async fn since(db: &impl ConnectionTrait, day: i64, limit: u64) -> Result<Vec<Model>, StoreError> {
    let counts: Vec<(i64, i64)> = Entity::find()
        .select_only()
        .column(Column::Day)
        .column_as(Column::Wallet.count(), "wallets")
        .filter(Column::Day.gte(day))
        .group_by(Column::Day)
        .order_by_desc(Column::Day)
        .into_tuple()
        .all(db)
        .await?;
    let share = share(counts.iter().map(|(_, count)| count.unsigned_abs()).collect(), limit);
    let mut found = Vec::new();
    for (day, _) in counts {
        let of_day = Entity::find()
            .filter(Column::Day.eq(day))
            .order_by_asc(Column::Draw)
            .order_by_asc(Column::Wallet)
            .limit(share);
        found.extend(of_day.all(db).await?);
    }
    Ok(found)
}

/// How many of each day at most, so that all days together have `limit` rows at most.
fn share(mut counts: Vec<u64>, limit: u64) -> u64 {
    counts.sort_unstable();
    let mut left = limit;
    let mut days = counts.len() as u64;
    for count in &counts {
        let share = left / days;
        if *count > share {
            return share;
        }
        left -= count;
        days -= 1;
    }
    counts.last().copied().unwrap_or_default()
}

/// Of one wallet, the newest first.
pub async fn of_wallet(
    db: &impl ConnectionTrait,
    wallet: Uuid,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::Wallet.eq(wallet)).order_by_desc(Column::Day);
    Ok(query.limit(limit).all(db).await?)
}

pub async fn last_day(db: &impl ConnectionTrait) -> Result<Option<i64>, StoreError> {
    let query = Entity::find().select_only().column(Column::Day).order_by_desc(Column::Day);
    Ok(query.limit(1).into_tuple().one(db).await?)
}

pub async fn forget(store: &Store, before: i64) -> Result<u64, StoreError> {
    Ok(Entity::delete_many().filter(Column::Day.lt(before)).exec(store.writer()).await?.rows_affected)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn each_day_has_its_share_and_what_small_days_leave_goes_to_the_others() {
        for (counts, limit, told) in [
            (vec![], 10, 0),
            (vec![3, 4, 3], 10, 4),
            (vec![100, 100, 100], 30, 10),
            // Two of the small day, and (30 - 2) / 2 of the others.
            (vec![100, 2, 100], 30, 14),
            (vec![100, 2, 13], 30, 15),
            (vec![5, 5, 5], 2, 0),
        ] {
            let shared: u64 = counts.iter().map(|count| share(counts.clone(), limit).min(*count)).sum();
            assert_eq!(share(counts.clone(), limit), told, "{counts:?}");
            assert!(shared <= limit, "{counts:?}: {shared}");
        }
    }
}
