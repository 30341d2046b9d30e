//! Ways to damage a database row by row.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement, TryGetable, Value};
use tests::random::SplitMix64;

pub struct Table {
    pub name: &'static str,
    pub key: &'static [&'static str],
    pub columns: &'static [(&'static str, Kind)],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Wallet,
    Number,
    Text,
    Bytes,
    Flag,
}

use Kind::{Bytes, Flag, Number, Text, Wallet};

const POSTING_KEY: &[&str] = &["bucket", "wallet", "seq", "line"];
const POSTING: &[(&str, Kind)] = &[
    ("bucket", Number),
    ("wallet", Wallet),
    ("seq", Number),
    ("line", Number),
    ("kind", Text),
    ("recorded_at", Number),
    ("effective_at", Number),
    ("from_account", Text),
    ("to_account", Text),
    ("amount", Number),
    ("lot", Number),
    ("lot_remaining", Number),
    ("balance_after", Number),
    ("held_after", Number),
    ("debt_after", Number),
    ("hold", Number),
    ("idempotency_key", Text),
    ("input_hash", Bytes),
    ("terms", Text),
    ("about", Text),
    ("digest", Number),
];

pub const TABLES: &[Table] = &[
    Table { name: "postings", key: POSTING_KEY, columns: POSTING },
    Table { name: "sealed_postings", key: POSTING_KEY, columns: POSTING },
    Table {
        name: "lots",
        key: &["bucket", "wallet", "seq"],
        columns: &[
            ("bucket", Number),
            ("wallet", Wallet),
            ("seq", Number),
            ("kind", Text),
            ("granted", Number),
            ("priority", Number),
            ("expires_at", Number),
            ("paid_minor", Number),
            ("currency", Text),
            ("clawed_back", Number),
            ("voided", Flag),
            ("has_remaining", Flag),
            ("is_open", Flag),
        ],
    },
    Table {
        name: "holds",
        key: &["bucket", "wallet", "seq"],
        columns: &[
            ("bucket", Number),
            ("wallet", Wallet),
            ("seq", Number),
            ("state", Text),
            ("authorized", Number),
            ("captured", Number),
            ("captures", Number),
            ("expires_at", Number),
            ("progress", Text),
            ("lots", Text),
        ],
    },
    Table {
        name: "wallets",
        key: &["bucket", "wallet"],
        columns: &[
            ("bucket", Number),
            ("wallet", Wallet),
            ("seq", Number),
            ("recorded_at", Number),
            ("posting_rows", Number),
            ("available", Number),
            ("held", Number),
            ("debt", Number),
            ("calls", Text),
            ("lots", Text),
            ("restriction", Text),
        ],
    },
    Table {
        name: "snapshots",
        key: &["bucket", "wallet", "recorded_at", "seq"],
        columns: &[
            ("bucket", Number),
            ("wallet", Wallet),
            ("recorded_at", Number),
            ("seq", Number),
            ("state", Text),
        ],
    },
    Table {
        name: "reversals",
        key: &["bucket", "wallet", "receipt"],
        columns: &[("bucket", Number), ("wallet", Wallet), ("receipt", Number), ("seq", Number)],
    },
];

/// A row by its key.
#[derive(Clone, Debug)]
pub struct Row {
    pub wallet: store::Uuid,
    /// 0 where the key has none.
    pub seq: i64,
    key: Vec<Value>,
}

#[derive(Clone, Debug)]
pub enum Harm {
    /// This column got another value.
    Flipped(&'static str),
    Deleted,
    /// The whole entry, all its lines: a gap between sequence numbers.
    EntryDeleted,
    /// The newest entries.
    TailDeleted,
    Doubled(&'static str),
    Swapped,
}

pub struct Damage {
    pub table: &'static str,
    pub row: Row,
    pub harm: Harm,
    /// Whose verification must name it.
    pub buckets: Vec<i16>,
    pub wallets: Vec<store::Uuid>,
}

/// All rows of a table by wallet.
pub async fn rows(db: &impl ConnectionTrait, table: &Table) -> Result<Vec<Vec<Row>>, DbErr> {
    let sql = format!("SELECT {0} FROM {1} ORDER BY {0}", table.key.join(", "), table.name);
    let mut wallets: Vec<Vec<Row>> = Vec::new();
    for found in db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await? {
        let wallet: store::Uuid = found.try_get("", "wallet")?;
        let mut key: Vec<Value> = vec![i16::try_get(&found, "", "bucket")?.into(), wallet.into()];
        let mut seq = 0;
        for column in &table.key[2..] {
            if *column == "line" {
                key.push(i16::try_get(&found, "", column)?.into());
            } else {
                let number: i64 = found.try_get("", column)?;
                if *column == "seq" {
                    seq = number;
                }
                key.push(number.into());
            }
        }
        let row = Row { wallet, seq, key };
        match wallets.last_mut().filter(|rows| rows[0].wallet == wallet) {
            Some(rows) => rows.push(row),
            None => wallets.push(vec![row]),
        }
    }
    Ok(wallets)
}

/// Does one harm, chosen by chance. `None` when nothing changed by it; an error when the database's own
/// constraints forbid it.
pub async fn harm(
    db: &impl ConnectionTrait,
    table: &'static Table,
    wallets: &[Vec<Row>],
    random: &mut SplitMix64,
) -> Result<Option<Damage>, DbErr> {
    let rows = &wallets[random.below(wallets.len())];
    let row = rows[random.below(rows.len())].clone();
    let other = &wallets[random.below(wallets.len())];
    let other = other[random.below(other.len())].clone();
    let is_journal = table.key.len() == 4 && table.key[3] == "line";
    let by = Harmer { db, table, row: &row };
    let (harm, changed) = match random.below(20) {
        0..=13 => {
            let (column, kind) = table.columns[random.below(table.columns.len())];
            (Harm::Flipped(column), by.flip(column, kind, &other, random).await?)
        }
        // A snapshot only shortens reads of the past: without it nothing says anything else.
        14 | 15 if table.name == "snapshots" => return Ok(None),
        14 | 15 => (Harm::Deleted, by.run("DELETE FROM {t} WHERE {key}", vec![]).await?),
        16 if is_journal => (Harm::EntryDeleted, by.delete_entries("=").await?),
        17 if is_journal => (Harm::TailDeleted, by.delete_entries(">=").await?),
        16..=18 => {
            let (column, kind) = table.columns[1 + random.below(table.key.len() - 1)];
            (Harm::Doubled(column), by.double(column, kind, &other, random).await?)
        }
        _ => (Harm::Swapped, by.swap(&other).await?),
    };
    if changed == 0 {
        return Ok(None);
    }
    let is_of_both = matches!(harm, Harm::Swapped | Harm::Doubled("wallet") | Harm::Flipped("wallet"));
    let wallets = if is_of_both { vec![row.wallet, other.wallet] } else { vec![row.wallet] };
    let mut buckets: Vec<i16> =
        wallets.iter().map(|w| kernel::bucket_of(kernel::WalletId::from_uuid(*w))).collect();
    if matches!(harm, Harm::Flipped("bucket")) {
        let now = Statement::from_sql_and_values(
            db.get_database_backend(),
            format!("SELECT DISTINCT bucket FROM {} WHERE wallet = $1", table.name),
            [row.wallet.into()],
        );
        for found in db.query_all_raw(now).await? {
            buckets.push(found.try_get_by_index(0)?);
        }
    }
    buckets.sort_unstable();
    buckets.dedup();
    Ok(Some(Damage { table: table.name, row, harm, buckets, wallets }))
}

struct Harmer<'a, C> {
    db: &'a C,
    table: &'static Table,
    row: &'a Row,
}

impl<C: ConnectionTrait> Harmer<'_, C> {
    /// Runs a statement in which {t} is the table, {key} the row's key and $1… are `values`.
    async fn run(&self, template: &str, values: Vec<Value>) -> Result<u64, DbErr> {
        self.run_on(self.row, template, values).await
    }

    async fn run_on(&self, row: &Row, template: &str, mut values: Vec<Value>) -> Result<u64, DbErr> {
        let mut names = Vec::new();
        for (column, value) in self.table.key.iter().zip(&row.key) {
            values.push(value.clone());
            names.push(format!("{column} = ${}", values.len()));
        }
        let sql = template.replace("{t}", self.table.name).replace("{key}", &names.join(" AND "));
        // A template without the key takes none of its values.
        if !template.contains("{key}") {
            values.truncate(values.len() - names.len());
        }
        let backend = self.db.get_database_backend();
        Ok(self.db.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?.rows_affected())
    }

    async fn flip(
        &self,
        column: &'static str,
        kind: Kind,
        other: &Row,
        random: &mut SplitMix64,
    ) -> Result<u64, DbErr> {
        let changed = other_value(self.db.get_database_backend(), column, kind, random);
        let values = if kind == Wallet { vec![other.wallet.into()] } else { vec![] };
        let update = format!("UPDATE {{t}} SET {column} = {changed} WHERE {{key}}");
        if kind == Wallet && other.wallet == self.row.wallet {
            return Ok(0);
        }
        self.run(&update, values).await
    }

    async fn delete_entries(&self, compare: &str) -> Result<u64, DbErr> {
        let delete = format!("DELETE FROM {{t}} WHERE bucket = $1 AND wallet = $2 AND seq {compare} $3");
        self.run(&delete, self.row.key[..3].to_vec()).await
    }

    async fn double(
        &self,
        column: &'static str,
        kind: Kind,
        other: &Row,
        random: &mut SplitMix64,
    ) -> Result<u64, DbErr> {
        let columns: Vec<&str> = self.table.columns.iter().map(|(name, _)| *name).collect();
        let mut values = Vec::new();
        let copy: Vec<String> = columns
            .iter()
            .map(|name| match (*name == column, kind) {
                (true, Wallet) => {
                    values.push(Value::from(other.wallet));
                    format!("${}", values.len())
                }
                (true, _) => other_value(self.db.get_database_backend(), column, kind, random),
                (false, _) => (*name).to_owned(),
            })
            .collect();
        let insert = format!(
            "INSERT INTO {{t}} ({}) SELECT {} FROM {{t}} WHERE {{key}}",
            columns.join(", "),
            copy.join(", ")
        );
        self.run(&insert, values).await
    }

    /// Exchanges everything but their keys between two rows of one wallet, or of two wallets.
    async fn swap(&self, other: &Row) -> Result<u64, DbErr> {
        let plain: Vec<&str> = self
            .table
            .columns
            .iter()
            .map(|(name, _)| *name)
            .filter(|n| !self.table.key.contains(n))
            .collect();
        let backend = self.db.get_database_backend();
        let (mine, theirs) = (self.row.key.clone(), other.key.clone());
        let names = |first: usize| {
            let keys = self.table.key.iter().enumerate();
            keys.map(|(n, column)| format!("{column} = ${}", first + n)).collect::<Vec<_>>().join(" AND ")
        };
        let (one, two) = (names(1), names(1 + mine.len()));
        let both = [mine, theirs].concat();
        let count = format!(
            "SELECT COUNT(*) FROM (SELECT DISTINCT {} FROM {} WHERE ({one}) OR ({two})) AS d",
            plain.join(", "),
            self.table.name
        );
        let different =
            self.db.query_one_raw(Statement::from_sql_and_values(backend, count, both.clone())).await?;
        let different: i64 = different.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or(0);
        if different < 2 {
            return Ok(0);
        }
        let set: Vec<String> = plain.iter().map(|c| format!("{c} = o.{c}")).collect();
        let key = |alias: &str, first: usize| {
            let keys = self.table.key.iter().enumerate();
            keys.map(|(n, column)| format!("{alias}.{column} = ${}", first + n))
                .collect::<Vec<_>>()
                .join(" AND ")
        };
        let (t1, t2) = (key("t", 1), key("t", 1 + self.row.key.len()));
        let (o1, o2) = (key("o", 1), key("o", 1 + self.row.key.len()));
        let swap = format!(
            "UPDATE {0} AS t SET {1} FROM {0} AS o WHERE (({t1}) AND ({o2})) OR (({t2}) AND ({o1}))",
            self.table.name,
            set.join(", ")
        );
        Ok(self.db.execute_raw(Statement::from_sql_and_values(backend, swap, both)).await?.rows_affected())
    }
}

/// An expression for another value than the column has.
fn other_value(backend: DatabaseBackend, column: &str, kind: Kind, random: &mut SplitMix64) -> String {
    let null_or = |value: &str| format!("CASE WHEN {column} IS NULL THEN {value} ELSE NULL END");
    match kind {
        Wallet => "$1".to_owned(),
        Flag => format!("NOT {column}"),
        Number if random.below(5) == 0 => null_or("0"),
        Number => {
            let delta = [1, -1, 7, 1_000, -1_000_000][random.below(5)];
            format!("COALESCE({column}, 0) + ({delta})")
        }
        Text => match random.below(4) {
            0 => null_or("''"),
            1 => format!("COALESCE({column}, '') || ' '"),
            2 => format!("COALESCE({column}, '') || 'x'"),
            _ => format!(
                "CASE WHEN {column} = 'debit' THEN 'capture' WHEN {column} = 'open' THEN 'lapsed' WHEN {column} = 'spent' THEN 'expired' ELSE COALESCE({column}, '') || '0' END"
            ),
        },
        Bytes => {
            let bytes: String = (0..4).map(|_| format!("{:016x}", random.draw())).collect();
            match (backend, random.below(3)) {
                (DatabaseBackend::Sqlite, 0) => null_or("x'00'"),
                (_, 0) => null_or("'\\x00'::bytea"),
                (DatabaseBackend::Sqlite, _) => format!("x'{bytes}'"),
                (_, _) => format!("'\\x{bytes}'::bytea"),
            }
        }
    }
}
