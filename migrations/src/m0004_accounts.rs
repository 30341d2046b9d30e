//! Who signs in: users, their sessions, and the links that prove an e-mail address.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary, integer, string, text, uuid, uuid_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [users(), sessions(), verifications()] {
            manager.create_table(table).await?;
        }
        manager.create_index(index("users_by_email", "users", "email").unique().to_owned()).await?;
        manager.create_index(index("users_by_customer", "users", "customer")).await?;
        manager.create_index(index("sessions_by_user", "sessions", "user_id")).await?;
        manager.create_index(index("verifications_by_user", "verifications", "user_id")).await?;
        manager.create_index(index("api_keys_by_customer", "api_keys", "customer")).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_index(Index::drop().name("api_keys_by_customer").table("api_keys").if_exists().to_owned())
            .await?;
        for table in ["verifications", "sessions", "users"] {
            manager.drop_table(Table::drop().table(table).if_exists().to_owned()).await?;
        }
        Ok(())
    }
}

fn index(name: &'static str, table: &'static str, column: &'static str) -> IndexCreateStatement {
    Index::create().name(name).table(table).col(column).if_not_exists().to_owned()
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

fn users() -> TableCreateStatement {
    table(
        "users",
        "id",
        vec![
            uuid("id"),
            text("email"),
            text("name"),
            text("password_hash"),
            string("role"),
            uuid_null("customer"),
            big_integer_null("verified_at"),
            integer("failed_sign_ins"),
            big_integer("locked_until"),
            big_integer("created_at"),
        ],
    )
}

fn sessions() -> TableCreateStatement {
    table(
        "sessions",
        "token_hash",
        vec![
            binary("token_hash"),
            uuid("id"),
            uuid("user_id"),
            text("user_agent"),
            big_integer("created_at"),
            big_integer("last_seen"),
            big_integer("expires_at"),
        ],
    )
}

fn verifications() -> TableCreateStatement {
    table(
        "verifications",
        "token_hash",
        vec![binary("token_hash"), uuid("user_id"), text("email"), big_integer("expires_at")],
    )
}
