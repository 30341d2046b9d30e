//! Schema versions. One change each, safe to run twice, the same on SQLite and PostgreSQL.

mod m0001_hot_tables;
mod m0002_cold_tables;
mod m0003_sandbox_objects;
mod m0004_accounts;
mod m0005_mails;
mod m0006_audit;
mod m0007_verify_runs;
mod m0010_payments;
mod m0011_due_lots;
mod m0012_digests;
mod m0013_sealed_postings;
mod m0014_retention;
mod m0020_password_resets;
mod m0021_problems;
mod m0022_one_open_problem;
mod m0030_restrictions;
mod m0031_risk;
mod m0032_prints;
mod m0034_payment_signals;
mod m0035_risk_answers;
mod m0036_room_for_updates;
mod m0037_lots_in_wallets;
mod m0038_index_of_keys;
mod m0040_mailed_links;
mod m0041_problem_answers;
mod m0042_schedule_successes;
mod m0043_request_status;
mod m0050_risk_holds;
mod m0051_finds;
mod m0060_risk_origins;
mod m0061_keys_first;
mod m0062_quick_compression;
mod m0070_risk_days_and_holds;
mod m0071_former_decisions;

use sea_orm_migration::prelude::*;
use store::{Store, StoreError};

pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_hot_tables::Migration),
            Box::new(m0002_cold_tables::Migration),
            Box::new(m0003_sandbox_objects::Migration),
            Box::new(m0010_payments::Migration),
            Box::new(m0011_due_lots::Migration),
            Box::new(m0004_accounts::Migration),
            Box::new(m0005_mails::Migration),
            Box::new(m0006_audit::Migration),
            Box::new(m0007_verify_runs::Migration),
            Box::new(m0012_digests::Migration),
            Box::new(m0013_sealed_postings::Migration),
            Box::new(m0014_retention::Migration),
            Box::new(m0020_password_resets::Migration),
            Box::new(m0021_problems::Migration),
            Box::new(m0022_one_open_problem::Migration),
            Box::new(m0030_restrictions::Migration),
            Box::new(m0031_risk::Migration),
            Box::new(m0032_prints::Migration),
            Box::new(m0034_payment_signals::Migration),
            Box::new(m0035_risk_answers::Migration),
            Box::new(m0036_room_for_updates::Migration),
            Box::new(m0040_mailed_links::Migration),
            Box::new(m0041_problem_answers::Migration),
            Box::new(m0042_schedule_successes::Migration),
            Box::new(m0043_request_status::Migration),
            Box::new(m0050_risk_holds::Migration),
            Box::new(m0051_finds::Migration),
            Box::new(m0060_risk_origins::Migration),
            Box::new(m0037_lots_in_wallets::Migration),
            Box::new(m0038_index_of_keys::Migration),
            Box::new(m0061_keys_first::Migration),
            Box::new(m0062_quick_compression::Migration),
            Box::new(m0070_risk_days_and_holds::Migration),
            Box::new(m0071_former_decisions::Migration),
        ]
    }
}

/// Processes that start together on a new database meet in the DDL; the loser tries again.
const TRIES: u32 = 5;

/// Applies what is missing and makes the lane map if there is none.
pub async fn migrate(store: &Store) -> Result<(), StoreError> {
    let mut tries = 0;
    while let Err(error) = Migrator::up(store.writer(), None).await {
        tries += 1;
        if tries == TRIES {
            return Err(error.into());
        }
        tracing::warn!(%error, "migrating met another process; trying again");
        tokio::time::sleep(std::time::Duration::from_millis(u64::from(tries) * 200)).await;
    }
    store::lanes::make_map(store).await
}

/// Names of the migrations that this database lacks.
pub async fn pending(store: &Store) -> Result<Vec<String>, StoreError> {
    let missing = Migrator::get_pending_migrations(store.writer()).await?;
    Ok(missing.iter().map(|m| m.name().to_owned()).collect())
}
