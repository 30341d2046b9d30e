//! What is forgotten after its time is found by its time.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// (index, table, column)
const INDEXES: [(&str, &str, &str); 4] = [
    ("requests_by_age", "requests", "created_at"),
    ("quotes_by_end", "quotes", "valid_until"),
    ("sessions_by_end", "sessions", "expires_at"),
    ("verifications_by_end", "verifications", "expires_at"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (index, table, column) in INDEXES {
            let made = format!("CREATE INDEX IF NOT EXISTS {index} ON {table} ({column})");
            manager.get_connection().execute_unprepared(&made).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (index, _, _) in INDEXES {
            manager.get_connection().execute_unprepared(&format!("DROP INDEX IF EXISTS {index}")).await?;
        }
        Ok(())
    }
}
