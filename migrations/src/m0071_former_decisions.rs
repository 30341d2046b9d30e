//! What was decided about a case and corrected later: one row a decision that no longer counts. The one that counts is in
//! the case.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, string, text, text_null, uuid};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut decisions = Table::create();
        decisions.table("risk_former_decisions").if_not_exists();
        for column in [
            uuid("case_id"),
            integer("number"),
            string("decision"),
            text_null("note"),
            text("decided_by"),
            big_integer("decided_at"),
        ] {
            decisions.col(column);
        }
        decisions.primary_key(Index::create().col("case_id").col("number"));
        manager.create_table(decisions).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("risk_former_decisions").if_exists().to_owned()).await
    }
}
