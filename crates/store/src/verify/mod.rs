//! Recomputes every wallet, lot, hold and snapshot from the journal and compares.
//!
//! One walk through all tables in the order of their keys, in parts that run side by side. What is kept
//! at a time is a page of each table and, of the wallet at hand, its lots, its open holds and a number
//! for each ended one.

mod replay;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI16, Ordering};

use kernel::{BUCKETS, Bucket, WalletId, bucket_of};
use ledger::{Account, Entry, EntryKind, GrantKind, Terms};
use sea_orm::ConnectionTrait;

use crate::connect::{Dialect, READ_CONNECTIONS};
use crate::entities::{hold, lot, posting, reversal, snapshot, wallet};
use crate::pages::{Cursor, Table};
use crate::{Store, StoreError};

/// Buckets that are read in one snapshot.
const BUCKETS_PER_PART: i16 = 16;
/// Breaks that are described; more are only counted.
const DESCRIBED_BREAKS: usize = 20;

/// What was recomputed, and what did not agree.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub wallets: u64,
    pub entries: u64,
    pub postings: u64,
    pub lots: u64,
    pub holds: u64,
    pub snapshots: u64,
    /// Net micro-credits of each account over the whole journal: what entered minus what left, so that
    /// they add up to zero. Negative are `issued` (credits come from there), `debt` (what is owed) and
    /// `uncovered` (work that nobody paid).
    pub totals: BTreeMap<Account, i128>,
    /// Entries of each kind.
    pub kinds: BTreeMap<EntryKind, u64>,
    /// Micro-credits of all purchases.
    pub sold: i128,
    pub breaks: u64,
    /// The first of them in the order of the tables' keys.
    pub described: Vec<String>,
}

impl Report {
    pub fn is_ok(&self) -> bool {
        self.breaks == 0
    }

    fn broken(&mut self, what: String) {
        self.breaks += 1;
        if self.described.len() < DESCRIBED_BREAKS {
            self.described.push(what);
        }
    }

    fn count(&mut self, entry: &Entry) {
        self.entries += 1;
        *self.kinds.entry(entry.kind).or_insert(0) += 1;
        if let Terms::Lot(lot) = &entry.terms
            && lot.kind == GrantKind::Purchase
        {
            self.sold += i128::from(lot.granted.micros());
        }
        for line in &entry.lines {
            self.postings += 1;
            let amount = i128::from(line.amount.micros());
            *self.totals.entry(line.from).or_insert(0) -= amount;
            *self.totals.entry(line.to).or_insert(0) += amount;
        }
    }

    /// The sum of both; `later` is of buckets behind ours.
    fn add(&mut self, later: Report) {
        self.wallets += later.wallets;
        self.entries += later.entries;
        self.postings += later.postings;
        self.lots += later.lots;
        self.holds += later.holds;
        self.snapshots += later.snapshots;
        self.sold += later.sold;
        self.breaks += later.breaks;
        later.totals.into_iter().for_each(|(account, n)| *self.totals.entry(account).or_insert(0) += n);
        later.kinds.into_iter().for_each(|(kind, n)| *self.kinds.entry(kind).or_insert(0) += n);
        self.described.extend(later.described);
        self.described.truncate(DESCRIBED_BREAKS);
    }
}

/// Verifies the whole database on all cores; safe beside running writers.
pub async fn verify(store: &Store) -> Result<Report, StoreError> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // One connection is left to everybody else.
    let workers = cores.min(READ_CONNECTIONS as usize - 1);
    let next = Arc::new(AtomicI16::new(0));
    let mut working = tokio::task::JoinSet::new();
    for _ in 0..workers {
        working.spawn(verify_parts(store.clone(), next.clone()));
    }
    let mut parts = BTreeMap::new();
    while let Some(done) = working.join_next().await {
        let done = done.map_err(|e| StoreError::Corrupt(format!("a part was not verified: {e}")))?;
        parts.extend(done?);
    }
    let mut whole = Report::default();
    parts.into_values().for_each(|part| whole.add(part));
    Ok(whole)
}

/// Takes one part after the other until none is left.
async fn verify_parts(store: Store, next: Arc<AtomicI16>) -> Result<BTreeMap<Bucket, Report>, StoreError> {
    let mut parts = BTreeMap::new();
    loop {
        let first = next.fetch_add(BUCKETS_PER_PART, Ordering::Relaxed);
        if first >= BUCKETS {
            return Ok(parts);
        }
        let last = first + BUCKETS_PER_PART - 1;
        // Rows outside of all buckets belong to the parts at the ends.
        let from = if first == 0 { i16::MIN } else { first };
        let until = if last >= BUCKETS - 1 { i16::MAX } else { last };
        let txn = store.read().await?;
        parts.insert(first, verify_buckets(&txn, store.dialect, (from, until)).await?);
        txn.commit().await?;
    }
}

/// Verifies the buckets from the first to the second as this transaction sees them.
pub async fn verify_buckets(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    buckets: (Bucket, Bucket),
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    match Tables::over(dialect, buckets).verify_all(db, &mut report).await {
        // The walk cannot go on behind a row that does not fit its columns.
        Err(StoreError::Corrupt(what)) => report.broken(what),
        other => other?,
    }
    Ok(report)
}

/// Where the walk stands in each table.
struct Tables {
    wallets: Cursor<wallet::Model>,
    journal: Cursor<posting::Model>,
    lots: Cursor<lot::Model>,
    holds: Cursor<hold::Model>,
    snapshots: Cursor<snapshot::Model>,
    reversals: Cursor<reversal::Model>,
}

type At = (Bucket, uuid::Uuid);

impl Tables {
    fn over(dialect: Dialect, buckets: (Bucket, Bucket)) -> Tables {
        Tables {
            wallets: Cursor::over(dialect, buckets),
            journal: Cursor::over(dialect, buckets),
            lots: Cursor::over(dialect, buckets),
            holds: Cursor::over(dialect, buckets),
            snapshots: Cursor::over(dialect, buckets),
            reversals: Cursor::over(dialect, buckets),
        }
    }

    async fn verify_all(&mut self, db: &impl ConnectionTrait, report: &mut Report) -> Result<(), StoreError> {
        while let Some(at) = self.first_wallet(db).await? {
            self.verify_wallet(db, at, report).await?;
            self.leave(db, at).await?;
        }
        Ok(())
    }

    /// The first wallet that any of the tables has rows of.
    async fn first_wallet(&mut self, db: &impl ConnectionTrait) -> Result<Option<At>, StoreError> {
        let heads = [
            self.wallets.peek(db).await?.map(Table::wallet),
            self.journal.peek(db).await?.map(Table::wallet),
            self.lots.peek(db).await?.map(Table::wallet),
            self.holds.peek(db).await?.map(Table::wallet),
            self.snapshots.peek(db).await?.map(Table::wallet),
            self.reversals.peek(db).await?.map(Table::wallet),
        ];
        Ok(heads.into_iter().flatten().min())
    }

    async fn verify_wallet(
        &mut self,
        db: &impl ConnectionTrait,
        at: At,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let id = WalletId::from_uuid(at.1);
        if at.0 != bucket_of(id) {
            report.broken(format!("wallet {id}: has rows in bucket {}, belongs in {}", at.0, bucket_of(id)));
            return Ok(());
        }
        let Some(row) = self.wallets.next_of(db, at).await? else {
            report.broken(format!("wallet {id}: has rows, but is not there itself"));
            return Ok(());
        };
        report.wallets += 1;
        match replay::replay(db, self, &row, report).await {
            Ok(None) => {}
            // An unreadable row is a break like any other: name the wallet and go on with the next.
            Err(StoreError::Corrupt(what)) => report.broken(format!("wallet {id}: {what}")),
            Ok(Some(what)) => report.broken(format!("wallet {id}: {what}")),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    async fn leave(&mut self, db: &impl ConnectionTrait, at: At) -> Result<(), StoreError> {
        self.wallets.leave(db, at).await?;
        self.journal.leave(db, at).await?;
        self.lots.leave(db, at).await?;
        self.holds.leave(db, at).await?;
        self.snapshots.leave(db, at).await?;
        self.reversals.leave(db, at).await?;
        Ok(())
    }
}
