//! One batch of one lane: what it reads, and the transaction that fences, appends and commits.

use std::collections::hash_map;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use kernel::{Seq, WalletId, bucket_of};
use ledger::{Entry, InputHash};
use sea_orm::sqlx::PgConnection;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, FromQueryResult,
    RuntimeErr, Value,
};

use crate::append::Batch;
use crate::connect::Dialect;
use crate::entities::{hold, lot, posting, wallet};
use crate::known::Known;
use crate::lanes::Lane;
use crate::sql::{rows_per_statement, statement, with_rows};
use crate::wallets::FOLDED;
use crate::{Store, StoreError, rows};
use crate::{postings, project};

/// How long a lane waits for its own connection's answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The projections of wallets with their open lots, one row a lot, and what else there is to read of them. The limit
/// keeps PostgreSQL from collecting all open holds first, which a plan does that was made when there were none.
const WALLETS_WITH_LOTS: &str = "SELECT t.*, \
     EXISTS (SELECT 1 FROM holds h WHERE h.bucket = t.bucket AND h.wallet = t.wallet AND h.state = 'open' \
     LIMIT 1 OFFSET 0) \
     AS is_holding, \
     EXISTS (SELECT 1 FROM postings p WHERE p.bucket = t.bucket AND p.wallet = t.wallet AND p.seq > t.seq) \
     AS is_behind, \
     l.bucket AS lot_bucket, l.wallet AS lot_wallet, l.seq AS lot_seq, l.kind AS lot_kind, \
     l.granted AS lot_granted, l.priority AS lot_priority, l.expires_at AS lot_expires_at, \
     l.paid_minor AS lot_paid_minor, l.currency AS lot_currency, l.clawed_back AS lot_clawed_back, \
     l.voided AS lot_voided, l.has_remaining AS lot_has_remaining, l.is_open AS lot_is_open \
     FROM v";
const OF_WALLET: &str = "t.bucket = v.bucket AND t.wallet = v.wallet";

/// An open transaction on one lane. Dropped without commit, it changes nothing.
pub struct LaneTx {
    pub(crate) dialect: Dialect,
    pub(crate) txn: DatabaseTransaction,
}

/// What a lane's writer has for itself: on PostgreSQL a connection, made when it is first needed and again
/// after it failed. A pool would ask it after each use whether it is still alive.
#[derive(Default)]
pub struct LaneConnection(Option<PgConnection>);

/// What a batch reads, inside of its transaction or before it. Before it, what was read is true when the
/// fence is where it was before the first read: whoever writes to the lane moves it.
#[derive(Clone, Copy)]
pub struct Reads<'a, C> {
    dialect: Dialect,
    db: &'a C,
}

#[derive(FromQueryResult)]
struct KeyRow {
    wallet: uuid::Uuid,
    idempotency_key: String,
    seq: i64,
    input_hash: Vec<u8>,
}

#[derive(FromQueryResult)]
struct NamedRow {
    wallet: uuid::Uuid,
    name: String,
}

#[derive(FromQueryResult)]
struct SeqRow {
    wallet: uuid::Uuid,
    seq: i64,
}

/// A lane that is ours until somebody else moves its fence.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub struct Claimed {
    pub gsn: i64,
    /// Rows of its wallets were sealed: the unique key of the table that is written to does not know all
    /// used keys. Sealing moves the fence, so this stays true as long as the fence.
    pub has_sealed: bool,
}

/// Where keys are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysIn {
    Journal,
    /// Only what was sealed: of other keys the unique key of the table that is written to tells.
    Sealed,
}

/// Where a used key leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedKey {
    pub seq: Seq,
    pub hash: InputHash,
}

impl Store {
    pub async fn begin_lane(&self) -> Result<LaneTx, StoreError> {
        Ok(LaneTx { dialect: self.dialect, txn: self.write().await? })
    }

    /// Reads of a batch that needs no transaction yet.
    pub fn lane_reads(&self) -> Reads<'_, DatabaseConnection> {
        Reads { dialect: self.dialect, db: &self.writes }
    }

    /// The short way of PostgreSQL for a batch of entries only: one statement moves the fence from `gsn` to
    /// the next and appends, durably. False when another process moved the fence first: then nothing is
    /// written. `None` where there is no such way; the long one is a [`LaneTx`].
    pub async fn append_at_once(
        &self,
        own: &mut LaneConnection,
        (lane, gsn): (Lane, i64),
        batch: &Batch<'_>,
    ) -> Result<Option<bool>, StoreError> {
        if self.dialect != Dialect::Postgres || !batch.has_only_entries() {
            return Ok(None);
        }
        let mut connection = self.own(own).await?;
        let inserted = postings::insert_fenced((&mut connection, &self.watch), (lane, gsn), &batch.entries);
        let done = in_time(inserted).await;
        if done.as_ref().map_or_else(StoreError::is_unique_violation, |_| true) {
            own.0 = Some(connection);
        }
        done.map(Some)
    }

    /// Whether there is a short way for these wallets: on PostgreSQL for those of which only amounts and restrictions
    /// changed.
    pub fn projects_at_once(&self, wallets: &[&Known]) -> bool {
        self.dialect == Dialect::Postgres && !wallets.iter().any(|known| known.has_moved_parts())
    }

    /// That way: one statement moves the fence from `gsn` to the next and brings their projections to their heads,
    /// durably. False when another process moved the fence first: then nothing is written.
    pub async fn project_at_once(
        &self,
        own: &mut LaneConnection,
        (lane, gsn): (Lane, i64),
        wallets: &[&Known],
    ) -> Result<bool, StoreError> {
        self.watch.see(project::FENCED);
        let mut connection = self.own(own).await?;
        let done = in_time(project::project_fenced(&mut connection, (lane, gsn), wallets)).await?;
        own.0 = Some(connection);
        Ok(done)
    }

    /// The lane's own connection, out of its place until what it is used for went well.
    async fn own(&self, own: &mut LaneConnection) -> Result<PgConnection, StoreError> {
        match own.0.take() {
            Some(connection) => Ok(connection),
            None => in_time(postings::connect(self.writes.get_postgres_connection_pool())).await,
        }
    }
}

/// A server that went silent is a lost connection.
async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| StoreError::Db(DbErr::Conn(RuntimeErr::Internal("no answer in time".to_owned())));
    tokio::time::timeout(ANSWER_TIMEOUT, asked).await.map_err(late)?
}

impl LaneTx {
    /// Moves the fence whatever its value; `None` when the lane is gone. After it no other process can
    /// commit to the lane before us.
    pub async fn claim(&self, lane: Lane) -> Result<Option<Claimed>, StoreError> {
        let sql = "UPDATE lanes SET gsn = gsn + 1 WHERE bucket = $1 AND lane = $2 RETURNING gsn, has_sealed";
        let moved = statement(self.dialect, sql, vec![lane.bucket.into(), lane.id.into()]);
        Ok(Claimed::find_by_statement(moved).one(&self.txn).await?)
    }

    /// Moves the fence from `gsn` to the next; false when another process moved it first.
    pub async fn advance(&self, lane: Lane, gsn: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE lanes SET gsn = $1 WHERE bucket = $2 AND lane = $3 AND gsn = $4";
        let values = vec![(gsn + 1).into(), lane.bucket.into(), lane.id.into(), gsn.into()];
        let done = self.txn.execute_raw(statement(self.dialect, sql, values)).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Reads inside of this transaction.
    pub fn reads(&self) -> Reads<'_, DatabaseTransaction> {
        Reads { dialect: self.dialect, db: &self.txn }
    }

    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.txn.commit().await?)
    }
}

impl<'c, C: ConnectionTrait> Reads<'c, C> {
    pub(crate) fn of(dialect: Dialect, db: &'c C) -> Reads<'c, C> {
        Reads { dialect, db }
    }

    /// True when nobody moved the fence since we did.
    pub async fn is_at(&self, lane: Lane, gsn: i64) -> Result<bool, StoreError> {
        let sql = "SELECT gsn FROM lanes WHERE bucket = $1 AND lane = $2 AND gsn = $3";
        let values = vec![lane.bucket.into(), lane.id.into(), gsn.into()];
        Ok(self.db.query_one_raw(statement(self.dialect, sql, values)).await?.is_some())
    }

    /// The wallets at their heads with their open lots and holds; unknown ids are absent.
    pub async fn wallets(&self, ids: &[WalletId]) -> Result<HashMap<WalletId, Known>, StoreError> {
        let keys: Vec<Vec<Value>> = ids.iter().map(|id| wallet_key(*id)).collect();
        let (mut wallets, mut left) = (HashMap::<WalletId, Known>::new(), HashMap::new());
        let (mut holding, mut behind) = (Vec::new(), Vec::new());
        for chunk in keys.chunks(rows_per_statement(2)) {
            let rest = format!(
                "{WALLETS_WITH_LOTS} JOIN {} LEFT JOIN {}",
                self.dialect.each("wallets", "t", OF_WALLET),
                self.dialect.each("lots", "l", "l.bucket = t.bucket AND l.wallet = t.wallet AND l.is_open"),
            );
            let found = with_rows(self.dialect, &["bucket", "wallet"], chunk, &rest);
            for row in self.db.query_all_raw(found).await? {
                let id = WalletId::from_uuid(row.try_get("", "wallet")?);
                if let hash_map::Entry::Vacant(unseen) = wallets.entry(id) {
                    let stored = wallet::Model::from_query_result(&row, "")?;
                    let known = Known::projected(rows::wallet(&stored)?);
                    left.insert(id, rows::left(&stored)?);
                    if row.try_get("", "is_holding")? {
                        holding.push(wallet_key(id));
                    }
                    if row.try_get("", "is_behind")? {
                        behind.push(seq_key(id, known.wallet.seq));
                    }
                    unseen.insert(known);
                }
                let lot = lot::Model::from_query_result_optional(&row, "lot_")?;
                if let (Some(lot), Some(known), Some(left)) = (lot, wallets.get_mut(&id), left.get_mut(&id)) {
                    known.wallet.lots.insert(lot.seq, rows::open_lot(&lot, left)?);
                }
            }
        }
        left.values().try_for_each(rows::all_found)?;
        for chunk in holding.chunks(rows_per_statement(2)) {
            let open = self.dialect.each("holds", "t", &format!("{OF_WALLET} AND t.state = 'open'"));
            let rest = format!("SELECT t.* FROM v JOIN {open}");
            let found = with_rows(self.dialect, &["bucket", "wallet"], chunk, &rest);
            for row in hold::Entity::find().from_raw_sql(found).all(self.db).await? {
                put_hold(&mut wallets, &row)?;
            }
        }
        self.fold_newer(&mut wallets, &behind).await?;
        Ok(wallets)
    }

    /// Folds what the journal has beyond these projections (bucket, wallet, seq).
    async fn fold_newer(
        &self,
        wallets: &mut HashMap<WalletId, Known>,
        projections: &[Vec<Value>],
    ) -> Result<(), StoreError> {
        let mut newer: BTreeMap<WalletId, Vec<posting::Model>> = BTreeMap::new();
        for chunk in projections.chunks(rows_per_statement(3)) {
            let each = self.dialect.each("postings", "t", &format!("{OF_WALLET} AND t.seq > v.seq"));
            let rest = format!("SELECT {FOLDED} FROM v JOIN {each}");
            let found = with_rows(self.dialect, &["bucket", "wallet", "seq"], chunk, &rest);
            for row in posting::Entity::find().from_raw_sql(found).all(self.db).await? {
                newer.entry(WalletId::from_uuid(row.wallet)).or_default().push(row);
            }
        }
        let mut entries: BTreeMap<WalletId, Vec<Entry>> = BTreeMap::new();
        for (id, mut postings) in newer {
            postings.sort_by_key(|p| (p.seq, p.line));
            entries.insert(id, rows::entries(postings)?);
        }
        let of = |id: &WalletId, entry: &Entry| entry.touches().map(|seq| (*id, seq)).collect::<Vec<_>>();
        let named = entries.iter().flat_map(|(id, all)| all.iter().flat_map(move |entry| of(id, entry)));
        self.name(wallets, &named.collect()).await?;
        for (id, entries) in entries {
            let Some(known) = wallets.get_mut(&id) else { continue };
            let mut head = known.wallet.clone();
            for entry in &entries {
                let unfolded = |e| StoreError::Corrupt(format!("wallet {id}, entry {}: {e}", entry.seq));
                ledger::fold(&mut head, entry).map_err(unfolded)?;
            }
            known.advance(head);
        }
        Ok(())
    }

    /// Puts lots and holds that commands name into their wallets, open or closed.
    pub async fn name(
        &self,
        wallets: &mut HashMap<WalletId, Known>,
        named: &BTreeSet<(WalletId, Seq)>,
    ) -> Result<(), StoreError> {
        let absent: Vec<Vec<Value>> = named
            .iter()
            .filter(|(id, seq)| wallets.get_mut(id).is_some_and(|known| !known.recall(*seq)))
            .map(|(id, seq)| seq_key(*id, *seq))
            .collect();
        for chunk in absent.chunks(rows_per_statement(3)) {
            for row in self.at_seq::<lot::Entity>(chunk, "lots").await? {
                put_closed_lot(wallets, &row)?;
            }
            for row in self.at_seq::<hold::Entity>(chunk, "holds").await? {
                put_hold(wallets, &row)?;
            }
        }
        Ok(())
    }

    /// Whole entries by (wallet, seq).
    pub async fn entries(
        &self,
        at: &BTreeSet<(WalletId, Seq)>,
    ) -> Result<BTreeMap<(WalletId, Seq), Entry>, StoreError> {
        let keys: Vec<Vec<Value>> = at.iter().map(|(id, seq)| seq_key(*id, *seq)).collect();
        let mut by_wallet: BTreeMap<WalletId, Vec<posting::Model>> = BTreeMap::new();
        for chunk in keys.chunks(rows_per_statement(3)) {
            for row in self.at_seq::<posting::Entity>(chunk, "journal").await? {
                by_wallet.entry(WalletId::from_uuid(row.wallet)).or_default().push(row);
            }
        }
        let mut entries = BTreeMap::new();
        for (wallet, mut postings) in by_wallet {
            postings.sort_by_key(|p| (p.seq, p.line));
            entries.extend(rows::entries(postings)?.into_iter().map(|e| ((wallet, e.seq), e)));
        }
        Ok(entries)
    }

    /// Which of the keys were used there, and by which entry.
    pub async fn used_keys(
        &self,
        keys: &BTreeSet<(WalletId, String)>,
        place: KeysIn,
    ) -> Result<BTreeMap<(WalletId, String), UsedKey>, StoreError> {
        let tables: &[&str] = match place {
            KeysIn::Journal => &["postings", "sealed_postings"],
            KeysIn::Sealed => &["sealed_postings"],
        };
        let rows = named_keys(keys);
        let mut used = BTreeMap::new();
        for chunk in rows.chunks(rows_per_statement(3)) {
            let on = format!("{OF_WALLET} AND t.idempotency_key = v.name");
            let of_table = |table: &&str| {
                let each = self.dialect.each(table, "t", &on);
                format!("SELECT t.wallet, t.idempotency_key, t.seq, t.input_hash FROM v JOIN {each}")
            };
            let rest = tables.iter().map(of_table).collect::<Vec<_>>().join(" UNION ALL ");
            let found = with_rows(self.dialect, &["bucket", "wallet", "name"], chunk, &rest);
            for row in KeyRow::find_by_statement(found).all(self.db).await? {
                let hash = row.input_hash.as_slice().try_into();
                let hash = hash.map_err(|_| StoreError::Corrupt("a hash is not 32 bytes".to_owned()))?;
                let at = (WalletId::from_uuid(row.wallet), row.idempotency_key);
                used.insert(at, UsedKey { seq: row.seq, hash });
            }
        }
        Ok(used)
    }

    /// Which of the vendor transactions are taken in their wallet.
    pub async fn taken_vendor_transactions(
        &self,
        names: &BTreeSet<(WalletId, String)>,
    ) -> Result<BTreeSet<(WalletId, String)>, StoreError> {
        let rows = named_keys(names);
        let mut taken = BTreeSet::new();
        for chunk in rows.chunks(rows_per_statement(3)) {
            let on = format!("{OF_WALLET} AND t.vendor_transaction = v.name");
            let each = self.dialect.each("vendor_transactions", "t", &on);
            let rest = format!("SELECT t.wallet, t.vendor_transaction AS name FROM v JOIN {each}");
            let found = with_rows(self.dialect, &["bucket", "wallet", "name"], chunk, &rest);
            let found = NamedRow::find_by_statement(found).all(self.db).await?;
            taken.extend(found.into_iter().map(|row| (WalletId::from_uuid(row.wallet), row.name)));
        }
        Ok(taken)
    }

    /// Which of the receipts were reversed before.
    pub async fn reversed(
        &self,
        receipts: &BTreeSet<(WalletId, Seq)>,
    ) -> Result<BTreeSet<(WalletId, Seq)>, StoreError> {
        let keys: Vec<Vec<Value>> = receipts.iter().map(|(id, seq)| seq_key(*id, *seq)).collect();
        let mut reversed = BTreeSet::new();
        for chunk in keys.chunks(rows_per_statement(3)) {
            let each = self.dialect.each("reversals", "t", &format!("{OF_WALLET} AND t.receipt = v.seq"));
            let rest = format!("SELECT t.wallet, t.receipt AS seq FROM v JOIN {each}");
            let found = with_rows(self.dialect, &["bucket", "wallet", "seq"], chunk, &rest);
            let found = SeqRow::find_by_statement(found).all(self.db).await?;
            reversed.extend(found.into_iter().map(|row| (WalletId::from_uuid(row.wallet), row.seq)));
        }
        Ok(reversed)
    }

    async fn at_seq<E: EntityTrait>(
        &self,
        keys: &[Vec<Value>],
        table: &str,
    ) -> Result<Vec<E::Model>, StoreError> {
        let each = self.dialect.each(table, "t", &format!("{OF_WALLET} AND t.seq = v.seq"));
        let rest = format!("SELECT t.* FROM v JOIN {each}");
        let found = with_rows(self.dialect, &["bucket", "wallet", "seq"], keys, &rest);
        Ok(E::find().from_raw_sql(found).all(self.db).await?)
    }
}

fn put_closed_lot(wallets: &mut HashMap<WalletId, Known>, row: &lot::Model) -> Result<(), StoreError> {
    if let Some(known) = wallets.get_mut(&WalletId::from_uuid(row.wallet)) {
        known.wallet.lots.insert(row.seq, rows::closed_lot(row)?);
    }
    Ok(())
}

fn put_hold(wallets: &mut HashMap<WalletId, Known>, row: &hold::Model) -> Result<(), StoreError> {
    if let Some(known) = wallets.get_mut(&WalletId::from_uuid(row.wallet)) {
        let (seq, hold) = rows::hold(row)?;
        known.wallet.holds.insert(seq, hold);
    }
    Ok(())
}

fn wallet_key(id: WalletId) -> Vec<Value> {
    vec![bucket_of(id).into(), id.uuid().into()]
}

fn seq_key(id: WalletId, seq: Seq) -> Vec<Value> {
    vec![bucket_of(id).into(), id.uuid().into(), seq.into()]
}

fn named_keys(names: &BTreeSet<(WalletId, String)>) -> Vec<Vec<Value>> {
    names
        .iter()
        .map(|(id, name)| vec![bucket_of(*id).into(), id.uuid().into(), name.as_str().into()])
        .collect()
}
