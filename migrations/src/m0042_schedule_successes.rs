//! When a schedule last succeeded: what a run must reach back to, however many failed since.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer_null;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_column("schedules", "last_success_at").await? {
            return Ok(());
        }
        let column = big_integer_null("last_success_at");
        manager.alter_table(Table::alter().table("schedules").add_column(column).to_owned()).await?;
        let known = "UPDATE schedules SET last_success_at = last_run_at WHERE last_state = 'done'";
        manager.get_connection().execute_unprepared(known).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = Table::alter().table("schedules").drop_column("last_success_at").to_owned();
        manager.alter_table(column).await
    }
}
