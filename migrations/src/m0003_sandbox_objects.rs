//! What the sandbox gateway remembers: Stripe's objects as JSON, its deliveries, its answers to keys.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, string, text, text_null};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("sandbox_objects")
            .if_not_exists()
            .col(text("id").primary_key())
            .col(string("kind"))
            .col(text_null("parent"))
            .col(big_integer("created_at"))
            .col(big_integer_null("due_at"))
            .col(text("json"))
            .to_owned();
        manager.create_table(table).await?;
        for (name, columns) in [
            ("sandbox_objects_by_kind", ["kind", "created_at"]),
            ("sandbox_objects_by_parent", ["parent", "kind"]),
            ("sandbox_objects_by_due", ["kind", "due_at"]),
        ] {
            let mut index = Index::create().name(name).table("sandbox_objects").if_not_exists().to_owned();
            for column in columns {
                index.col(column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("sandbox_objects").if_exists().to_owned()).await
    }
}
