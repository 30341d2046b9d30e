//! Where older journal rows go, with their keys, so that the table that is written to stays small; and
//! one name under which all rows are read.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, boolean};

use crate::m0001_hot_tables::postings;

#[derive(DeriveMigrationName)]
pub struct Migration;

const COLUMNS: &str = "bucket, wallet, seq, line, kind, recorded_at, effective_at, from_account, to_account, \
     amount, lot, lot_remaining, balance_after, held_after, debt_after, hold, idempotency_key, input_hash, \
     terms, about, digest";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The very types of `postings`: SQLite looks through a view of two tables only then.
        let sealed = postings("sealed_postings").col(big_integer_null("digest")).to_owned();
        manager.create_table(sealed).await?;
        if !manager.has_column("lanes", "has_sealed").await? {
            let column = boolean("has_sealed").default(false).to_owned();
            manager.alter_table(Table::alter().table("lanes").add_column(column).to_owned()).await?;
        }
        let view = format!(
            "CREATE VIEW journal AS SELECT {COLUMNS} FROM postings UNION ALL SELECT {COLUMNS} FROM sealed_postings"
        );
        for sql in [
            "CREATE UNIQUE INDEX IF NOT EXISTS sealed_by_key ON sealed_postings (bucket, wallet, idempotency_key)",
            "DROP VIEW IF EXISTS journal",
            &view,
        ] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let back = format!("INSERT INTO postings ({COLUMNS}) SELECT {COLUMNS} FROM sealed_postings");
        for sql in ["DROP VIEW IF EXISTS journal", &back, "DROP TABLE IF EXISTS sealed_postings"] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        manager.alter_table(Table::alter().table("lanes").drop_column("has_sealed").to_owned()).await
    }
}
