//! A first answer keeps no status of its own: it follows from the route.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::small_integer;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !manager.has_column("requests", "status").await? {
            return Ok(());
        }
        manager.alter_table(Table::alter().table("requests").drop_column("status").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = small_integer("status").default(200).to_owned();
        manager.alter_table(Table::alter().table("requests").add_column(column).to_owned()).await
    }
}
