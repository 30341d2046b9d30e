//! What operators answered customers on hold.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text, uuid};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut answers = Table::create();
        answers.table("risk_answers").if_not_exists();
        for column in [uuid("case"), text("text"), text("author"), big_integer("answered_at")] {
            answers.col(column);
        }
        answers.primary_key(Index::create().col("case"));
        manager.create_table(answers).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("risk_answers").if_exists().to_owned()).await
    }
}
