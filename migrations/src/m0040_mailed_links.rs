//! The links of mails are one idea with several purposes: one table in place of two. Links that wait in
//! mailboxes go on working.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, binary, string, text, uuid};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// What the two tables held, under its purpose. A reset link is mailed to its user's address.
const MOVED: [&str; 2] = [
    "INSERT INTO mailed_links (token_hash, user_id, purpose, email, expires_at) \
     SELECT token_hash, user_id, 'open_account', email, expires_at FROM verifications \
     WHERE token_hash NOT IN (SELECT token_hash FROM mailed_links)",
    "INSERT INTO mailed_links (token_hash, user_id, purpose, email, expires_at) \
     SELECT r.token_hash, r.user_id, 'choose_password', u.email, r.expires_at \
     FROM password_resets r JOIN users u ON u.id = r.user_id \
     WHERE r.token_hash NOT IN (SELECT token_hash FROM mailed_links)",
];
const INDEXES: [(&str, &str); 2] =
    [("mailed_links_by_user", "user_id"), ("mailed_links_by_end", "expires_at")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut links = Table::create();
        links.table("mailed_links").if_not_exists();
        for column in [
            binary("token_hash"),
            uuid("user_id"),
            string("purpose"),
            text("email"),
            big_integer("expires_at"),
        ] {
            links.col(column);
        }
        links.primary_key(Index::create().col("token_hash"));
        manager.create_table(links).await?;
        for (index, column) in INDEXES {
            let by = Index::create().name(index).table("mailed_links").col(column).if_not_exists().to_owned();
            manager.create_index(by).await?;
        }
        for (table, moved) in ["verifications", "password_resets"].into_iter().zip(MOVED) {
            if manager.has_table(table).await? {
                manager.get_connection().execute_unprepared(moved).await?;
                manager.drop_table(Table::drop().table(table).if_exists().to_owned()).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("mailed_links").if_exists().to_owned()).await
    }
}
