//! What each run of `verify` found.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, pk_uuid, text};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut runs = Table::create();
        runs.table("verify_runs").if_not_exists().col(pk_uuid("id"));
        for column in
            [big_integer("started_at"), big_integer("finished_at"), big_integer("breaks"), text("report")]
        {
            runs.col(column);
        }
        manager.create_table(runs).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("verify_runs").if_exists().to_owned()).await
    }
}
