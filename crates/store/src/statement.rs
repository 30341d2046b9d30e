//! Reading a wallet's journal by ranges of its gapless seqs: entries, sums, days.

use std::collections::BTreeSet;

use kernel::{Seq, Timestamp, WalletId, bucket_of};
use ledger::{Account, Entry, EntryKind};
use sea_orm::sea_query::{Alias, Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};

use crate::entities::{posting, reversal};
use crate::{Store, StoreError, journal, rows};

const DAY_MICROS: i64 = 86_400_000_000;

/// What moved between two accounts in entries of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    pub kind: EntryKind,
    pub from: Account,
    pub to: Account,
    pub micros: i64,
}

/// The entries `first..=last`, oldest first.
pub async fn entries(
    store: &Store,
    wallet: WalletId,
    first: Seq,
    last: Seq,
) -> Result<Vec<Entry>, StoreError> {
    let postings = range(wallet, first, last)
        .order_by_asc(posting::Column::Seq)
        .order_by_asc(posting::Column::Line)
        .all(&store.reads)
        .await?;
    rows::entries(postings)
}

/// The first of the entries `1..=last` that took effect at `at` or later; `last + 1` when none did.
/// Instants rise with the seq, so this takes a few reads by primary key.
pub async fn first_since(
    store: &Store,
    wallet: WalletId,
    at: Timestamp,
    last: Seq,
) -> Result<Seq, StoreError> {
    let (mut low, mut high) = (1, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let first_line = range(wallet, middle, middle).filter(posting::Column::Line.eq(0_i16));
        let line = first_line.one(&store.reads).await?;
        match line {
            Some(line) if line.effective_at >= at.micros() => high = middle,
            _ => low = middle + 1,
        }
    }
    Ok(low)
}

/// What the entries `first..=last` moved.
pub async fn moved(store: &Store, wallet: WalletId, first: Seq, last: Seq) -> Result<Vec<Moved>, StoreError> {
    let sums: Vec<(String, String, String, i64)> = range(wallet, first, last)
        .select_only()
        .column(posting::Column::Kind)
        .column(posting::Column::FromAccount)
        .column(posting::Column::ToAccount)
        .column_as(sum_of_amounts(), "micros")
        .group_by(posting::Column::Kind)
        .group_by(posting::Column::FromAccount)
        .group_by(posting::Column::ToAccount)
        .into_tuple()
        .all(&store.reads)
        .await?;
    let moved = |(kind, from, to, micros): (String, String, String, i64)| {
        Ok(Moved {
            kind: kind.parse().map_err(StoreError::Corrupt)?,
            from: from.parse().map_err(StoreError::Corrupt)?,
            to: to.parse().map_err(StoreError::Corrupt)?,
            micros,
        })
    };
    sums.into_iter().map(moved).collect()
}

/// (days since 1970 in UTC, micro-credits charged to the wallet) of the entries `first..=last`, oldest
/// first, days without use left out. A charge that was undone since is no use, on the day of the charge
/// and on that of its reversal.
pub async fn charged_per_day(
    store: &Store,
    wallet: WalletId,
    first: Seq,
    last: Seq,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let day = || Expr::col(posting::Column::RecordedAt).div(DAY_MICROS);
    Ok(range(wallet, first, last)
        .select_only()
        .column_as(day(), "day")
        .column_as(sum_of_amounts(), "micros")
        .filter(posting::Column::Kind.is_in([EntryKind::Debit.as_str(), EntryKind::Capture.as_str()]))
        .filter(posting::Column::ToAccount.eq(Account::Spent.as_str()))
        .filter(posting::Column::FromAccount.ne(Account::Uncovered.as_str()))
        .filter(posting::Column::Seq.not_in_subquery(reversals(wallet, first, last).into_query()))
        .group_by(Expr::col(Alias::new("day")))
        .order_by_asc(Expr::col(Alias::new("day")))
        .into_tuple()
        .all(&store.reads)
        .await?)
}

/// Which of the entries `first..=last` were undone by a later one.
pub async fn reversed(
    store: &Store,
    wallet: WalletId,
    first: Seq,
    last: Seq,
) -> Result<BTreeSet<Seq>, StoreError> {
    let receipts: Vec<Seq> = reversals(wallet, first, last).into_tuple().all(&store.reads).await?;
    Ok(receipts.into_iter().collect())
}

/// The receipts among `first..=last` that were undone.
fn reversals(wallet: WalletId, first: Seq, last: Seq) -> Select<reversal::Entity> {
    reversal::Entity::find()
        .select_only()
        .column(reversal::Column::Receipt)
        .filter(reversal::Column::Bucket.eq(bucket_of(wallet)))
        .filter(reversal::Column::Wallet.eq(wallet.uuid()))
        .filter(reversal::Column::Receipt.between(first, last))
}

fn range(wallet: WalletId, first: Seq, last: Seq) -> Select<posting::Entity> {
    journal::all()
        .filter(posting::Column::Bucket.eq(bucket_of(wallet)))
        .filter(posting::Column::Wallet.eq(wallet.uuid()))
        .filter(posting::Column::Seq.between(first, last))
}

/// PostgreSQL sums a BIGINT into a NUMERIC; one wallet's credits fit.
fn sum_of_amounts() -> sea_orm::sea_query::SimpleExpr {
    Expr::col(posting::Column::Amount).sum().cast_as("BIGINT")
}
