//! The journal's indexes on keys begin with the key. Callers count theirs or take them from a clock, so that new
//! ones lie side by side, and the first column that is compared nearly always decides; with bucket and wallet
//! first each entry went to a page of its own. Bytewise, because nothing asks for keys in the order of a language.
//!
//! On PostgreSQL the new index is made before the old one goes: the journal can be read while a large one is indexed.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::m0038_index_of_keys::{INDEXES, replace};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        change(manager, |key| format!("({key}, wallet, bucket)")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        change(manager, |key| format!("(bucket, wallet, {key})")).await
    }
}

async fn change(manager: &SchemaManager<'_>, columns: fn(&str) -> String) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return replace(
            manager,
            &format!("{} WHERE idempotency_key IS NOT NULL", columns("idempotency_key")),
        )
        .await;
    }
    let columns = columns("idempotency_key text_pattern_ops");
    let db = manager.get_connection();
    for (table, index) in INDEXES {
        let make =
            format!("CREATE UNIQUE INDEX {index}_new ON {table} {columns} WHERE idempotency_key IS NOT NULL");
        db.execute_unprepared(&make).await?;
    }
    for (_, index) in INDEXES {
        db.execute_unprepared(&format!("DROP INDEX IF EXISTS {index}")).await?;
        db.execute_unprepared(&format!("ALTER INDEX {index}_new RENAME TO {index}")).await?;
    }
    Ok(())
}
