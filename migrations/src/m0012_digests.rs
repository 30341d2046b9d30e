//! A digest of every entry, so that `verify` finds any changed column. Old entries get theirs.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer_null;
use sea_orm_migration::sea_orm::DbBackend;
use store::{Dialect, digests};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !manager.has_column("postings", "digest").await? {
            let add = Table::alter().table("postings").add_column(big_integer_null("digest")).to_owned();
            manager.alter_table(add).await?;
        }
        let dialect = match manager.get_database_backend() {
            DbBackend::Sqlite => Dialect::Sqlite,
            _ => Dialect::Postgres,
        };
        let filled = digests::fill(manager.get_connection(), dialect).await;
        filled.map_err(|e| DbErr::Migration(e.to_string()))
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::alter().table("postings").drop_column("digest").to_owned();
        manager.alter_table(drop).await
    }
}
