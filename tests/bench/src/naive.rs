//! The hand-written peer: accounts, lots and entries with a unique key; one transaction per debit.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait, Value,
};
use store::Dialect;

/// As many as Scrip's two pools together on PostgreSQL; one writer on SQLite, as Scrip has.
const POSTGRES_CONNECTIONS: u32 = 16;
/// What each account has to spend, in millionths.
const FUNDS: i64 = 1_000_000_000_000_000;

/// PostgreSQL first, SQLite second.
const SCHEMA: [&str; 2] = [
    "CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL);
     CREATE TABLE lots (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account bigint NOT NULL, remaining bigint NOT NULL);
     CREATE INDEX lots_by_account ON lots (account);
     CREATE TABLE entries (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account bigint NOT NULL, key text NOT NULL UNIQUE,
        credits bigint NOT NULL, balance_after bigint NOT NULL, created_at timestamptz NOT NULL DEFAULT now());",
    "CREATE TABLE accounts (id integer PRIMARY KEY, balance bigint NOT NULL);
     CREATE TABLE lots (id integer PRIMARY KEY, account bigint NOT NULL, remaining bigint NOT NULL);
     CREATE INDEX lots_by_account ON lots (account);
     CREATE TABLE entries (id integer PRIMARY KEY, account bigint NOT NULL, key text NOT NULL UNIQUE,
        credits bigint NOT NULL, balance_after bigint NOT NULL, created_at text NOT NULL DEFAULT CURRENT_TIMESTAMP);",
];

#[derive(Clone)]
pub struct Naive {
    db: DatabaseConnection,
    dialect: Dialect,
}

impl Naive {
    pub async fn connect(url: &str) -> Result<Naive, DbErr> {
        let is_sqlite = url.starts_with("sqlite:");
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(if is_sqlite { 1 } else { POSTGRES_CONNECTIONS })
            .acquire_timeout(Duration::from_secs(30))
            // No ping before each transaction: the peer is as fast as it can be.
            .test_before_acquire(false)
            .sqlx_logging(false);
        if is_sqlite {
            // As durable as Scrip, with the same settings.
            options.map_sqlx_sqlite_opts(|sqlite| {
                sqlite
                    .create_if_missing(true)
                    .pragma("journal_mode", "WAL")
                    .pragma("synchronous", "FULL")
                    .pragma("wal_autocheckpoint", "20000")
            });
        }
        let dialect = if is_sqlite { Dialect::Sqlite } else { Dialect::Postgres };
        Ok(Naive { db: Database::connect(options).await?, dialect })
    }

    /// Makes the tables and `accounts` accounts, from 0, each with one lot.
    pub async fn load(&self, accounts: usize) -> Result<(), DbErr> {
        let [postgres, sqlite] = SCHEMA;
        self.db.execute_unprepared(if self.dialect == Dialect::Postgres { postgres } else { sqlite }).await?;
        let numbers = format!(
            "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {accounts})"
        );
        for insert in [
            format!("INSERT INTO accounts (id, balance) {numbers} SELECT n, {FUNDS} FROM n"),
            format!("INSERT INTO lots (account, remaining) {numbers} SELECT n, {FUNDS} FROM n"),
            "ANALYZE".to_owned(),
        ] {
            self.db.execute_unprepared(&insert).await?;
        }
        Ok(())
    }

    /// The balance after it; `None` when the account is unknown or short.
    pub async fn debit(&self, account: i64, credits: i64, key: &str) -> Result<Option<i64>, DbErr> {
        let sqlite_transaction_mode = self.is_sqlite().then_some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode, ..TransactionOptions::default() };
        let txn = self.db.begin_with_options(options).await?;
        let lock = if self.is_sqlite() { "" } else { " FOR UPDATE" };
        let select = format!("SELECT balance FROM accounts WHERE id = $1{lock}");
        let Some(row) = txn.query_one_raw(self.statement(&select, vec![account.into()])).await? else {
            return Ok(None);
        };
        let balance = row.try_get::<i64>("", "balance")? - credits;
        if balance < 0 {
            return Ok(None);
        }
        let lot = "UPDATE lots SET remaining = remaining - $1 WHERE account = $2 AND remaining >= $1";
        txn.execute_raw(self.statement(lot, vec![credits.into(), account.into()])).await?;
        let total = "UPDATE accounts SET balance = $1 WHERE id = $2";
        txn.execute_raw(self.statement(total, vec![balance.into(), account.into()])).await?;
        let entry = "INSERT INTO entries (account, key, credits, balance_after) VALUES ($1, $2, $3, $4)";
        let values = vec![account.into(), key.into(), credits.into(), balance.into()];
        txn.execute_raw(self.statement(entry, values)).await?;
        txn.commit().await?;
        Ok(Some(balance))
    }

    pub async fn close(self) -> Result<(), DbErr> {
        self.db.close().await
    }

    fn is_sqlite(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    fn statement(&self, sql: &str, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(self.db.get_database_backend(), sql, values)
    }
}
