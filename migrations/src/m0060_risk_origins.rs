//! The network that a customer signed up from, as a keyed hash: one row a wallet.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, uuid};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut origins = Table::create();
        origins.table("risk_origins").if_not_exists();
        for column in [uuid("wallet"), big_integer("network"), big_integer("told_at")] {
            origins.col(column);
        }
        origins.primary_key(Index::create().col("wallet"));
        manager.create_table(origins).await?;
        let mut index = Index::create();
        index.name("risk_origins_by_time").table("risk_origins").col("told_at").col("wallet").if_not_exists();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("risk_origins").if_exists().to_owned()).await
    }
}
