//! What `app` writes: customers, quotes, API keys, first answers, rate cards, deliveries.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary, boolean, small_integer, string, text, uuid, uuid_null,
};

use crate::m0001_hot_tables::table;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [customers(), quotes(), api_keys(), requests(), catalogues(), deliveries()] {
            manager.create_table(table).await?;
        }
        for (name, table, column) in [
            ("customers_by_external_id", "customers", "external_id"),
            ("customers_by_wallet", "customers", "wallet"),
            ("api_keys_by_secret", "api_keys", "secret_hash"),
        ] {
            manager.create_index(unique(name, table, column)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["deliveries", "catalogues", "requests", "api_keys", "quotes", "customers"] {
            manager.drop_table(Table::drop().table(table).if_exists().to_owned()).await?;
        }
        Ok(())
    }
}

fn unique(name: &'static str, table: &'static str, column: &'static str) -> IndexCreateStatement {
    Index::create().name(name).table(table).col(column).unique().if_not_exists().to_owned()
}

fn customers() -> TableCreateStatement {
    table(
        "customers",
        &["id"],
        vec![
            uuid("id"),
            text("external_id"),
            uuid("wallet"),
            string("kind"),
            text("name"),
            text("email"),
            string("currency"),
            text("timezone"),
            big_integer("created_at"),
        ],
    )
}

fn quotes() -> TableCreateStatement {
    table(
        "quotes",
        &["bucket", "wallet", "nonce"],
        vec![
            small_integer("bucket"),
            uuid("wallet"),
            big_integer("nonce"),
            big_integer("credits"),
            big_integer("valid_until"),
            text("about"),
            big_integer("created_at"),
        ],
    )
}

fn api_keys() -> TableCreateStatement {
    table(
        "api_keys",
        &["id"],
        vec![
            uuid("id"),
            binary("secret_hash"),
            text("name"),
            string("scopes"),
            uuid_null("customer"),
            boolean("livemode"),
            big_integer("created_at"),
            big_integer_null("revoked_at"),
        ],
    )
}

fn requests() -> TableCreateStatement {
    table(
        "requests",
        &["owner", "route", "key"],
        vec![
            text("owner"),
            text("route"),
            text("key"),
            binary("input_hash"),
            small_integer("status"),
            text("body"),
            big_integer("created_at"),
        ],
    )
}

fn catalogues() -> TableCreateStatement {
    table(
        "catalogues",
        &["version"],
        vec![
            big_integer("version"),
            text("name"),
            text("toml"),
            big_integer("created_at"),
            big_integer_null("published_at"),
        ],
    )
}

fn deliveries() -> TableCreateStatement {
    table(
        "deliveries",
        &["bucket", "wallet", "seq"],
        vec![small_integer("bucket"), uuid("wallet"), big_integer("seq"), big_integer("delivered_at")],
    )
}
