//! Whole tables in the order of their keys, a page at a time: constant memory, whatever their length.

use std::collections::VecDeque;

use kernel::WalletId;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult, Statement, Value};

use crate::StoreError;
use crate::connect::Dialect;
use crate::entities::{hold, lot, posting, reversal, snapshot, wallet};

/// A row of a table whose key begins with bucket and wallet.
pub(crate) trait Table: FromQueryResult {
    const TABLE: &'static str;
    /// The key's columns, comma-separated.
    const KEY: &'static str;
    const ROWS_PER_PAGE: usize;

    fn key(&self) -> Vec<Value>;
    fn wallet(&self) -> (i16, uuid::Uuid);
}

/// A walk through a part of one table.
pub(crate) struct Cursor<T> {
    dialect: Dialect,
    table: &'static str,
    buckets: (i16, i16),
    page: VecDeque<T>,
    after: Option<Vec<Value>>,
    is_last: bool,
}

impl<T: Table> Cursor<T> {
    /// Over the buckets from the first to the second, both of them included.
    pub fn over(dialect: Dialect, buckets: (i16, i16)) -> Cursor<T> {
        Cursor::over_table(dialect, T::TABLE, buckets)
    }

    /// Over another table with the same columns.
    pub fn over_table(dialect: Dialect, table: &'static str, buckets: (i16, i16)) -> Cursor<T> {
        Cursor { dialect, table, buckets, page: VecDeque::new(), after: None, is_last: false }
    }

    pub async fn peek(&mut self, db: &impl ConnectionTrait) -> Result<Option<&T>, StoreError> {
        if self.page.is_empty() && !self.is_last {
            let found = db.query_all_raw(self.statement()).await?;
            let read = |row| T::from_query_result(row, "").map_err(|e| unreadable(self.table, row, &e));
            let rows: Vec<T> = found.iter().map(read).collect::<Result<_, _>>()?;
            self.is_last = rows.len() < T::ROWS_PER_PAGE;
            self.after = rows.last().map(Table::key);
            self.page = rows.into();
        }
        Ok(self.page.front())
    }

    pub async fn next(&mut self, db: &impl ConnectionTrait) -> Result<Option<T>, StoreError> {
        self.peek(db).await?;
        Ok(self.page.pop_front())
    }

    /// The next row if it is of this wallet.
    pub async fn next_of(
        &mut self,
        db: &impl ConnectionTrait,
        wallet: (i16, uuid::Uuid),
    ) -> Result<Option<T>, StoreError> {
        let is_its = self.peek(db).await?.is_some_and(|row| row.wallet() == wallet);
        Ok(if is_its { self.page.pop_front() } else { None })
    }

    /// Goes on behind the wallet; true when rows of it were passed over.
    pub async fn leave(
        &mut self,
        db: &impl ConnectionTrait,
        wallet: (i16, uuid::Uuid),
    ) -> Result<bool, StoreError> {
        let mut passed = false;
        while self.next_of(db, wallet).await?.is_some() {
            passed = true;
        }
        Ok(passed)
    }

    fn statement(&self) -> Statement {
        let (first, last) = self.buckets;
        let mut values: Vec<Value> = vec![first.into(), last.into()];
        let mut later = String::new();
        if let Some(after) = &self.after {
            values.extend(after.iter().cloned());
            let marks: Vec<String> = (3..=values.len()).map(|n| format!("${n}")).collect();
            later = format!("AND ({}) > ({})", T::KEY, marks.join(", "));
        }
        let sql = format!(
            "SELECT * FROM {} WHERE bucket >= $1 AND bucket <= $2 {later} ORDER BY {} LIMIT {}",
            self.table,
            T::KEY,
            T::ROWS_PER_PAGE
        );
        Statement::from_sql_and_values(self.dialect.backend(), sql, values)
    }
}

/// SQLite lets any value into any column.
fn unreadable(table: &str, row: &QueryResult, error: &DbErr) -> StoreError {
    let wallet =
        row.try_get("", "wallet").map(WalletId::from_uuid).map_or("?".to_owned(), |id| id.to_string());
    let seq = row.try_get("", "seq").map_or("?".to_owned(), |seq: i64| seq.to_string());
    StoreError::Corrupt(format!("{table}: the row of wallet {wallet}, seq {seq}: {error}"))
}

macro_rules! tables {
    ($($model:ty, $table:literal, $rows:literal, $($column:ident)+;)+) => { $(
        impl Table for $model {
            const TABLE: &'static str = $table;
            const KEY: &'static str = tables!(@key $($column)+);
            const ROWS_PER_PAGE: usize = $rows;

            fn key(&self) -> Vec<Value> {
                vec![$(self.$column.clone().into()),+]
            }

            fn wallet(&self) -> (i16, uuid::Uuid) {
                (self.bucket, self.wallet)
            }
        }
    )+ };
    (@key $first:ident $($column:ident)*) => { concat!(stringify!($first) $(, ", ", stringify!($column))*) };
}

tables! {
    wallet::Model, "wallets", 500, bucket wallet;
    posting::Model, "journal", 2_000, bucket wallet seq line;
    lot::Model, "lots", 1_000, bucket wallet seq;
    hold::Model, "holds", 1_000, bucket wallet seq;
    // Each may be large: the wallet with all its open holds.
    snapshot::Model, "snapshots", 16, bucket wallet recorded_at seq;
    reversal::Model, "reversals", 1_000, bucket wallet receipt;
}
