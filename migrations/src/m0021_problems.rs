//! What customers reported about their receipts.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, pk_uuid, string, text, text_null, uuid};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut problems = Table::create();
        problems.table("problems").if_not_exists().col(pk_uuid("id"));
        for column in [
            uuid("customer"),
            string("receipt"),
            text("reporter"),
            text("text"),
            string("state"),
            big_integer("created_at"),
            big_integer_null("closed_at"),
            text_null("closed_by"),
        ] {
            problems.col(column);
        }
        manager.create_table(problems).await?;
        for (name, column) in [("problems_by_receipt", "receipt"), ("problems_by_state", "state")] {
            let mut index = Index::create();
            index.name(name).table("problems").col(column).if_not_exists();
            manager.create_index(index.to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("problems").if_exists().to_owned()).await
    }
}
