use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{Connection, SqliteConnection};
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction,
    DbBackend, IsolationLevel, SqliteTransactionMode, SqlxError, Statement, TransactionOptions,
    TransactionTrait,
};

use crate::StoreError;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Which dialect a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// The database: a pool for reads and one for writes. On SQLite the write pool has one connection, so
/// writers of this process queue in order instead of polling the file lock.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) dialect: Dialect,
    pub(crate) reads: DatabaseConnection,
    pub(crate) writes: DatabaseConnection,
    pub(crate) watch: Watch,
}

type Callback = Arc<dyn Fn(&Statement) + Send + Sync>;

/// Sees the statements that SeaORM does not send.
#[derive(Clone, Default)]
pub(crate) struct Watch(Option<Callback>);

impl Watch {
    pub fn see(&self, sql: &str) {
        if let Some(callback) = &self.0 {
            callback(&Statement::from_string(DbBackend::Postgres, sql));
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "watched" } else { "unwatched" })
    }
}

pub(crate) const READ_CONNECTIONS: u32 = 8;
const POSTGRES_WRITE_CONNECTIONS: u32 = 8;
/// How long SQLite waits for another process's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection is waited for, a database that is not there yet included.
pub const CONNECT_SECONDS: u64 = 20;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(CONNECT_SECONDS);
/// After a shorter pause a connection is used unasked; one that broke off meanwhile is an error.
const PING_AFTER_IDLE: Duration = Duration::from_secs(1);
/// Pages between checkpoints; SQLite's default of 1,000 costs 40 % of the write rate.
const WAL_AUTOCHECKPOINT_PAGES: &str = "20000";
/// In KiB, below zero: SQLite's own for each that reads, 64 MiB for the one that writes.
const SQLITE_CACHE: &str = "-2000";
const SQLITE_WRITERS_CACHE: &str = "-65536";

impl Store {
    /// Opens `sqlite://PATH` (made when missing) or `postgres://…`. Applies no migration.
    pub async fn connect(url: &str) -> Result<Store, StoreError> {
        let dialect = match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("sqlite") => Dialect::Sqlite,
            Some("postgres" | "postgresql") => Dialect::Postgres,
            _ => return Err(StoreError::UnknownUrl { url: place(url) }),
        };
        let writes = match dialect {
            Dialect::Sqlite => 1,
            Dialect::Postgres => POSTGRES_WRITE_CONNECTIONS,
        };
        // The writer first: it makes the file and its WAL before a reader looks.
        let writes = Database::connect(options(url, dialect, Use::Writes, writes)).await?;
        let reads = Database::connect(options(url, dialect, Use::Reads, READ_CONNECTIONS)).await?;
        Ok(Store { dialect, reads, writes, watch: Watch::default() })
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The pool for statements outside of a transaction; migrations use it.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writes
    }

    pub fn reader(&self) -> &DatabaseConnection {
        &self.reads
    }

    /// One snapshot for several reads.
    pub async fn read(&self) -> Result<DatabaseTransaction, StoreError> {
        let options = match self.dialect {
            Dialect::Sqlite => TransactionOptions::default(),
            Dialect::Postgres => TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..TransactionOptions::default()
            },
        };
        Ok(self.reads.begin_with_options(options).await?)
    }

    /// A transaction that will write. SQLite takes its lock at once, so no writer fails half-way.
    pub async fn write(&self) -> Result<DatabaseTransaction, StoreError> {
        Ok(self.writes.begin_with_options(write_options(self.dialect)).await?)
    }

    /// Replaces the callback that sees every statement; tests of statement shapes and plans use it.
    pub fn on_statement(&mut self, callback: impl Fn(&Statement) + Clone + Send + Sync + 'static) {
        let other = callback.clone();
        self.watch = Watch(Some(Arc::new(callback.clone())));
        self.writes.set_metric_callback(move |info| callback(info.statement));
        self.reads.set_metric_callback(move |info| other(info.statement));
    }

    /// What no shipped executable does: SQLite's commits no longer wait for the disk. Only power cuts tell
    /// the difference, and this is how their test shows that they do.
    pub async fn sync_lazily(&self) -> Result<(), StoreError> {
        if self.dialect == Dialect::Sqlite {
            self.writes.execute_unprepared("PRAGMA synchronous = NORMAL").await?;
        }
        Ok(())
    }

    pub async fn close(self) -> Result<(), StoreError> {
        self.reads.close().await?;
        self.writes.close().await?;
        Ok(())
    }
}

pub(crate) fn write_options(dialect: Dialect) -> TransactionOptions {
    let mode = matches!(dialect, Dialect::Sqlite).then_some(SqliteTransactionMode::Immediate);
    TransactionOptions { sqlite_transaction_mode: mode, ..TransactionOptions::default() }
}

/// What a pool is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Reads,
    Writes,
}

fn options(url: &str, dialect: Dialect, purpose: Use, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        // A ping before each use would cost every batch a round trip.
        .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
        .sqlx_logging(false);
    if dialect == Dialect::Postgres {
        // A process that vanished must not keep a lane's row for as long as TCP takes to notice.
        let safe = [("lock_timeout", "15s"), ("idle_in_transaction_session_timeout", "60s")];
        // A lane's statements reach rows by their keys, however many: a plan for the very number at hand costs
        // several times what it takes to run. And a plan that was made while a table was empty would go on
        // to read all of it.
        let keyed = [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")];
        let keyed = keyed.into_iter().filter(move |_| purpose == Use::Writes);
        options.map_sqlx_postgres_opts(move |postgres| postgres.options(safe).options(keyed.clone()));
    }
    if dialect == Dialect::Sqlite {
        // A file has no server that could drop an idle connection.
        options.idle_timeout(None).max_lifetime(None).test_before_acquire(false);
        let cache = if purpose == Use::Writes { SQLITE_WRITERS_CACHE } else { SQLITE_CACHE };
        options.map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .pragma("cache_size", cache)
                .create_if_missing(true)
                .busy_timeout(BUSY_TIMEOUT)
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL")
                .pragma("wal_autocheckpoint", WAL_AUTOCHECKPOINT_PAGES)
        });
        options.map_sqlx_sqlite_pool_opts(|pool| {
            pool.before_acquire(|connection, _| has_no_transaction(connection))
        });
    }
    options
}

/// On a full disk or an I/O error SQLite ends a transaction by itself; the pool's ROLLBACK then fails, it
/// goes on counting one transaction that is not there, and every later one would be a savepoint in a
/// transaction that nobody commits. Such a connection is closed, and a new one opened in its place.
fn has_no_transaction(connection: &mut SqliteConnection) -> BoxFuture<'_, Result<bool, SqlxError>> {
    Box::pin(async move {
        if connection.is_in_transaction() {
            // A rollback may still be on its way: wait until the connection has nothing more to do.
            connection.ping().await?;
        }
        Ok(!connection.is_in_transaction())
    })
}

/// Where a database is, for errors and logs: no user, no password, no parameters.
pub fn place(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    match (scheme, PgConnectOptions::from_str(url)) {
        ("sqlite", _) => format!("sqlite://{}", rest.split('?').next().unwrap_or_default()),
        ("postgres" | "postgresql", Ok(server)) => {
            let database = server.get_database().unwrap_or_default();
            format!("postgres://{}:{}/{database}", server.get_host(), server.get_port())
        }
        _ => format!("{scheme}://…"),
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn nothing_secret_of_a_url_is_shown() {
        for (url, shown) in [
            ("postgres://scrip:s3cr%40t@db.example:5433/scrip", "postgres://db.example:5433/scrip"),
            ("postgresql://db.example/scrip?password=s3@cret", "postgres://db.example:5432/scrip"),
            ("postgres://u:p@db/scrip?options=-c%20a%3D%40b", "postgres://db:5432/scrip"),
            ("postgres://u:p?q@db:port/x", "postgres://…"),
            ("sqlite://./scrip.db?mode=ro", "sqlite://./scrip.db"),
            ("mysql://u:p@db/scrip", "mysql://…"),
            ("u:p@db", "://…"),
        ] {
            assert_eq!(place(url), shown, "{url}");
        }
    }
}
