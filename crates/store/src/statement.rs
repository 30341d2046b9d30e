//! Reading a wallet's journal by ranges of its gapless seqs: entries, sums, days.

use std::collections::BTreeSet;

use kernel::{HoldId, Seq, Timestamp, WalletId, bucket_of};
use ledger::{Account, Entry, EntryKind};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::entities::{posting, reversal};
use crate::sql::statement;
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

/// What one day charged for one feature; `None` for charges in plain credits.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Charged {
    /// Days since 1970 in UTC.
    pub day: i64,
    pub feature: Option<String>,
    pub micros: i64,
}

/// What the entries `first..=last` charged to the wallet, oldest day first, days without use left out. A
/// charge that was undone since is no use, on the day of the charge and on that of its reversal.
pub async fn charged_per_day(
    store: &Store,
    wallet: WalletId,
    first: Seq,
    last: Seq,
) -> Result<Vec<Charged>, StoreError> {
    // An entry's facts stand on its line 0 only, which is looked up by its key in the table that has it.
    let feature = store.dialect.json_text("z.about", &["priced", "feature"]);
    let facts = ["postings", "sealed_postings"].map(|table| {
        format!(
            "SELECT {feature} FROM {table} z \
             WHERE z.bucket = $1 AND z.wallet = $2 AND z.seq = used.seq AND z.line = 0"
        )
    });
    let sql = format!(
        "SELECT used.recorded_at / {DAY_MICROS} AS day, ({}) AS feature, \
         CAST(SUM(used.amount) AS BIGINT) AS micros FROM journal used \
         WHERE used.bucket = $1 AND used.wallet = $2 AND used.seq BETWEEN $3 AND $4 AND used.kind IN ($5, $6) \
         AND used.to_account = $7 AND used.from_account <> $8 AND used.seq NOT IN \
         (SELECT r.receipt FROM reversals r WHERE r.bucket = $1 AND r.wallet = $2 AND r.receipt BETWEEN $3 AND $4) \
         GROUP BY 1, 2 ORDER BY 1, 2",
        facts.join(" UNION ALL ")
    );
    let values = vec![
        bucket_of(wallet).into(),
        wallet.uuid().into(),
        first.into(),
        last.into(),
        EntryKind::Debit.as_str().into(),
        EntryKind::Capture.as_str().into(),
        Account::Spent.as_str().into(),
        Account::Uncovered.as_str().into(),
    ];
    let rows = store.reads.query_all_raw(statement(store.dialect, &sql, values)).await?;
    Ok(rows.iter().map(|row| Charged::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?)
}

/// The entries up to `last` that authorized, extended, captured, voided or lapsed a hold, oldest first, at
/// most `limit`.
pub async fn of_hold(store: &Store, hold: HoldId, last: Seq, limit: u64) -> Result<Vec<Entry>, StoreError> {
    let of_hold = posting::Column::Hold.eq(hold.seq).or(posting::Column::Seq.eq(hold.seq));
    let seqs: Vec<Seq> = range(hold.wallet, hold.seq, last)
        .select_only()
        .column(posting::Column::Seq)
        .filter(of_hold)
        .filter(posting::Column::Line.eq(0))
        .order_by_asc(posting::Column::Seq)
        .limit(limit)
        .into_tuple()
        .all(&store.reads)
        .await?;
    let postings = range(hold.wallet, hold.seq, last)
        .filter(posting::Column::Seq.is_in(seqs))
        .order_by_asc(posting::Column::Seq)
        .order_by_asc(posting::Column::Line)
        .all(&store.reads)
        .await?;
    rows::entries(postings)
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
