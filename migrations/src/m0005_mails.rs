//! The outbox of mails.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, pk_uuid, small_integer, string, text, text_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut mails = Table::create();
        mails.table("mails").if_not_exists().col(pk_uuid("id"));
        for column in [
            text("key"),
            text("recipient"),
            text("subject"),
            text("text"),
            text("html"),
            string("state"),
            small_integer("attempts"),
            big_integer("next_attempt_at"),
            big_integer("created_at"),
            big_integer_null("sent_at"),
            text_null("error"),
        ] {
            mails.col(column);
        }
        manager.create_table(mails).await?;
        for index in [
            "CREATE UNIQUE INDEX IF NOT EXISTS mails_by_key ON mails (key)",
            // Partial: what was sent stays for the record and is never looked for.
            "CREATE INDEX IF NOT EXISTS mails_due ON mails (next_attempt_at) WHERE state = 'pending'",
        ] {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("mails").if_exists().to_owned()).await
    }
}
