//! Links that let somebody choose a new password.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, binary, uuid};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut resets = Table::create();
        resets.table("password_resets").if_not_exists();
        for column in [binary("token_hash"), uuid("user_id"), big_integer("expires_at")] {
            resets.col(column);
        }
        resets.primary_key(Index::create().col("token_hash"));
        manager.create_table(resets).await?;
        let by_user = Index::create()
            .name("password_resets_by_user")
            .table("password_resets")
            .col("user_id")
            .if_not_exists()
            .to_owned();
        manager.create_index(by_user).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("password_resets").if_exists().to_owned()).await
    }
}
