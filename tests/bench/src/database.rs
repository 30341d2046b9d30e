//! Fills the real schema. One customer is made through the API; the others are copies of their rows, made
//! by set-based statements, so that the journal, the projections and `verify` agree about all of them
//! whatever columns the tables have.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use kernel::{CustomerId, WalletId, bucket_of, new_uuid};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IdenStatic, Iterable, QueryFilter, Statement, Value,
};
use store::entities::{lot, posting, wallet};
use store::{Dialect, Store, cold};

/// The demo's own customer, whose one debit shows what a receipt's facts look like.
pub const DEMO_CUSTOMER: &str = "demo";
const ROWS_PER_STATEMENT: usize = 5_000;
const SETTLES_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What the benchmark needs to know of a loaded database.
pub struct Loaded {
    pub wallets: Vec<WalletId>,
    /// The facts of a debit that the API made.
    pub about: String,
}

/// The name under which the API knows the customer of this index.
pub fn external_id(index: usize) -> String {
    format!("w{index:07}")
}

/// Copies the customer of index 0, who has one grant, until there are `wallets` of them.
pub async fn fill(store: &Store, wallets: usize) -> Loaded {
    let first = customer(store, &external_id(0)).await;
    let ids = stage(store, wallets).await;
    let names = |column: &str| match column {
        "bucket" => "s.bucket".to_owned(),
        "wallet" => "s.wallet".to_owned(),
        // Of the row that was copied; each gets its own below.
        "digest" => "NULL".to_owned(),
        "about" => format!("replace(t.about, '{}', s.customer_name)", CustomerId::from_uuid(first.id)),
        other => format!("t.{other}"),
    };
    copy::<wallet::Entity>(store, "wallets", first.wallet, names).await;
    copy::<lot::Entity>(store, "lots", first.wallet, names).await;
    copy::<posting::Entity>(store, "postings", first.wallet, names).await;
    copy::<cold::customers::Entity>(store, "customers", first.wallet, |column| match column {
        "id" => "s.customer".to_owned(),
        "wallet" => "s.wallet".to_owned(),
        "external_id" => "s.external_id".to_owned(),
        other => format!("t.{other}"),
    })
    .await;
    store::digests::fill(store.writer(), store.dialect()).await.expect("every copy gets its digest");
    execute(store, "DROP TABLE bench_new", vec![]).await;
    execute(store, "ANALYZE", vec![]).await;
    let first = WalletId::from_uuid(first.wallet);
    Loaded { wallets: std::iter::once(first).chain(ids).collect(), about: debit(store).await.about.unwrap() }
}

/// The debit of the demo's customer, while nothing is sealed.
pub async fn debit(store: &Store) -> posting::Model {
    let debits = posting::Entity::find().filter(posting::Column::Kind.eq("debit"));
    debits.one(store.reader()).await.expect("it reads").expect("the API made one")
}

/// Gives each wallet these debits more, counted from 1, each a copy of `debit` and at its instant. Only for
/// PostgreSQL, where journals grow large.
pub async fn grow(store: &Store, debit: &posting::Model, debits: RangeInclusive<u64>) {
    let (amount, at) = (debit.amount, debit.recorded_at);
    let (had, until) = (debits.start() - 1, *debits.end());
    let columns: Vec<String> = posting::Column::iter().map(|c| c.as_str().to_owned()).collect();
    for n in debits {
        let value = |column: &str| match column {
            "bucket" | "wallet" => format!("w.{column}"),
            "seq" => (n + 1).to_string(),
            "lot" => "1".to_owned(),
            "lot_remaining" | "balance_after" => format!("w.available - {} * {amount}", n - had),
            "idempotency_key" => format!("'k:grown-{n}'"),
            other => format!("t.{other}"),
        };
        let values = columns.iter().map(|column| match column.as_str() {
            "digest" => digest(value),
            other => value(other),
        });
        let values = values.collect::<Vec<_>>().join(", ");
        let sql = format!(
            "INSERT INTO postings ({}) SELECT {values} FROM wallets w CROSS JOIN journal t \
             WHERE w.seq = {had} + 1 AND t.bucket = $1 AND t.wallet = $2 AND t.seq = $3",
            columns.join(", ")
        );
        execute(store, &sql, vec![debit.bucket.into(), debit.wallet.into(), debit.seq.into()]).await;
    }
    let calls = format!("[[{},{until}]]", at / 1_000_000);
    let wallets = format!(
        "UPDATE wallets SET seq = {until} + 1, posting_rows = {until} + 1, recorded_at = {at}, \
         available = available - ({until} - {had}) * {amount}, calls = '{calls}', \
         lots = '[[1,' || available - ({until} - {had}) * {amount} || ',0]]' WHERE seq = {had} + 1"
    );
    for sql in [wallets.as_str(), "VACUUM ANALYZE wallets", "VACUUM ANALYZE postings"] {
        execute(store, sql, vec![]).await;
    }
}

/// The digest of an entry of one row as an expression of PostgreSQL; `verify` computes the same in Rust.
fn digest(value: impl Fn(&str) -> String) -> String {
    let short = |column: &str| format!("int2send(({})::smallint)", value(column));
    let long = |column: &str| format!("int8send(({})::bigint)", value(column));
    let maybe = |column: &str, bytes: String| {
        let length = format!("int8send(octet_length({bytes})::bigint)");
        format!("CASE WHEN ({}) IS NULL THEN int8send(-1) ELSE {length} || {bytes} END", value(column))
    };
    let number = |column: &str| maybe(column, long(column));
    let text = |column: &str| maybe(column, format!("convert_to({}, 'UTF8')", value(column)));
    let mut parts = vec![short("bucket"), format!("uuid_send({})", value("wallet")), short("line")];
    let longs = ["seq", "recorded_at", "effective_at", "amount", "balance_after", "held_after", "debt_after"];
    parts.extend(longs.map(long));
    parts.extend(["lot", "lot_remaining", "hold"].map(number));
    parts.extend(["kind", "from_account", "to_account", "idempotency_key", "terms", "about"].map(text));
    parts.push(maybe("input_hash", value("input_hash")));
    let whole = format!("substring(sha256({}) FROM 1 FOR 8)", parts.join(" || "));
    format!("('x' || encode({whole}, 'hex'))::bit(64)::bigint")
}

/// How many commands the journal has.
pub async fn commands(store: &Store) -> u64 {
    count(store, "SELECT count(*) AS n FROM journal WHERE line = 0").await
}

/// Waits until the wallets' rows are where the journal is.
pub async fn settle(store: &Store) {
    let (begin, commands) = (Instant::now(), commands(store).await);
    while count(store, "SELECT CAST(sum(seq) AS bigint) AS n FROM wallets").await < commands {
        assert!(begin.elapsed() < SETTLES_WITHIN, "the projections stay behind the journal");
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
}

pub async fn count(store: &Store, sql: &str) -> u64 {
    let statement = Statement::from_string(store.reader().get_database_backend(), sql);
    let row = store.reader().query_one_raw(statement).await.expect("it counts").expect("a count");
    u64::try_from(row.try_get::<i64>("", "n").expect("a number")).expect("not negative")
}

async fn customer(store: &Store, external_id: &str) -> cold::customers::Model {
    let found = cold::customers::by_external_id(store.reader(), external_id).await;
    found.expect("it reads").expect("the API made this customer")
}

/// Puts the names of all new rows into a table of its own and answers the wallets in order.
async fn stage(store: &Store, wallets: usize) -> Vec<WalletId> {
    let id = if store.dialect() == Dialect::Sqlite { "blob" } else { "uuid" };
    let table = format!(
        "CREATE TABLE bench_new (bucket smallint NOT NULL, wallet {id} NOT NULL, customer {id} NOT NULL, \
         customer_name text NOT NULL, external_id text NOT NULL)"
    );
    execute(store, &table, vec![]).await;
    let indexes: Vec<usize> = (1..wallets).collect();
    let mut ids = Vec::with_capacity(indexes.len());
    for chunk in indexes.chunks(ROWS_PER_STATEMENT) {
        let mut values: Vec<Value> = Vec::with_capacity(chunk.len() * 5);
        for index in chunk {
            let (wallet, customer) = (WalletId::from_uuid(new_uuid()), CustomerId::from_uuid(new_uuid()));
            values.push(bucket_of(wallet).into());
            values.push(wallet.uuid().into());
            values.push(customer.uuid().into());
            values.push(customer.to_string().into());
            values.push(external_id(*index).into());
            ids.push(wallet);
        }
        let row = |n: usize| format!("(${}, ${}, ${}, ${}, ${})", n + 1, n + 2, n + 3, n + 4, n + 5);
        let rows: Vec<String> = (0..chunk.len()).map(|n| row(n * 5)).collect();
        execute(store, &format!("INSERT INTO bench_new VALUES {}", rows.join(", ")), values).await;
    }
    ids
}

/// Copies the rows of `wallet` for each staged one; `value` says what a column becomes.
async fn copy<E: EntityTrait>(
    store: &Store,
    table: &str,
    wallet: sea_orm::prelude::Uuid,
    value: impl Fn(&str) -> String,
) {
    let columns: Vec<String> = E::Column::iter().map(|c| c.as_str().to_owned()).collect();
    let values: Vec<String> = columns.iter().map(|column| value(column)).collect();
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM bench_new s CROSS JOIN {table} t WHERE t.wallet = $1",
        columns.join(", "),
        values.join(", ")
    );
    execute(store, &sql, vec![wallet.into()]).await;
}

pub async fn execute(store: &Store, sql: &str, values: Vec<Value>) {
    let statement = Statement::from_sql_and_values(store.writer().get_database_backend(), sql, values);
    let done = store.writer().execute_raw(statement).await;
    done.unwrap_or_else(|error| panic!("{}: {error}", sql.chars().take(200).collect::<String>()));
}
