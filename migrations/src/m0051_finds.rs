//! What operators look for among sealed rows has indexes: work that was charged to nobody, and jobs by their name.
//! They cost sealing, never a call: the table that is written to has none of them.
//!
//! PostgreSQL takes the name as it is written, with its quotes and escapes, and not from a report that was kept
//! whole: no text that is no JSON, or that has
//! what `jsonb` refuses, may keep a row from being sealed.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let job = match manager.get_database_backend() {
            DbBackend::Postgres => {
                r#"substring(split_part(about, ',"report":', 1) from '"job":("(?:[^"\\]|\\.)*")')"#
            }
            _ => "CASE WHEN json_valid(about) THEN json_extract(about, '$.job') END",
        };
        for sql in [
            "CREATE INDEX IF NOT EXISTS sealed_unpaid ON sealed_postings (recorded_at, wallet, seq) \
             WHERE line = 0 AND kind IN ('unbilled', 'unrated')"
                .to_owned(),
            format!(
                "CREATE INDEX IF NOT EXISTS sealed_by_job ON sealed_postings (({job}), recorded_at, wallet, seq) \
                 WHERE line = 0 AND ({job}) IS NOT NULL"
            ),
        ] {
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for index in ["sealed_unpaid", "sealed_by_job"] {
            manager.get_connection().execute_unprepared(&format!("DROP INDEX IF EXISTS {index}")).await?;
        }
        Ok(())
    }
}
