//! Whether a wallet takes new work: a part of its state like its balances.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_column("wallets", "restriction").await? {
            return Ok(());
        }
        let add = Table::alter().table("wallets").add_column(text_null("restriction")).to_owned();
        manager.alter_table(add).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::alter().table("wallets").drop_column("restriction").to_owned();
        manager.alter_table(drop).await
    }
}
