//! Reading wallets: now and at any instant of the past.

use kernel::{Seq, Timestamp, WalletId, bucket_of};
use ledger::{Lot, Wallet, fold};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder};

use crate::entities::{hold, lot, posting, snapshot, wallet};
use crate::sql::statement;
use crate::{Store, StoreError, journal, rows};

/// Makes the wallet's row. Wallets are only ever made here and then updated, never upserted.
pub async fn create(txn: &DatabaseTransaction, id: WalletId) -> Result<(), StoreError> {
    let new = Wallet::new(id);
    let row = wallet::ActiveModel {
        bucket: Set(bucket_of(id)),
        wallet: Set(id.uuid()),
        seq: Set(new.seq),
        recorded_at: Set(new.recorded_at.micros()),
        posting_rows: Set(new.rows),
        available: Set(0),
        held: Set(0),
        debt: Set(0),
        calls: Set(rows::to_json(&new.calls)?),
        lots: Set(rows::open_lots(&new)?),
        restriction: Set(rows::restriction(&new)?),
    };
    wallet::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// The wallet with its open lots and holds: the projection and what the journal has beyond it, in one
/// snapshot. What is due by time is not in it; see `ledger::settled`.
pub async fn read(store: &Store, id: WalletId) -> Result<Option<Wallet>, StoreError> {
    let txn = store.read().await?;
    let Some(mut wallet) = projection(&txn, id).await? else { return Ok(None) };
    let newer = newer(store, &txn, id, wallet.seq).await?;
    fold_all(&mut wallet, newer)?;
    wallet.compact();
    Ok(Some(wallet))
}

/// What folding takes of a row `t` of the journal: neither its key nor its facts, which are most of its bytes.
pub(crate) const FOLDED: &str = "t.bucket, t.wallet, t.seq, t.line, t.kind, t.recorded_at, t.effective_at, \
     t.from_account, t.to_account, t.amount, t.lot, t.lot_remaining, t.balance_after, t.held_after, \
     t.debt_after, t.hold, t.terms, CAST(NULL AS text) AS idempotency_key, CAST(NULL AS bytea) AS input_hash, \
     CAST(NULL AS text) AS about, CAST(NULL AS bigint) AS digest";

pub(crate) async fn newer(
    store: &Store,
    db: &impl ConnectionTrait,
    id: WalletId,
    seq: Seq,
) -> Result<Vec<posting::Model>, StoreError> {
    let sql = format!(
        "SELECT {FOLDED} FROM postings t WHERE t.bucket = $1 AND t.wallet = $2 AND t.seq > $3 \
         ORDER BY t.seq, t.line"
    );
    let values = vec![bucket_of(id).into(), id.uuid().into(), seq.into()];
    Ok(posting::Entity::find().from_raw_sql(statement(store.dialect(), &sql, values)).all(db).await?)
}

/// The wallet as it was known at `at`: the journal up to then, from the last snapshot on.
pub async fn read_as_of(store: &Store, id: WalletId, at: Timestamp) -> Result<Option<Wallet>, StoreError> {
    let txn = store.read().await?;
    let is_known = wallet::Entity::find_by_id((bucket_of(id), id.uuid())).one(&txn).await?.is_some();
    if !is_known {
        return Ok(None);
    }
    let taken = snapshot::Entity::find()
        .filter(snapshot::Column::Bucket.eq(bucket_of(id)))
        .filter(snapshot::Column::Wallet.eq(id.uuid()))
        .filter(snapshot::Column::RecordedAt.lte(at.micros()))
        .order_by_desc(snapshot::Column::RecordedAt)
        .order_by_desc(snapshot::Column::Seq)
        .one(&txn)
        .await?;
    let mut wallet = match taken {
        Some(snapshot) => rows::from_json(&snapshot.state)?,
        None => Wallet::new(id),
    };
    let later = journal::all()
        .filter(posting::Column::Bucket.eq(bucket_of(id)))
        .filter(posting::Column::Wallet.eq(id.uuid()))
        .filter(posting::Column::Seq.gt(wallet.seq))
        .filter(posting::Column::RecordedAt.lte(at.micros()))
        .order_by_asc(posting::Column::Seq)
        .order_by_asc(posting::Column::Line)
        .all(&txn)
        .await?;
    fold_all(&mut wallet, later)?;
    wallet.compact();
    Ok(Some(wallet))
}

/// The lot that the grant with this seq made, open or not.
pub async fn lot(store: &Store, id: WalletId, seq: Seq) -> Result<Option<Lot>, StoreError> {
    let txn = store.read().await?;
    let Some(mut wallet) = projection(&txn, id).await? else { return Ok(None) };
    let row = lot::Entity::find_by_id((bucket_of(id), id.uuid(), seq)).one(&txn).await?;
    if let Some(row) = row.filter(|row| !row.is_open) {
        wallet.lots.insert(seq, rows::closed_lot(&row)?);
    }
    let newer = newer(store, &txn, id, wallet.seq).await?;
    fold_all(&mut wallet, newer)?;
    Ok(wallet.lots.remove(&seq))
}

pub(crate) fn fold_all(wallet: &mut Wallet, postings: Vec<posting::Model>) -> Result<(), StoreError> {
    for entry in rows::entries(postings)? {
        fold(wallet, &entry).map_err(|e| StoreError::Corrupt(format!("entry {}: {e}", entry.seq)))?;
    }
    Ok(())
}

pub(crate) async fn projection(
    db: &impl ConnectionTrait,
    id: WalletId,
) -> Result<Option<Wallet>, StoreError> {
    let key = (bucket_of(id), id.uuid());
    let Some(row) = wallet::Entity::find_by_id(key).one(db).await? else { return Ok(None) };
    let mut wallet = rows::wallet(&row)?;
    let lots = lot::Entity::find()
        .filter(lot::Column::Bucket.eq(bucket_of(id)))
        .filter(lot::Column::Wallet.eq(id.uuid()))
        .filter(lot::Column::IsOpen.eq(true))
        .all(db)
        .await?;
    let mut left = rows::left(&row)?;
    for row in lots {
        wallet.lots.insert(row.seq, rows::open_lot(&row, &mut left)?);
    }
    rows::all_found(&left)?;
    let holds = hold::Entity::find()
        .filter(hold::Column::Bucket.eq(bucket_of(id)))
        .filter(hold::Column::Wallet.eq(id.uuid()))
        .filter(hold::Column::State.eq("open"))
        .all(db)
        .await?;
    wallet.holds = holds.iter().map(rows::hold).collect::<Result<_, _>>()?;
    Ok(Some(wallet))
}
