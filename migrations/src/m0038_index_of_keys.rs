//! The journal's indexes on keys hold only rows that have one, so that no planner takes them for anything else.
//! PostgreSQL thinks bucket and wallet independent of each other: a wallet's entry by its seq looked as near by
//! this index as by the primary key, and a look at one entry could read the whole history of its wallet.
//! Bytewise, because nothing asks for keys in the order of a language.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

pub(crate) const INDEXES: [(&str, &str); 2] =
    [("postings", "postings_by_key"), ("sealed_postings", "sealed_by_key")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let bytewise = match manager.get_database_backend() {
            DbBackend::Postgres => " text_pattern_ops",
            _ => "",
        };
        let columns =
            format!("(bucket, wallet, idempotency_key{bytewise}) WHERE idempotency_key IS NOT NULL");
        replace(manager, &columns).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, "(bucket, wallet, idempotency_key)").await
    }
}

pub(crate) async fn replace(manager: &SchemaManager<'_>, columns: &str) -> Result<(), DbErr> {
    for (table, index) in INDEXES {
        for sql in [
            format!("DROP INDEX IF EXISTS {index}"),
            format!("CREATE UNIQUE INDEX {index} ON {table} {columns}"),
        ] {
            manager.get_connection().execute_unprepared(&sql).await?;
        }
    }
    Ok(())
}
