//! Who moved a lane's fence last: a batch that is sent before the one in front of it is committed goes through
//! only when it was that one, and not somebody else who happened to move the fence to the same number.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::uuid_null;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_column("lanes", "writer").await? {
            return Ok(());
        }
        let column = uuid_null("writer").to_owned();
        manager.alter_table(Table::alter().table("lanes").add_column(column).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("lanes").drop_column("writer").to_owned()).await
    }
}
