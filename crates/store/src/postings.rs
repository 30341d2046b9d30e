//! How a batch's postings reach the journal: on both databases by statements whose texts are always the
//! same few, so that a connection prepares each of them once.

use std::sync::LazyLock;

use kernel::{Credits, WalletId, bucket_of};
use ledger::{Entry, Terms};
use sea_orm::sqlx::{self, Connection as _, PgConnection, PgPool};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, RuntimeErr, Statement, Value};

use crate::connect::{Dialect, Watch};
use crate::digests::{Row, digest_of};
use crate::lanes::Lane;
use crate::sql::values;
use crate::{StoreError, rows};

/// Of the journal, in the table that is written to and where its rows are sealed.
pub(crate) const COLUMNS: [&str; 21] = [
    "bucket",
    "wallet",
    "seq",
    "line",
    "kind",
    "recorded_at",
    "effective_at",
    "from_account",
    "to_account",
    "amount",
    "lot",
    "lot_remaining",
    "balance_after",
    "held_after",
    "debt_after",
    "hold",
    "idempotency_key",
    "input_hash",
    "terms",
    "about",
    "digest",
];

/// Rows of one statement: as many of the largest as fit, then of the next.
const ROWS_OF_STATEMENTS: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// PostgreSQL's short way: fence and postings in one statement, which is its own transaction and costs one
/// round trip. Nothing is inserted unless the fence moved. Arrays, so that the text is the same for every
/// batch. An engine that spreads a table over nodes would crawl on it; there the portable form of [`insert`]
/// belongs.
macro_rules! fenced {
    ($columns:literal, $values:literal) => {
        concat!(
            "WITH fence AS (UPDATE lanes SET gsn = gsn + 1 \
             WHERE bucket = $1 AND lane = $2 AND gsn = $3 RETURNING bucket) \
             INSERT INTO postings (bucket, wallet, seq, amount, lot, lot_remaining, balance_after, held_after, \
             debt_after, idempotency_key, input_hash, about, digest, ",
            $columns,
            ") SELECT unnest($4::smallint[]), unnest($5::uuid[]), unnest($6::bigint[]), unnest($7::bigint[]), \
             unnest($8::bigint[]), unnest($9::bigint[]), unnest($10::bigint[]), unnest($11::bigint[]), \
             unnest($12::bigint[]), unnest($13::text[]), unnest($14::bytea[]), unnest($15::text[]), \
             unnest($16::bigint[]), ",
            $values,
            " FROM fence"
        )
    };
}

const FENCED: &str = fenced!(
    "line, kind, recorded_at, effective_at, from_account, to_account, hold, terms",
    "unnest($17::smallint[]), unnest($18::text[]), unnest($19::bigint[]), unnest($20::bigint[]), \
     unnest($21::text[]), unnest($22::text[]), unnest($23::bigint[]), unnest($24::text[])"
);

/// For rows that are [`Alike`]: a third of the columns is sent, read and taken apart once and not for each row.
const FENCED_ALIKE: &str = fenced!(
    "line, kind, recorded_at, effective_at, from_account, to_account",
    "$17::smallint, $18::text, $19::bigint, $20::bigint, $21::text, $22::text"
);

/// The rows of a batch, column by column. What belongs to the whole entry sits on its line 0.
#[derive(Default)]
struct Columns<'a> {
    bucket: Vec<i16>,
    wallet: Vec<uuid::Uuid>,
    seq: Vec<i64>,
    line: Vec<i16>,
    kind: Vec<&'static str>,
    recorded_at: Vec<i64>,
    effective_at: Vec<i64>,
    from_account: Vec<&'static str>,
    to_account: Vec<&'static str>,
    amount: Vec<i64>,
    lot: Vec<Option<i64>>,
    lot_remaining: Vec<Option<i64>>,
    balance_after: Vec<i64>,
    held_after: Vec<i64>,
    debt_after: Vec<i64>,
    hold: Vec<Option<i64>>,
    idempotency_key: Vec<Option<&'a str>>,
    input_hash: Vec<Option<&'a [u8]>>,
    terms: Vec<Option<String>>,
    about: Vec<Option<&'a str>>,
    digest: Vec<Option<i64>>,
}

/// What all rows of a batch share when it is nothing but debits, each from one lot.
struct Alike {
    line: i16,
    kind: &'static str,
    recorded_at: i64,
    effective_at: i64,
    from_account: &'static str,
    to_account: &'static str,
}

impl<'a> Columns<'a> {
    fn of(entries: &[(WalletId, &'a Entry)]) -> Result<Columns<'a>, StoreError> {
        let mut columns = Columns::default();
        for (wallet, entry) in entries {
            columns.push(*wallet, entry)?;
        }
        Ok(columns)
    }

    fn push(&mut self, wallet: WalletId, entry: &'a Entry) -> Result<(), StoreError> {
        let first = self.seq.len();
        for (n, line) in entry.lines.iter().enumerate() {
            let key = entry.key.as_ref().filter(|_| n == 0);
            self.bucket.push(bucket_of(wallet));
            self.wallet.push(wallet.uuid());
            self.seq.push(entry.seq);
            self.line.push(i16::try_from(n).map_err(|e| StoreError::Corrupt(e.to_string()))?);
            self.kind.push(entry.kind.as_str());
            self.recorded_at.push(entry.recorded_at.micros());
            self.effective_at.push(entry.effective_at.micros());
            self.from_account.push(line.from.as_str());
            self.to_account.push(line.to.as_str());
            self.amount.push(line.amount.micros());
            self.lot.push(line.lot);
            self.lot_remaining.push(line.lot_remaining.map(Credits::micros));
            self.balance_after.push(line.available_after.micros());
            self.held_after.push(line.held_after.micros());
            self.debt_after.push(line.debt_after.micros());
            self.hold.push(entry.hold);
            self.idempotency_key.push(key.map(|k| k.text.as_str()));
            self.input_hash.push(key.map(|k| k.hash.as_slice()));
            self.terms.push(match &entry.terms {
                Terms::None => None,
                terms => Some(rows::to_json(terms)?).filter(|_| n == 0),
            });
            self.about.push(entry.about.as_deref().filter(|_| n == 0));
            self.digest.push(None);
        }
        let rows = first..self.seq.len();
        let digest = digest_of(rows.clone().map(|n| self.digested(n)));
        self.digest[rows].iter_mut().take(1).for_each(|first| *first = Some(digest));
        Ok(())
    }

    fn alike(&self) -> Option<Alike> {
        let is_plain = self.hold.iter().all(Option::is_none) && self.terms.iter().all(Option::is_none);
        Some(Alike {
            line: same(&self.line).filter(|_| is_plain)?,
            kind: same(&self.kind)?,
            recorded_at: same(&self.recorded_at)?,
            effective_at: same(&self.effective_at)?,
            from_account: same(&self.from_account)?,
            to_account: same(&self.to_account)?,
        })
    }

    fn digested(&self, n: usize) -> Row<'_> {
        Row {
            bucket: self.bucket[n],
            wallet: self.wallet[n].as_bytes(),
            line: self.line[n],
            numbers: [
                self.seq[n],
                self.recorded_at[n],
                self.effective_at[n],
                self.amount[n],
                self.balance_after[n],
                self.held_after[n],
                self.debt_after[n],
            ],
            optional_numbers: [self.lot[n], self.lot_remaining[n], self.hold[n]],
            texts: [self.kind[n], self.from_account[n], self.to_account[n]],
            optional_texts: [self.idempotency_key[n], self.terms[n].as_deref(), self.about[n]],
            input_hash: self.input_hash[n],
        }
    }

    fn row(&self, n: usize) -> [Value; COLUMNS.len()] {
        [
            self.bucket[n].into(),
            self.wallet[n].into(),
            self.seq[n].into(),
            self.line[n].into(),
            self.kind[n].into(),
            self.recorded_at[n].into(),
            self.effective_at[n].into(),
            self.from_account[n].into(),
            self.to_account[n].into(),
            self.amount[n].into(),
            self.lot[n].into(),
            self.lot_remaining[n].into(),
            self.balance_after[n].into(),
            self.held_after[n].into(),
            self.debt_after[n].into(),
            self.hold[n].into(),
            self.idempotency_key[n].into(),
            self.input_hash[n].map(<[u8]>::to_vec).into(),
            self.terms[n].clone().into(),
            self.about[n].into(),
            self.digest[n].into(),
        ]
    }
}

/// A connection beside the pool, to the same database.
pub(crate) async fn connect(pool: &PgPool) -> Result<PgConnection, StoreError> {
    let connected = PgConnection::connect_with(&pool.connect_options()).await;
    Ok(connected.map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?)
}

/// As the pool's connections tell it.
pub(crate) fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

/// Moves the lane's fence from `gsn` to the next and inserts the entries; false when another process moved
/// the fence first: then nothing is written.
pub(crate) async fn insert_fenced(
    (connection, watch): (&mut PgConnection, &Watch),
    (lane, gsn): (Lane, i64),
    entries: &[(WalletId, &Entry)],
) -> Result<bool, StoreError> {
    let columns = Columns::of(entries)?;
    let alike = columns.alike();
    let sql = if alike.is_some() { FENCED_ALIKE } else { FENCED };
    watch.see(sql);
    let query = sqlx::query(sql)
        .bind(lane.bucket)
        .bind(lane.id)
        .bind(gsn)
        .bind(columns.bucket)
        .bind(columns.wallet)
        .bind(columns.seq)
        .bind(columns.amount)
        .bind(columns.lot)
        .bind(columns.lot_remaining)
        .bind(columns.balance_after)
        .bind(columns.held_after)
        .bind(columns.debt_after)
        .bind(columns.idempotency_key)
        .bind(columns.input_hash)
        .bind(columns.about)
        .bind(columns.digest);
    let query = match alike {
        Some(alike) => query
            .bind(alike.line)
            .bind(alike.kind)
            .bind(alike.recorded_at)
            .bind(alike.effective_at)
            .bind(alike.from_account)
            .bind(alike.to_account),
        None => query
            .bind(columns.line)
            .bind(columns.kind)
            .bind(columns.recorded_at)
            .bind(columns.effective_at)
            .bind(columns.from_account)
            .bind(columns.to_account)
            .bind(columns.hold)
            .bind(columns.terms),
    };
    Ok(query.execute(connection).await.map_err(failed)?.rows_affected() > 0)
}

/// The value that all of them have.
fn same<T: Copy + PartialEq>(values: &[T]) -> Option<T> {
    let first = *values.first()?;
    values.iter().all(|value| *value == first).then_some(first)
}

/// Inserts the entries inside of a transaction.
pub(crate) async fn insert(
    txn: &DatabaseTransaction,
    dialect: Dialect,
    entries: &[(WalletId, &Entry)],
) -> Result<(), StoreError> {
    let columns = Columns::of(entries)?;
    let mut done = 0;
    for (rows, sql) in ROWS_OF_STATEMENTS.into_iter().zip(statements(dialect)) {
        while columns.seq.len() - done >= rows {
            let values = (done..done + rows).flat_map(|n| columns.row(n));
            txn.execute_raw(Statement::from_sql_and_values(dialect.backend(), sql, values)).await?;
            done += rows;
        }
    }
    Ok(())
}

fn statements(dialect: Dialect) -> &'static [String] {
    static SQLITE: LazyLock<Vec<String>> = LazyLock::new(|| texts(Dialect::Sqlite));
    static POSTGRES: LazyLock<Vec<String>> = LazyLock::new(|| texts(Dialect::Postgres));
    match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
    }
}

fn texts(dialect: Dialect) -> Vec<String> {
    let text = |rows| {
        let values = values(dialect, COLUMNS.len(), rows);
        format!("INSERT INTO postings ({}) {values}", COLUMNS.join(", "))
    };
    ROWS_OF_STATEMENTS.map(text).to_vec()
}
