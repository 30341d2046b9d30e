//! Recomputes every wallet, lot, hold and snapshot from the journal and compares.

use std::collections::BTreeMap;

use kernel::{Seq, WalletId, bucket_of};
use ledger::{Account, Entry, EntryKind, GrantKind, Terms, Wallet, audit, check};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect,
};

use crate::entities::{hold, lot, posting, snapshot, wallet};
use crate::sql::statement;
use crate::{Store, StoreError, rows};

const WALLETS_PER_PAGE: u64 = 200;
const POSTINGS_PER_PAGE: u64 = 5_000;
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
    pub described: Vec<String>,
}

#[derive(FromQueryResult)]
struct Orphan {
    wallet: uuid::Uuid,
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
}

/// Verifies the whole database, wallet by wallet, each in one snapshot; safe beside running writers.
pub async fn verify(store: &Store) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut last: Option<(i16, uuid::Uuid)> = None;
    loop {
        let txn = store.read().await?;
        let page = wallets_after(&txn, last).await?;
        for row in &page {
            verify_wallet(&txn, row, &mut report).await?;
        }
        match page.last() {
            Some(row) => last = Some((row.bucket, row.wallet)),
            None => break,
        }
    }
    for table in ["postings", "lots", "holds", "snapshots"] {
        find_orphan(store, table, &mut report).await?;
    }
    Ok(report)
}

async fn wallets_after(
    txn: &DatabaseTransaction,
    last: Option<(i16, uuid::Uuid)>,
) -> Result<Vec<wallet::Model>, StoreError> {
    let mut query = wallet::Entity::find();
    if let Some((bucket, id)) = last {
        let later_in_bucket =
            Condition::all().add(wallet::Column::Bucket.eq(bucket)).add(wallet::Column::Wallet.gt(id));
        query = query.filter(Condition::any().add(wallet::Column::Bucket.gt(bucket)).add(later_in_bucket));
    }
    query = query.order_by_asc(wallet::Column::Bucket).order_by_asc(wallet::Column::Wallet);
    Ok(query.limit(WALLETS_PER_PAGE).all(txn).await?)
}

async fn verify_wallet(
    txn: &DatabaseTransaction,
    row: &wallet::Model,
    report: &mut Report,
) -> Result<(), StoreError> {
    report.wallets += 1;
    let id = WalletId::from_uuid(row.wallet);
    if row.bucket != bucket_of(id) {
        report.broken(format!("wallet {id}: is in bucket {}, belongs in {}", row.bucket, bucket_of(id)));
        return Ok(());
    }
    let compared = compare(txn, row, id, report).await;
    match compared {
        // An unreadable row is a break like any other: name the wallet and go on with the next.
        Err(StoreError::Corrupt(what)) => report.broken(format!("wallet {id}: {what}")),
        Err(other) => return Err(other),
        Ok(Some(what)) => report.broken(what),
        Ok(None) => {}
    }
    Ok(())
}

async fn compare(
    txn: &DatabaseTransaction,
    row: &wallet::Model,
    id: WalletId,
    report: &mut Report,
) -> Result<Option<String>, StoreError> {
    let mut snapshots = snapshots(txn, id).await?;
    report.snapshots += snapshots.len() as u64;
    let mut wallet = Wallet::new(id);
    let mut is_compared = false;
    loop {
        // The projection may be behind the journal: it must agree where it stands.
        if wallet.seq == row.seq && !is_compared {
            is_compared = true;
            if let Some(what) = compare_projections(txn, row, &wallet, report).await? {
                return Ok(Some(what));
            }
        }
        let until = (!is_compared).then_some(row.seq);
        let (page, is_last) = entries_after(txn, id, wallet.seq, until).await?;
        for entry in &page {
            report.count(entry);
            if let Some(what) = overdue(&wallet, entry) {
                return Ok(Some(what));
            }
            if let Err(broken) = audit(&mut wallet, entry) {
                return Ok(Some(broken.to_string()));
            }
            if let Some(state) = snapshots.remove(&entry.seq) {
                let mut folded = wallet.clone();
                folded.compact();
                if rows::from_json::<Wallet>(&state)? != folded {
                    return Ok(Some(format!("wallet {id}: snapshot at entry {} differs", entry.seq)));
                }
            }
        }
        if is_last && is_compared {
            break;
        }
        if is_last && wallet.seq != row.seq {
            return Ok(Some(format!(
                "wallet {id}: its row is at entry {}, the journal ends at {}",
                row.seq, wallet.seq
            )));
        }
    }
    if let Some(seq) = snapshots.keys().next() {
        return Ok(Some(format!("wallet {id}: snapshot at entry {seq}, which is not in the journal")));
    }
    Ok(check(&wallet).err().map(|broken| broken.to_string()))
}

/// What time owed the wallet comes before anything that was decided later, exactly as it was due.
fn overdue(wallet: &Wallet, entry: &Entry) -> Option<String> {
    let owed = ledger::next_due(wallet, entry.recorded_at)?;
    let is_posted = entry.kind == owed.kind
        && entry.key.is_none()
        && entry.effective_at == owed.effective_at
        && entry.hold == owed.hold
        && entry.terms == owed.terms
        && entry.lines == owed.lines;
    (!is_posted).then(|| {
        format!(
            "wallet {}: entry {} ({}) stands where a {} of {} was due",
            wallet.id, entry.seq, entry.kind, owed.kind, owed.effective_at
        )
    })
}

async fn compare_projections(
    txn: &DatabaseTransaction,
    row: &wallet::Model,
    wallet: &Wallet,
    report: &mut Report,
) -> Result<Option<String>, StoreError> {
    let id = wallet.id;
    let stored = rows::wallet(row)?;
    let folded = Wallet { lots: BTreeMap::new(), holds: BTreeMap::new(), ..wallet.clone() };
    if stored != folded {
        return Ok(Some(format!("wallet {id}: its row says {stored:?}, the journal {folded:?}")));
    }
    let lots = lot::Entity::find()
        .filter(lot::Column::Bucket.eq(bucket_of(id)))
        .filter(lot::Column::Wallet.eq(id.uuid()))
        .order_by_asc(lot::Column::Seq)
        .all(txn)
        .await?;
    report.lots += lots.len() as u64;
    let closed_wrongly = lots.iter().find(|l| l.is_open != (l.remaining > 0 || l.held > 0)).map(|l| l.seq);
    let lots: BTreeMap<Seq, _> = lots.iter().map(rows::lot).collect::<Result<_, _>>()?;
    if let Some(seq) = closed_wrongly.or_else(|| first_difference(&lots, &wallet.lots)) {
        return Ok(Some(format!(
            "wallet {id}: lot {seq} says {:?}, the journal {:?}",
            lots.get(&seq),
            wallet.lots.get(&seq)
        )));
    }
    let holds = hold::Entity::find()
        .filter(hold::Column::Bucket.eq(bucket_of(id)))
        .filter(hold::Column::Wallet.eq(id.uuid()))
        .order_by_asc(hold::Column::Seq)
        .all(txn)
        .await?;
    report.holds += holds.len() as u64;
    let holds: BTreeMap<Seq, _> = holds.iter().map(rows::hold).collect::<Result<_, _>>()?;
    Ok(first_difference(&holds, &wallet.holds).map(|seq| {
        format!(
            "wallet {id}: hold {seq} says {:?}, the journal {:?}",
            holds.get(&seq),
            wallet.holds.get(&seq)
        )
    }))
}

fn first_difference<T: PartialEq>(stored: &BTreeMap<Seq, T>, folded: &BTreeMap<Seq, T>) -> Option<Seq> {
    let seqs = stored.keys().chain(folded.keys());
    seqs.copied().filter(|seq| stored.get(seq) != folded.get(seq)).min()
}

/// A page of whole entries after `seq` up to `until`, and whether it is the last of them.
async fn entries_after(
    txn: &DatabaseTransaction,
    id: WalletId,
    seq: Seq,
    until: Option<Seq>,
) -> Result<(Vec<Entry>, bool), StoreError> {
    let journal = || {
        posting::Entity::find()
            .filter(posting::Column::Bucket.eq(bucket_of(id)))
            .filter(posting::Column::Wallet.eq(id.uuid()))
            .filter(posting::Column::Seq.lte(until.unwrap_or(Seq::MAX)))
            .order_by_asc(posting::Column::Seq)
            .order_by_asc(posting::Column::Line)
    };
    let mut page = journal().filter(posting::Column::Seq.gt(seq)).limit(POSTINGS_PER_PAGE).all(txn).await?;
    let is_last = (page.len() as u64) < POSTINGS_PER_PAGE;
    if let (false, Some(last)) = (is_last, page.last().map(|p| (p.seq, p.line))) {
        // The page may end inside of an entry: fetch the rest of it.
        let rest = journal()
            .filter(posting::Column::Seq.eq(last.0))
            .filter(posting::Column::Line.gt(last.1))
            .all(txn)
            .await?;
        page.extend(rest);
    }
    Ok((rows::entries(page)?, is_last))
}

async fn snapshots(txn: &DatabaseTransaction, id: WalletId) -> Result<BTreeMap<Seq, String>, StoreError> {
    let rows = snapshot::Entity::find()
        .filter(snapshot::Column::Bucket.eq(bucket_of(id)))
        .filter(snapshot::Column::Wallet.eq(id.uuid()))
        .all(txn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.seq, row.state)).collect())
}

/// A row whose wallet is not there at all.
async fn find_orphan(store: &Store, table: &str, report: &mut Report) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT t.wallet FROM {table} t LEFT JOIN wallets w ON w.bucket = t.bucket AND w.wallet = t.wallet \
         WHERE w.wallet IS NULL LIMIT 1"
    );
    let row = store.reads.query_one_raw(statement(store.dialect, &sql, vec![])).await?;
    if let Some(row) = row {
        let orphan = Orphan::from_query_result(&row, "")?;
        report.broken(format!(
            "{table}: rows of wallet {}, which is not there",
            WalletId::from_uuid(orphan.wallet)
        ));
    }
    Ok(())
}
