//! What operators did.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, pk_uuid, string, text, text_null, uuid_null};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut audit = Table::create();
        audit.table("audit").if_not_exists().col(pk_uuid("id"));
        for column in [
            text("actor"),
            string("action"),
            text("subject"),
            uuid_null("customer"),
            text("reason"),
            string("state"),
            text("input"),
            text_null("before"),
            text_null("after"),
            big_integer("created_at"),
        ] {
            audit.col(column);
        }
        manager.create_table(audit).await?;
        let by_customer = "CREATE INDEX IF NOT EXISTS audit_by_customer ON audit (customer, id)";
        manager.get_connection().execute_unprepared(by_customer).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("audit").if_exists().to_owned()).await
    }
}
