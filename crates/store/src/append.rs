//! Writing: a decided batch to the journal, and behind it the projections.

use kernel::{Credits, Seq, WalletId, bucket_of};
use ledger::{Entry, Hold, Lot};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Value};

use crate::entities::{reversal, snapshot, vendor_transaction};
use crate::known::Known;
use crate::lane_tx::LaneTx;
use crate::project::{needs_snapshot, state};
use crate::sql::{rows_per_statement, with_rows};
use crate::{StoreError, postings, rows};

/// Journal rows between two snapshots of a wallet.
pub const ROWS_PER_SNAPSHOT: i64 = 1_000;

/// All that one batch adds to the journal.
#[derive(Default)]
pub struct Batch<'a> {
    pub entries: Vec<(WalletId, &'a Entry)>,
    pub vendor_transactions: Vec<(WalletId, &'a str, Seq)>,
    /// (wallet, the reversed receipt, the reversing entry)
    pub reversals: Vec<(WalletId, Seq, Seq)>,
}

impl Batch<'_> {
    pub(crate) fn has_only_entries(&self) -> bool {
        self.vendor_transactions.is_empty() && self.reversals.is_empty()
    }
}

impl LaneTx {
    /// Appends the batch to the journal. An entry that another process wrote first is a unique violation:
    /// the lane's memory was stale.
    pub async fn append(&self, batch: &Batch<'_>) -> Result<(), StoreError> {
        postings::insert(&self.txn, self.dialect, &batch.entries).await?;
        let vendor =
            batch.vendor_transactions.iter().map(|(wallet, name, seq)| vendor_transaction::ActiveModel {
                bucket: Set(bucket_of(*wallet)),
                wallet: Set(wallet.uuid()),
                vendor_transaction: Set((*name).to_owned()),
                seq: Set(*seq),
            });
        self.insert::<vendor_transaction::ActiveModel>(vendor.collect(), 4).await?;
        let reversals = batch.reversals.iter().map(|(wallet, receipt, seq)| reversal::ActiveModel {
            bucket: Set(bucket_of(*wallet)),
            wallet: Set(wallet.uuid()),
            receipt: Set(*receipt),
            seq: Set(*seq),
        });
        self.insert::<reversal::ActiveModel>(reversals.collect(), 4).await
    }

    /// Brings the projections of these wallets up to their heads. False when a wallet's row was not where
    /// its [`Ahead`] began: another process moved it.
    pub async fn project(&self, wallets: &[&Known]) -> Result<bool, StoreError> {
        if !self.move_wallets(wallets).await? {
            return Ok(false);
        }
        self.write_lots(wallets).await?;
        self.write_holds(wallets).await?;
        self.add_snapshots(wallets).await?;
        Ok(true)
    }

    async fn insert<A>(&self, models: Vec<A>, columns: usize) -> Result<(), StoreError>
    where
        A: ActiveModelTrait + Send,
    {
        let mut models = models.into_iter().peekable();
        while models.peek().is_some() {
            let chunk: Vec<A> = models.by_ref().take(rows_per_statement(columns)).collect();
            <A::Entity as EntityTrait>::insert_many(chunk).exec_without_returning(&self.txn).await?;
        }
        Ok(())
    }

    /// Guarded by the seq that each wallet was loaded at.
    async fn move_wallets(&self, wallets: &[&Known]) -> Result<bool, StoreError> {
        const COLUMNS: [&str; 12] = [
            "bucket",
            "wallet",
            "old_seq",
            "seq",
            "recorded_at",
            "posting_rows",
            "available",
            "held",
            "debt",
            "calls",
            "lots",
            "restriction",
        ];
        let mut values = Vec::new();
        for Known { wallet: after, ahead } in wallets {
            values.push(vec![
                bucket_of(after.id).into(),
                after.id.uuid().into(),
                ahead.projected_seq.into(),
                after.seq.into(),
                after.recorded_at.micros().into(),
                after.rows.into(),
                after.available.micros().into(),
                after.held.micros().into(),
                after.debt.micros().into(),
                rows::to_json(&after.calls)?.into(),
                rows::open_lots(after)?.into(),
                rows::restriction(after)?.unwrap_or_default().into(),
            ]);
        }
        let moved = self
            .update(
                &COLUMNS,
                &values,
                "UPDATE wallets AS t SET seq = v.seq, recorded_at = v.recorded_at, posting_rows = v.posting_rows, \
                 available = v.available, held = v.held, debt = v.debt, calls = v.calls, lots = v.lots, \
                 restriction = nullif(v.restriction, '') \
                 FROM v WHERE t.bucket = v.bucket AND t.wallet = v.wallet AND t.seq = v.old_seq",
            )
            .await?;
        Ok(moved == wallets.len() as u64)
    }

    async fn write_lots(&self, wallets: &[&Known]) -> Result<(), StoreError> {
        const COLUMNS: [&str; 7] =
            ["bucket", "wallet", "seq", "clawed_back", "voided", "has_remaining", "is_open"];
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        for Known { wallet, ahead } in wallets {
            for (seq, lot) in &ahead.lots {
                if *seq > ahead.projected_seq {
                    new.push(rows::lot_row(wallet.id, *seq, lot).into_active_model());
                } else {
                    changed.push(changed_lot(wallet.id, *seq, lot));
                }
            }
        }
        self.insert(new, 13).await?;
        let expected = changed.len() as u64;
        let done = self
            .update(
                &COLUMNS,
                &changed,
                "UPDATE lots AS t SET clawed_back = v.clawed_back, voided = v.voided, \
                 has_remaining = v.has_remaining, is_open = v.is_open \
                 FROM v WHERE t.bucket = v.bucket AND t.wallet = v.wallet AND t.seq = v.seq",
            )
            .await?;
        all_there("lots", expected, done)
    }

    async fn write_holds(&self, wallets: &[&Known]) -> Result<(), StoreError> {
        const COLUMNS: [&str; 10] = [
            "bucket",
            "wallet",
            "seq",
            "state",
            "authorized",
            "captured",
            "captures",
            "expires_at",
            "progress",
            "lots",
        ];
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        for Known { wallet, ahead } in wallets {
            for (seq, hold) in &ahead.holds {
                if *seq > ahead.projected_seq {
                    new.push(rows::hold_row(wallet.id, *seq, hold)?.into_active_model());
                } else {
                    changed.push(changed_hold(wallet.id, *seq, hold)?);
                }
            }
        }
        self.insert(new, 10).await?;
        let done = self
            .update(
                &COLUMNS,
                &changed,
                "UPDATE holds AS t SET state = v.state, authorized = v.authorized, captured = v.captured, \
                 captures = v.captures, expires_at = v.expires_at, progress = nullif(v.progress, ''), \
                 lots = v.lots \
                 FROM v WHERE t.bucket = v.bucket AND t.wallet = v.wallet AND t.seq = v.seq",
            )
            .await?;
        all_there("holds", changed.len() as u64, done)
    }

    async fn add_snapshots(&self, wallets: &[&Known]) -> Result<(), StoreError> {
        let mut models = Vec::new();
        for known in wallets.iter().filter(|known| needs_snapshot(known)) {
            let wallet = &known.wallet;
            models.push(snapshot::ActiveModel {
                bucket: Set(bucket_of(wallet.id)),
                wallet: Set(wallet.id.uuid()),
                recorded_at: Set(wallet.recorded_at.micros()),
                seq: Set(wallet.seq),
                state: Set(state(wallet)?),
            });
        }
        self.insert(models, 5).await
    }

    async fn update(&self, columns: &[&str], values: &[Vec<Value>], update: &str) -> Result<u64, StoreError> {
        let mut done = 0;
        for chunk in values.chunks(rows_per_statement(columns.len())) {
            let statement = with_rows(self.dialect, columns, chunk, update);
            done += self.txn.execute_raw(statement).await?.rows_affected();
        }
        Ok(done)
    }
}

fn all_there(table: &str, expected: u64, done: u64) -> Result<(), StoreError> {
    if expected == done {
        return Ok(());
    }
    Err(StoreError::Corrupt(format!("{expected} rows of {table} should have changed, {done} did")))
}

fn changed_lot(wallet: WalletId, seq: Seq, lot: &Lot) -> Vec<Value> {
    vec![
        bucket_of(wallet).into(),
        wallet.uuid().into(),
        seq.into(),
        lot.terms.clawed_back.micros().into(),
        lot.terms.voided.into(),
        lot.remaining.is_positive().into(),
        lot.is_open().into(),
    ]
}

fn changed_hold(wallet: WalletId, seq: Seq, hold: &Hold) -> Result<Vec<Value>, StoreError> {
    let micros = Credits::micros;
    Ok(vec![
        bucket_of(wallet).into(),
        wallet.uuid().into(),
        seq.into(),
        hold.terms.state.as_str().into(),
        micros(hold.terms.authorized).into(),
        micros(hold.terms.captured).into(),
        i64::from(hold.terms.captures).into(),
        hold.terms.expires_at.micros().into(),
        hold.terms.progress.clone().unwrap_or_default().into(),
        rows::hold_lots(hold)?.into(),
    ])
}
