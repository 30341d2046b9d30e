//! The journal's indexes on keys begin with bucket and key, no longer with bucket and wallet. PostgreSQL takes a
//! wallet's bucket and its id for independent, so that both of a wallet's indexes looked as good as the other to it,
//! and a look at one entry could read the whole history of its wallet. Bytewise, because nothing asks for keys in
//! the order of a language. SQLite prefers the index of which more columns are given, and keeps what it has.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

const INDEXES: [(&str, &str); 2] = [("postings", "postings_by_key"), ("sealed_postings", "sealed_by_key")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, "bucket, idempotency_key text_pattern_ops, wallet").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, "bucket, wallet, idempotency_key").await
    }
}

/// The new index is there before the old one goes: keys stay unique.
async fn replace(manager: &SchemaManager<'_>, columns: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for (table, index) in INDEXES {
        for sql in [
            format!("CREATE UNIQUE INDEX {index}_new ON {table} ({columns})"),
            format!("DROP INDEX IF EXISTS {index}"),
            format!("ALTER INDEX {index}_new RENAME TO {index}"),
        ] {
            manager.get_connection().execute_unprepared(&sql).await?;
        }
    }
    Ok(())
}
