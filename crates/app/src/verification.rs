//! The invariant check: every balance, lot and hold recomputed from the journal, and what came of it.

use std::collections::BTreeMap;

use kernel::{Timestamp, new_uuid};
use ledger::{Account, EntryKind};
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::cold::{schedules, verify_runs};

use crate::about::{from_json, to_json};
use crate::{App, AppError, Principal, Scope, work};

/// Runs that are read together: one a day, and those that operators ask for.
const LISTED_MAX: u64 = 500;

/// One run. All numbers are of the same walk through the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// Wallets or tables that disagree with the journal; 0 is green.
    pub breaks: u64,
    pub found: Found,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub wallets: u64,
    pub postings: u64,
    pub lots: u64,
    pub holds: u64,
    /// Net micro-credits of each account.
    pub totals: BTreeMap<Account, i128>,
    /// Micro-credits of all purchases.
    pub sold: i128,
    pub unbilled: u64,
    pub unrated: u64,
    /// The first breaks, in words.
    pub described: Vec<String>,
}

/// Reads the whole journal and keeps what it found. Safe beside running writers.
pub async fn run(app: &App, by: &Principal) -> Result<Verification, AppError> {
    by.require(Scope::Admin)?;
    let started_at = app.now();
    let report = store::verify::verify(app.store()).await?;
    let of_kind = |kind| report.kinds.get(&kind).copied().unwrap_or(0);
    let found = Found {
        wallets: report.wallets,
        postings: report.postings,
        lots: report.lots,
        holds: report.holds,
        sold: report.sold,
        unbilled: of_kind(EntryKind::Unbilled),
        unrated: of_kind(EntryKind::Unrated),
        totals: report.totals,
        described: report.described,
    };
    let run = Verification { started_at, finished_at: app.now(), breaks: report.breaks, found };
    let row = verify_runs::Model {
        id: new_uuid(),
        started_at: run.started_at.micros(),
        finished_at: run.finished_at.micros(),
        breaks: i64::try_from(run.breaks).unwrap_or(i64::MAX),
        report: to_json(&run.found)?,
    };
    let txn = app.store().write().await?;
    verify_runs::insert(&txn, row).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(run)
}

/// Asks the worker for a run; it reads the whole journal, so no request waits for it.
pub async fn ask(app: &App, by: &Principal) -> Result<(), AppError> {
    by.require(Scope::Admin)?;
    jobs::hasten(app.store(), work::VERIFY, app.now()).await?;
    app.bells().schedules.notify_waiters();
    Ok(())
}

/// Whether a run was asked for or is under way.
pub async fn is_running(app: &App, by: &Principal) -> Result<bool, AppError> {
    by.require(Scope::Admin)?;
    let (row, now) = (schedules::by_name(app.store().reader(), work::VERIFY.name).await?, app.now().micros());
    Ok(row.is_some_and(|row| row.next_run_at <= now || row.lease_until.is_some_and(|until| until > now)))
}

pub async fn last(app: &App, by: &Principal) -> Result<Option<Verification>, AppError> {
    by.require(Scope::Admin)?;
    verify_runs::last(app.store().reader()).await?.map(shown).transpose()
}

/// Those that finished at `at` or later, oldest first; of very many the newest.
pub async fn since(app: &App, by: &Principal, at: Timestamp) -> Result<Vec<Verification>, AppError> {
    by.require(Scope::Admin)?;
    let rows = verify_runs::since(app.store().reader(), at.micros(), LISTED_MAX).await?;
    rows.into_iter().map(shown).collect()
}

fn shown(row: verify_runs::Model) -> Result<Verification, AppError> {
    Ok(Verification {
        started_at: Timestamp::from_micros_saturating(row.started_at),
        finished_at: Timestamp::from_micros_saturating(row.finished_at),
        breaks: u64::try_from(row.breaks).unwrap_or(0),
        found: from_json(&row.report)?,
    })
}

impl Verification {
    /// Available and held minus debt, of all wallets.
    pub fn outstanding(&self) -> i128 {
        let of = |account| self.found.totals.get(&account).copied().unwrap_or(0);
        [Account::Available, Account::Held, Account::Debt].map(of).iter().sum()
    }

    pub fn is_green(&self) -> bool {
        self.breaks == 0
    }
}
