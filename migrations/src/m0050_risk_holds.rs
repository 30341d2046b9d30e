//! A case knows its hold by the entry that made it, how often the watch held the wallet, and when a hold was lifted;
//! what customers write belongs to a hold; watchers say what went wrong; payments whether the bank knew the holder.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, integer, text, text_null, uuid};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// What was written before there were places for it had one a case.
const TAKE_OVER: &str = "INSERT INTO risk_appeals (wallet, restriction, case_id, text, appealed_at, answer, \
    answered_by, answered_at) SELECT c.wallet, -c.appealed_at, c.id, c.appeal, c.appealed_at, a.text, a.author, \
    a.answered_at FROM risk_cases c LEFT JOIN risk_answers a ON a.\"case\" = c.id WHERE c.appeal IS NOT NULL AND \
    c.appealed_at IS NOT NULL";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            if !manager.has_column(table, column.get_column_name()).await? {
                manager.alter_table(Table::alter().table(table).add_column(column).to_owned()).await?;
            }
        }
        if !manager.has_table("risk_answers").await? {
            return Ok(());
        }
        let mut appeals = Table::create();
        appeals.table("risk_appeals").if_not_exists();
        for column in [
            uuid("wallet"),
            big_integer("restriction"),
            uuid("case_id"),
            text("text"),
            big_integer("appealed_at"),
            text_null("answer"),
            text_null("answered_by"),
            big_integer_null("answered_at"),
        ] {
            appeals.col(column);
        }
        appeals.primary_key(Index::create().col("wallet").col("restriction"));
        manager.create_table(appeals).await?;
        for (name, table, column) in [
            ("risk_appeals_by_case", "risk_appeals", "case_id"),
            ("payment_signals_by_wallet", "payment_signals", "wallet"),
        ] {
            let mut index = Index::create();
            index.name(name).table(table).col(column).if_not_exists();
            manager.create_index(index.to_owned()).await?;
        }
        manager.get_connection().execute_unprepared(TAKE_OVER).await?;
        manager.drop_table(Table::drop().table("risk_answers").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("risk_appeals").if_exists().to_owned()).await?;
        manager
            .drop_index(Index::drop().name("payment_signals_by_wallet").table("payment_signals").to_owned())
            .await?;
        for (table, column) in columns() {
            let gone = Table::alter().table(table).drop_column(column.get_column_name()).to_owned();
            manager.alter_table(gone).await?;
        }
        let mut answers = Table::create();
        answers.table("risk_answers").if_not_exists();
        for column in [uuid("case"), text("text"), text("author"), big_integer("answered_at")] {
            answers.col(column);
        }
        answers.primary_key(Index::create().col("case"));
        manager.create_table(answers).await
    }
}

fn columns() -> Vec<(&'static str, ColumnDef)> {
    vec![
        ("risk_cases", big_integer_null("restriction")),
        ("risk_cases", integer("holds").default(0).to_owned()),
        ("risk_cases", big_integer_null("lifted_at")),
        ("risk_watchers", big_integer("failed_acts").default(0).to_owned()),
        ("risk_watchers", big_integer("dropped").default(0).to_owned()),
        ("risk_watchers", big_integer_null("troubled_at")),
        ("payment_signals", boolean("is_authenticated").default(false).to_owned()),
    ]
}
