//! Reading the journal: one entry, one reversal, a page of a wallet's statement.

use kernel::{Seq, Timestamp, WalletId, bucket_of};
use ledger::{Entry, EntryKind, Line};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::entities::{posting, reversal};
use crate::{Store, StoreError, rows};

/// One line of a statement.
#[derive(Clone, Debug)]
pub struct Row {
    pub seq: Seq,
    pub line_number: i16,
    pub kind: EntryKind,
    pub recorded_at: Timestamp,
    pub effective_at: Timestamp,
    pub hold: Option<Seq>,
    /// JSON facts of the command, on its line 0 only.
    pub about: Option<String>,
    pub line: Line,
}

/// All rows of the journal, sealed ones too. What is newer than a projection is never sealed and is read
/// from `postings` alone.
pub(crate) fn all() -> Select<posting::Entity> {
    let mut rows = posting::Entity::find();
    QuerySelect::query(&mut rows).from_clear().from_as("journal", "postings");
    rows
}

/// The whole entry, or `None` when the wallet has none with this seq.
pub async fn entry(store: &Store, wallet: WalletId, seq: Seq) -> Result<Option<Entry>, StoreError> {
    entry_in(&store.reads, wallet, seq).await
}

pub(crate) async fn entry_in(
    db: &impl ConnectionTrait,
    wallet: WalletId,
    seq: Seq,
) -> Result<Option<Entry>, StoreError> {
    let postings = all()
        .filter(posting::Column::Bucket.eq(bucket_of(wallet)))
        .filter(posting::Column::Wallet.eq(wallet.uuid()))
        .filter(posting::Column::Seq.eq(seq))
        .order_by_asc(posting::Column::Line)
        .all(db)
        .await?;
    Ok(rows::entries(postings)?.pop())
}

/// The entry that a key (as it is stored) led to.
pub async fn entry_by_key(store: &Store, wallet: WalletId, key: &str) -> Result<Option<Entry>, StoreError> {
    let first = all()
        .filter(posting::Column::Bucket.eq(bucket_of(wallet)))
        .filter(posting::Column::Wallet.eq(wallet.uuid()))
        .filter(posting::Column::IdempotencyKey.eq(key))
        .one(&store.reads)
        .await?;
    match first {
        Some(row) => entry(store, wallet, row.seq).await,
        None => Ok(None),
    }
}

/// The entry that reversed a receipt, if one did.
pub async fn reversal_of(store: &Store, wallet: WalletId, receipt: Seq) -> Result<Option<Seq>, StoreError> {
    let key = (bucket_of(wallet), wallet.uuid(), receipt);
    Ok(reversal::Entity::find_by_id(key).one(&store.reads).await?.map(|row| row.seq))
}

/// At most `limit` lines of the wallet's journal, newest first, older than `before` (seq, line).
pub async fn page(
    store: &Store,
    wallet: WalletId,
    before: Option<(Seq, i16)>,
    limit: u64,
) -> Result<Vec<Row>, StoreError> {
    let mut query = all()
        .filter(posting::Column::Bucket.eq(bucket_of(wallet)))
        .filter(posting::Column::Wallet.eq(wallet.uuid()));
    if let Some((seq, line)) = before {
        // `seq <= s` bounds the index scan; the second condition drops the lines already shown.
        query = query
            .filter(posting::Column::Seq.lte(seq))
            .filter(Condition::any().add(posting::Column::Seq.lt(seq)).add(posting::Column::Line.lt(line)));
    }
    let postings = query
        .order_by_desc(posting::Column::Seq)
        .order_by_desc(posting::Column::Line)
        .limit(limit)
        .all(&store.reads)
        .await?;
    postings.into_iter().map(row).collect()
}

fn row(posting: posting::Model) -> Result<Row, StoreError> {
    let unreadable = |e: String| StoreError::Corrupt(e);
    let instant = |micros| {
        Timestamp::from_micros(micros).ok_or_else(|| unreadable(format!("{micros} is not an instant")))
    };
    Ok(Row {
        seq: posting.seq,
        line_number: posting.line,
        kind: posting.kind.parse().map_err(unreadable)?,
        recorded_at: instant(posting.recorded_at)?,
        effective_at: instant(posting.effective_at)?,
        hold: posting.hold,
        line: rows::line(&posting)?,
        about: posting.about,
    })
}
