//! What the gateway told of the risk of payments.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean_null, string, string_null, text, uuid,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut signals = Table::create();
        signals.table("payment_signals").if_not_exists();
        for column in [
            string("gateway"),
            text("id"),
            uuid("wallet"),
            uuid("customer"),
            string("kind"),
            string_null("risk_level"),
            big_integer_null("card"),
            boolean_null("country_matches"),
            big_integer("credits"),
            big_integer("occurred_at"),
            big_integer("recorded_at"),
        ] {
            signals.col(column);
        }
        signals.primary_key(Index::create().col("gateway").col("id"));
        manager.create_table(signals).await?;
        let mut by_time = Index::create();
        by_time.name("payment_signals_by_time").table("payment_signals").if_not_exists();
        for column in ["recorded_at", "wallet", "id"] {
            by_time.col(column);
        }
        manager.create_index(by_time).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("payment_signals").if_exists().to_owned()).await
    }
}
