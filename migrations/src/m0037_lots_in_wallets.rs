//! What is left of a wallet's open lots stands in the wallet's own row, so that a debit changes one row of the
//! projections and not two. A lot's row says what does not change with every debit.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, boolean, text};
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, "wallets", text("lots").default("[]")).await?;
        add(manager, "lots", boolean("has_remaining").default(false)).await?;
        if manager.has_column("lots", "remaining").await? {
            let array = match manager.get_database_backend() {
                DbBackend::Postgres => {
                    "SELECT replace(replace(CAST(json_agg(json_build_array(l.seq, l.remaining, l.held) \
                     ORDER BY l.seq) AS text), ' ', ''), chr(10), '') FROM lots l WHERE "
                }
                _ => {
                    "SELECT json_group_array(json_array(l.seq, l.remaining, l.held)) \
                     FROM (SELECT * FROM lots ORDER BY bucket, wallet, seq) l WHERE "
                }
            };
            let of_wallet = "l.bucket = wallets.bucket AND l.wallet = wallets.wallet AND l.is_open";
            let fill = format!(
                "UPDATE wallets SET lots = ({array}{of_wallet}) WHERE EXISTS (SELECT 1 FROM lots l WHERE {of_wallet})"
            );
            run(manager, &fill).await?;
            run(manager, "UPDATE lots SET has_remaining = (remaining > 0)").await?;
        }
        drop(manager, "lots", "remaining").await?;
        drop(manager, "lots", "held").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, "lots", big_integer("remaining").default(0)).await?;
        add(manager, "lots", big_integer("held").default(0)).await?;
        if manager.has_column("wallets", "lots").await? {
            for (n, column) in [(1, "remaining"), (2, "held")] {
                let (value, seq, each) = match manager.get_database_backend() {
                    DbBackend::Postgres => (
                        format!("CAST(n.value ->> {n} AS bigint)"),
                        "CAST(n.value ->> 0 AS bigint)",
                        "json_array_elements(CAST(w.lots AS json)) AS n(value)",
                    ),
                    _ => (
                        format!("json_extract(n.value, '$[{n}]')"),
                        "json_extract(n.value, '$[0]')",
                        "json_each(w.lots) AS n",
                    ),
                };
                let fill = format!(
                    "UPDATE lots SET {column} = (SELECT {value} FROM wallets w, {each} \
                     WHERE w.bucket = lots.bucket AND w.wallet = lots.wallet AND {seq} = lots.seq) WHERE is_open"
                );
                run(manager, &fill).await?;
            }
        }
        drop(manager, "lots", "has_remaining").await?;
        drop(manager, "wallets", "lots").await
    }
}

async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    manager.get_connection().execute_unprepared(sql).await.map(|_| ())
}

async fn add(manager: &SchemaManager<'_>, table: &'static str, column: &mut ColumnDef) -> Result<(), DbErr> {
    if manager.has_column(table, column.get_column_name()).await? {
        return Ok(());
    }
    manager.alter_table(Table::alter().table(table).add_column(column.take()).to_owned()).await
}

async fn drop(manager: &SchemaManager<'_>, table: &'static str, column: &'static str) -> Result<(), DbErr> {
    if !manager.has_column(table, column).await? {
        return Ok(());
    }
    manager.alter_table(Table::alter().table(table).drop_column(column).to_owned()).await
}
