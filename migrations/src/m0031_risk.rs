//! What watches over abuse: the log of signals, snapshots of the state, models, cases, settings.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, blob, boolean, double, integer, string, text, text_null, uuid,
};

use crate::m0001_hot_tables::table;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// One case of a wallet at a time, also when several processes open it at once.
const ONE_OPEN: &str =
    "CREATE UNIQUE INDEX IF NOT EXISTS risk_cases_one_open ON risk_cases (wallet) WHERE state = 'open'";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, key, columns) in tables() {
            manager.create_table(table(name, key, columns)).await?;
        }
        for (name, table, column) in [
            ("risk_pages_by_written_at", "risk_pages", "written_at"),
            ("risk_pages_by_last_at", "risk_pages", "last_at"),
            ("risk_cases_by_wallet", "risk_cases", "wallet"),
            ("risk_cases_by_state", "risk_cases", "state"),
            ("risk_cases_by_closed_at", "risk_cases", "closed_at"),
        ] {
            let mut index = Index::create();
            index.name(name).table(table).col(column).if_not_exists();
            manager.create_index(index.to_owned()).await?;
        }
        manager.get_connection().execute_unprepared(ONE_OPEN).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, ..) in tables() {
            manager.drop_table(Table::drop().table(name).if_exists().to_owned()).await?;
        }
        Ok(())
    }
}

type Described = (&'static str, &'static [&'static str], Vec<ColumnDef>);

fn tables() -> Vec<Described> {
    vec![
        (
            "risk_pages",
            &["id"],
            vec![
                uuid("id"),
                uuid("process"),
                big_integer("first_at"),
                big_integer("last_at"),
                big_integer("written_at"),
                integer("records"),
                blob("bytes"),
            ],
        ),
        (
            "risk_watchers",
            &["process"],
            vec![
                uuid("process"),
                big_integer("seen_at"),
                big_integer("watermark"),
                big_integer("wallets"),
                big_integer("applied"),
                text_null("error"),
            ],
        ),
        (
            "risk_snapshots",
            &["watermark", "part"],
            vec![
                big_integer("watermark"),
                integer("part"),
                integer("parts"),
                big_integer("taken_at"),
                blob("bytes"),
            ],
        ),
        (
            "risk_settings",
            &["version"],
            vec![
                big_integer("version"),
                text("settings"),
                text("author"),
                text("reason"),
                big_integer("created_at"),
            ],
        ),
        ("risk_cases", &["id"], cases()),
        (
            "risk_snoozes",
            &["customer", "rule"],
            vec![
                uuid("customer"),
                string("rule"),
                big_integer("until"),
                text("author"),
                text("reason"),
                big_integer("created_at"),
            ],
        ),
        (
            "risk_allowed",
            &["customer"],
            vec![uuid("customer"), text("author"), text("reason"), big_integer("created_at")],
        ),
        (
            "risk_models",
            &["id"],
            vec![
                string("id"),
                string("kind"),
                string("state"),
                text("metrics"),
                big_integer("created_at"),
                big_integer_null("promoted_at"),
                blob("bytes"),
                blob("rows"),
            ],
        ),
        (
            "risk_days",
            &["day", "wallet"],
            vec![big_integer("day"), uuid("wallet"), double("score"), blob("features")],
        ),
    ]
}

fn cases() -> Vec<ColumnDef> {
    vec![
        uuid("id"),
        uuid("wallet"),
        uuid("customer"),
        string("state"),
        string("verdict"),
        double("score"),
        text("reasons"),
        text("features"),
        text_null("model"),
        big_integer("settings"),
        big_integer("at_risk"),
        boolean("is_restricted"),
        big_integer_null("restricted_until"),
        string("step_up"),
        big_integer("opened_at"),
        big_integer("seen_at"),
        text_null("decision"),
        text_null("note"),
        text_null("decided_by"),
        big_integer_null("closed_at"),
        text_null("appeal"),
        big_integer_null("appealed_at"),
    ]
}
