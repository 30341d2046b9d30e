//! A wallet-day knows the use that it tells of, and by which chance it is read when not all are; a case when the watch held
//! its wallet last.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Of cases that were held before, the first hold came with them.
const TAKE_OVER: &str = "UPDATE risk_cases SET held_at = opened_at WHERE holds > 0 AND held_at IS NULL";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            if !manager.has_column(table, column.get_column_name()).await? {
                manager.alter_table(Table::alter().table(table).add_column(column).to_owned()).await?;
            }
        }
        for (name, table, columns) in indexes() {
            let mut index = Index::create();
            index.name(name).table(table).if_not_exists();
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        manager.get_connection().execute_unprepared(TAKE_OVER).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, _) in indexes() {
            manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
        }
        for (table, column) in columns() {
            let gone = Table::alter().table(table).drop_column(column.get_column_name()).to_owned();
            manager.alter_table(gone).await?;
        }
        Ok(())
    }
}

fn columns() -> Vec<(&'static str, ColumnDef)> {
    vec![
        ("risk_days", big_integer("used_at").default(0).to_owned()),
        ("risk_days", big_integer("draw").default(0).to_owned()),
        ("risk_cases", big_integer_null("held_at")),
    ]
}

type Described = (&'static str, &'static str, &'static [&'static str]);

fn indexes() -> [Described; 2] {
    [
        ("risk_days_by_draw", "risk_days", &["day", "draw"]),
        ("risk_cases_by_held_at", "risk_cases", &["held_at"]),
    ]
}
