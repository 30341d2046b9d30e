//! One open report of a receipt, also when two processes take two at once.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Of several open reports of one receipt the first one stays.
const CLOSE_LATER_ONES: &str = "UPDATE problems SET state = 'closed', closed_at = created_at \
    WHERE state = 'open' AND EXISTS (SELECT 1 FROM problems AS earlier \
    WHERE earlier.receipt = problems.receipt AND earlier.state = 'open' AND earlier.id < problems.id)";
const ONE_OPEN: &str =
    "CREATE UNIQUE INDEX IF NOT EXISTS problems_one_open ON problems (receipt) WHERE state = 'open'";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in [CLOSE_LATER_ONES, ONE_OPEN] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP INDEX IF EXISTS problems_one_open").await?;
        Ok(())
    }
}
