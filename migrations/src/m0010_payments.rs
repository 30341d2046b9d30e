//! Purchases on their way, what gateways told us, what we have to do, and when what recurs is next.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary, boolean, integer, string, string_null, text, text_null, uuid,
    uuid_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [checkouts(), inbox(), outbox(), schedules()] {
            manager.create_table(table).await?;
        }
        for index in [
            "CREATE UNIQUE INDEX IF NOT EXISTS checkouts_by_gateway_id ON checkouts (gateway, gateway_id)",
            "CREATE UNIQUE INDEX IF NOT EXISTS checkouts_by_payment ON checkouts (gateway, payment)",
            // A caller's key makes one purchase. NULLs, of purchases that the gateway refused, never collide.
            "CREATE UNIQUE INDEX IF NOT EXISTS checkouts_by_key ON checkouts (owner, request_key)",
            "CREATE INDEX IF NOT EXISTS checkouts_by_customer ON checkouts (customer, id)",
            "CREATE INDEX IF NOT EXISTS checkouts_unsettled ON checkouts (created_at) WHERE state IN ('open', 'processing')",
            "CREATE INDEX IF NOT EXISTS inbox_waiting ON inbox (next_attempt_at) WHERE state = 'waiting'",
            "CREATE INDEX IF NOT EXISTS inbox_by_arrival ON inbox (received_at, id)",
            "CREATE UNIQUE INDEX IF NOT EXISTS outbox_by_key ON outbox (key)",
            "CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (next_attempt_at) WHERE state = 'waiting'",
        ] {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["schedules", "outbox", "inbox", "checkouts"] {
            manager.drop_table(Table::drop().table(table).if_exists().to_owned()).await?;
        }
        Ok(())
    }
}

fn table(name: &'static str, key: &'static str, columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name).if_not_exists();
    for column in columns {
        table.col(column);
    }
    table.primary_key(Index::create().col(key));
    table
}

fn checkouts() -> TableCreateStatement {
    table(
        "checkouts",
        "id",
        vec![
            uuid("id"),
            uuid("customer"),
            uuid("wallet"),
            string("gateway"),
            text_null("gateway_id"),
            text_null("payment"),
            text_null("pack"),
            integer("quantity"),
            big_integer("credits"),
            big_integer("amount_minor"),
            string("currency"),
            string("state"),
            text("success_url"),
            text("cancel_url"),
            text_null("url"),
            text_null("error"),
            text("purchase"),
            text("lots"),
            big_integer("version"),
            text("owner"),
            text_null("request_key"),
            binary("input_hash"),
            big_integer("created_at"),
            big_integer_null("settled_at"),
        ],
    )
}

fn inbox() -> TableCreateStatement {
    let mut columns = vec![
        text("id"),
        string("gateway"),
        text("kind"),
        big_integer_null("created_at"),
        text_null("api_version"),
        boolean("livemode"),
        text_null("subject"),
        text("body"),
        text("headers"),
        integer("deliveries"),
        big_integer("received_at"),
        text_null("effect"),
    ];
    columns.extend(queued());
    table("inbox", "id", columns)
}

fn outbox() -> TableCreateStatement {
    let mut columns =
        vec![uuid("id"), text("key"), string("kind"), text("payload"), big_integer("created_at")];
    columns.extend(queued());
    table("outbox", "id", columns)
}

/// What every queue has: see `store::cold::queue`.
fn queued() -> Vec<ColumnDef> {
    vec![
        string("state"),
        integer("attempts"),
        big_integer("next_attempt_at"),
        uuid_null("lease"),
        big_integer_null("done_at"),
        text_null("error"),
    ]
}

fn schedules() -> TableCreateStatement {
    table(
        "schedules",
        "name",
        vec![
            string("name"),
            string("cron"),
            big_integer("next_run_at"),
            uuid_null("lease"),
            big_integer_null("lease_until"),
            big_integer_null("last_run_at"),
            string_null("last_state"),
            text_null("last_result"),
            big_integer("runs"),
        ],
    )
}
