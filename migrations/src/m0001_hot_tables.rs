//! The journal and its projections. `bucket` leads every key; no sequence, no foreign key, no trigger.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary_null, boolean, small_integer, string, string_null, text, text_null,
    uuid,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            postings("postings"),
            wallets(),
            lots(),
            holds(),
            lanes(),
            lane_buckets(),
            snapshots(),
            reversals(),
            vendor_transactions(),
        ] {
            manager.create_table(table).await?;
        }
        for index in [
            // Unique (bucket, wallet, idempotency_key): the wall behind every retry. NULLs never collide.
            "CREATE UNIQUE INDEX IF NOT EXISTS postings_by_key ON postings (bucket, wallet, idempotency_key)",
            // Partial: the engine loads open lots and holds, whatever the history has piled up.
            "CREATE INDEX IF NOT EXISTS lots_open ON lots (bucket, wallet) WHERE is_open",
            "CREATE INDEX IF NOT EXISTS holds_open ON holds (bucket, wallet) WHERE state = 'open'",
        ] {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "vendor_transactions",
            "reversals",
            "snapshots",
            "lane_buckets",
            "lanes",
            "holds",
            "lots",
            "wallets",
            "postings",
        ] {
            manager.drop_table(Table::drop().table(table).if_exists().to_owned()).await?;
        }
        Ok(())
    }
}

pub(crate) fn table(
    name: &'static str,
    key: &[&'static str],
    columns: Vec<ColumnDef>,
) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name).if_not_exists();
    for column in columns {
        table.col(column);
    }
    let mut primary = Index::create();
    for column in key {
        primary.col(*column);
    }
    table.primary_key(&mut primary);
    table
}

/// The journal as it was first, under this name.
pub(crate) fn postings(name: &'static str) -> TableCreateStatement {
    table(
        name,
        &["bucket", "wallet", "seq", "line"],
        vec![
            small_integer("bucket"),
            uuid("wallet"),
            big_integer("seq"),
            small_integer("line"),
            string("kind"),
            big_integer("recorded_at"),
            big_integer("effective_at"),
            string("from_account"),
            string("to_account"),
            big_integer("amount"),
            big_integer_null("lot"),
            big_integer_null("lot_remaining"),
            big_integer("balance_after"),
            big_integer("held_after"),
            big_integer("debt_after"),
            big_integer_null("hold"),
            text_null("idempotency_key"),
            binary_null("input_hash"),
            text_null("terms"),
            text_null("about"),
        ],
    )
}

fn wallets() -> TableCreateStatement {
    table(
        "wallets",
        &["bucket", "wallet"],
        vec![
            small_integer("bucket"),
            uuid("wallet"),
            big_integer("seq"),
            big_integer("recorded_at"),
            big_integer("posting_rows"),
            big_integer("available"),
            big_integer("held"),
            big_integer("debt"),
            text("calls"),
        ],
    )
}

fn lots() -> TableCreateStatement {
    table(
        "lots",
        &["bucket", "wallet", "seq"],
        vec![
            small_integer("bucket"),
            uuid("wallet"),
            big_integer("seq"),
            string("kind"),
            big_integer("granted"),
            small_integer("priority"),
            big_integer_null("expires_at"),
            big_integer_null("paid_minor"),
            string_null("currency"),
            big_integer("clawed_back"),
            boolean("voided"),
            big_integer("remaining"),
            big_integer("held"),
            boolean("is_open"),
        ],
    )
}

fn holds() -> TableCreateStatement {
    table(
        "holds",
        &["bucket", "wallet", "seq"],
        vec![
            small_integer("bucket"),
            uuid("wallet"),
            big_integer("seq"),
            string("state"),
            big_integer("authorized"),
            big_integer("captured"),
            big_integer("captures"),
            big_integer("expires_at"),
            text_null("progress"),
            text("lots"),
        ],
    )
}

fn lanes() -> TableCreateStatement {
    table(
        "lanes",
        &["bucket", "lane"],
        vec![small_integer("bucket"), big_integer("lane"), big_integer("gsn")],
    )
}

fn lane_buckets() -> TableCreateStatement {
    table("lane_buckets", &["bucket"], vec![small_integer("bucket"), big_integer("lane")])
}

fn snapshots() -> TableCreateStatement {
    table(
        "snapshots",
        &["bucket", "wallet", "recorded_at", "seq"],
        vec![
            small_integer("bucket"),
            uuid("wallet"),
            big_integer("recorded_at"),
            big_integer("seq"),
            text("state"),
        ],
    )
}

fn reversals() -> TableCreateStatement {
    table(
        "reversals",
        &["bucket", "wallet", "receipt"],
        vec![small_integer("bucket"), uuid("wallet"), big_integer("receipt"), big_integer("seq")],
    )
}

fn vendor_transactions() -> TableCreateStatement {
    table(
        "vendor_transactions",
        &["bucket", "wallet", "vendor_transaction"],
        vec![small_integer("bucket"), uuid("wallet"), text("vendor_transaction"), big_integer("seq")],
    )
}
