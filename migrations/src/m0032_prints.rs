//! The secret that hides addresses in prints of calls, and a way to deliveries by their time, for whoever
//! follows them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{binary, text};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut secrets = Table::create();
        secrets.table("secrets").if_not_exists();
        for column in [text("name"), binary("secret")] {
            secrets.col(column);
        }
        secrets.primary_key(Index::create().col("name"));
        manager.create_table(secrets).await?;
        let mut by_time = Index::create();
        by_time.name("deliveries_by_time").table("deliveries").if_not_exists();
        for column in ["delivered_at", "wallet", "seq"] {
            by_time.col(column);
        }
        manager.create_index(by_time).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("deliveries_by_time").table("deliveries").to_owned()).await?;
        manager.drop_table(Table::drop().table("secrets").if_exists().to_owned()).await
    }
}
