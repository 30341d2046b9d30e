//! Space in each page of the projections, so that PostgreSQL finds room for a row's next version beside it
//! and leaves the indexes alone (a heap-only update).

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        alter(manager, "SET (fillfactor = 70)").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        alter(manager, "RESET (fillfactor)").await
    }
}

async fn alter(manager: &SchemaManager<'_>, change: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for table in ["wallets", "lots", "holds"] {
        manager.get_connection().execute_unprepared(&format!("ALTER TABLE {table} {change}")).await?;
    }
    Ok(())
}
