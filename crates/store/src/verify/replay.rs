//! One wallet from its first entry to its last.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use kernel::{Seq, WalletId};
use ledger::{Entry, HoldState, Terms, Wallet, audit, check, next_due};
use sea_orm::ConnectionTrait;

use super::{At, Report, Tables};
use crate::entities::{hold, posting, wallet};
use crate::{StoreError, digests, rows};

struct Replay {
    at: At,
    wallet: Wallet,
    /// Holds that nothing can change any more, out of the wallet, each as the hash of its row.
    ended: BTreeMap<Seq, u64>,
    reversals: BTreeMap<Seq, Seq>,
    is_compared: bool,
}

/// What is broken first, if anything is.
pub(super) async fn replay(
    db: &impl ConnectionTrait,
    tables: &mut Tables,
    row: &wallet::Model,
    report: &mut Report,
) -> Result<Option<String>, StoreError> {
    let mut replay = Replay {
        at: (row.bucket, row.wallet),
        wallet: Wallet::new(WalletId::from_uuid(row.wallet)),
        ended: BTreeMap::new(),
        reversals: BTreeMap::new(),
        is_compared: false,
    };
    loop {
        // The projection may be behind the journal: it must agree where it stands.
        if replay.wallet.seq == row.seq && !replay.is_compared {
            replay.is_compared = true;
            if let Some(what) = replay.compare_projections(db, tables, row, report).await? {
                return Ok(Some(what));
            }
        }
        let entry = replay.next_rows(db, tables).await?;
        if entry.is_empty() {
            break;
        }
        if let Some(what) = replay.fold(db, tables, entry, report).await? {
            return Ok(Some(what));
        }
    }
    replay.end(db, tables, row).await
}

impl Replay {
    /// All lines of the next entry; none at the journal's end.
    async fn next_rows(
        &self,
        db: &impl ConnectionTrait,
        tables: &mut Tables,
    ) -> Result<Vec<posting::Model>, StoreError> {
        let mut lines: Vec<posting::Model> = Vec::new();
        loop {
            let next = tables.journal.peek(db).await?;
            let is_part = next.is_some_and(|row| {
                (row.bucket, row.wallet) == self.at && lines.first().is_none_or(|first| first.seq == row.seq)
            });
            match (is_part, tables.journal.next_of(db, self.at)) {
                (true, next) => lines.extend(next.await?),
                (false, _) => return Ok(lines),
            }
        }
    }

    async fn fold(
        &mut self,
        db: &impl ConnectionTrait,
        tables: &mut Tables,
        lines: Vec<posting::Model>,
        report: &mut Report,
    ) -> Result<Option<String>, StoreError> {
        let seq = lines.first().map_or(0, |row| row.seq);
        if let Some(what) = digests::wrong(&lines) {
            return Ok(Some(format!("entry {seq} {what}")));
        }
        for entry in rows::entries(lines)? {
            report.count(&entry);
            if let Some(what) = overdue(&self.wallet, &entry) {
                return Ok(Some(what));
            }
            if let Err(broken) = audit(&mut self.wallet, &entry) {
                return Ok(Some(broken.what));
            }
            if let Terms::Reverse { receipt, .. } = entry.terms {
                self.reversals.insert(receipt, entry.seq);
            }
            self.forget_ended(&entry)?;
            if let Some(what) = self.compare_snapshot(db, tables, report).await? {
                return Ok(Some(what));
            }
        }
        Ok(None)
    }

    /// A hold that was voided or captured for the last time takes no further command.
    fn forget_ended(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Some(seq) = entry.hold else { return Ok(()) };
        let Some(hold) = self.wallet.holds.get(&seq) else { return Ok(()) };
        if !matches!(hold.terms.state, HoldState::Captured | HoldState::Voided) || !hold.lots.is_empty() {
            return Ok(());
        }
        if !self.is_compared {
            self.ended.insert(seq, hash(&rows::hold_row(self.wallet.id, seq, hold)?));
        }
        self.wallet.holds.remove(&seq);
        Ok(())
    }

    async fn compare_snapshot(
        &self,
        db: &impl ConnectionTrait,
        tables: &mut Tables,
        report: &mut Report,
    ) -> Result<Option<String>, StoreError> {
        let is_here = tables
            .snapshots
            .peek(db)
            .await?
            .is_some_and(|s| (s.bucket, s.wallet) == self.at && s.seq == self.wallet.seq);
        if !is_here {
            return Ok(None);
        }
        let Some(stored) = tables.snapshots.next_of(db, self.at).await? else { return Ok(None) };
        report.snapshots += 1;
        let mut folded = self.wallet.clone();
        folded.compact();
        let is_same =
            stored.recorded_at == folded.recorded_at.micros() && stored.state == rows::to_json(&folded)?;
        Ok((!is_same).then(|| format!("its snapshot at entry {} differs", stored.seq)))
    }

    async fn compare_projections(
        &mut self,
        db: &impl ConnectionTrait,
        tables: &mut Tables,
        row: &wallet::Model,
        report: &mut Report,
    ) -> Result<Option<String>, StoreError> {
        let expected = rows::wallet_row(&self.wallet)?;
        if *row != expected {
            return Ok(Some(format!("its row says {row:?}, the journal {expected:?}")));
        }
        for (seq, lot) in &self.wallet.lots {
            let expected = rows::lot_row(self.wallet.id, *seq, lot);
            let stored = tables.lots.next_of(db, self.at).await?;
            report.lots += 1;
            if stored.as_ref() != Some(&expected) {
                return Ok(Some(format!("lot {seq} is {stored:?}, by the journal {expected:?}")));
            }
        }
        if let Some(lot) = tables.lots.next_of(db, self.at).await? {
            return Ok(Some(format!("lot {} is not in the journal", lot.seq)));
        }
        self.compare_holds(db, tables, report).await
    }

    async fn compare_holds(
        &mut self,
        db: &impl ConnectionTrait,
        tables: &mut Tables,
        report: &mut Report,
    ) -> Result<Option<String>, StoreError> {
        let mut expected = std::mem::take(&mut self.ended);
        for (seq, hold) in &self.wallet.holds {
            expected.insert(*seq, hash(&rows::hold_row(self.wallet.id, *seq, hold)?));
        }
        for (seq, expected) in expected {
            let stored = tables.holds.next_of(db, self.at).await?;
            report.holds += 1;
            if stored.as_ref().is_none_or(|row| row.seq != seq || hash(row) != expected) {
                return Ok(Some(format!("hold {seq} is {stored:?}, the journal says otherwise")));
            }
        }
        let more = tables.holds.next_of(db, self.at).await?;
        Ok(more.map(|hold| format!("hold {} is not in the journal", hold.seq)))
    }

    /// What must be true at the journal's end.
    async fn end(
        &self,
        db: &impl ConnectionTrait,
        tables: &mut Tables,
        row: &wallet::Model,
    ) -> Result<Option<String>, StoreError> {
        if !self.is_compared {
            return Ok(Some(format!(
                "its row is at entry {}, the journal ends at {}",
                row.seq, self.wallet.seq
            )));
        }
        if let Some(snapshot) = tables.snapshots.next_of(db, self.at).await? {
            return Ok(Some(format!("its snapshot at entry {} is not where it belongs", snapshot.seq)));
        }
        for (receipt, seq) in &self.reversals {
            let stored = tables.reversals.next_of(db, self.at).await?;
            if stored.as_ref().is_none_or(|row| (row.receipt, row.seq) != (*receipt, *seq)) {
                return Ok(Some(format!(
                    "entry {seq} reverses receipt {receipt}, its reversal is {stored:?}"
                )));
            }
        }
        if let Some(reversal) = tables.reversals.next_of(db, self.at).await? {
            return Ok(Some(format!("the reversal of receipt {} is not in the journal", reversal.receipt)));
        }
        Ok(check(&self.wallet).err().map(|broken| broken.what))
    }
}

/// What time owed the wallet comes before anything that was decided later, exactly as it was due.
fn overdue(wallet: &Wallet, entry: &Entry) -> Option<String> {
    let owed = next_due(wallet, entry.recorded_at)?;
    let is_posted = entry.kind == owed.kind
        && entry.key.is_none()
        && entry.effective_at == owed.effective_at
        && entry.hold == owed.hold
        && entry.terms == owed.terms
        && entry.lines == owed.lines;
    (!is_posted).then(|| {
        format!(
            "entry {} ({}) stands where a {} of {} was due",
            entry.seq, entry.kind, owed.kind, owed.effective_at
        )
    })
}

/// Of this run only; never stored.
fn hash(row: &hold::Model) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    hasher.finish()
}
