//! The journal's indexes on keys begin with the key. Callers count theirs or take them from a clock, so that new
//! ones lie side by side, and the first column that is compared nearly always decides; with bucket and wallet
//! first each entry went to a page of its own. Bytewise, because nothing asks for keys in the order of a language.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::m0038_index_of_keys::replace;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let key = bytewise(manager);
        replace(manager, &format!("({key}, wallet, bucket) WHERE idempotency_key IS NOT NULL")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let key = bytewise(manager);
        replace(manager, &format!("(bucket, wallet, {key}) WHERE idempotency_key IS NOT NULL")).await
    }
}

fn bytewise(manager: &SchemaManager<'_>) -> &'static str {
    match manager.get_database_backend() {
        DbBackend::Postgres => "idempotency_key text_pattern_ops",
        _ => "idempotency_key",
    }
}
