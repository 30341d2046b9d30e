//! Entries of all wallets in one order that every process agrees on: by recording instant, wallet and seq.
//!
//! The journal has no index for it on purpose (it would cost every write): a chunk of keys is one reading of
//! the whole journal with a sort of what fits, and the entries of it are read by their primary keys. For
//! catching up and for rebuilding, never for a request.
//!
//! Who asks for what was recorded lately reads the table that is written to, and of the sealed one only the ends of
//! wallets that did something since: a sealed row has passed its projection, so its wallet's row knows of it, and within
//! a wallet instants never fall.

use std::collections::{BTreeSet, VecDeque};

use kernel::{Seq, Timestamp, WalletId};
use ledger::{Entry, EntryKind};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::lane_tx::Reads;
use crate::sql::statement;
use crate::{Store, StoreError};

/// Keys that one reading of the journal brings: about 40 bytes each in memory.
const KEYS_PER_CHUNK: usize = 250_000;

/// A place in the order; what is read next comes after it.
pub type Position = (Timestamp, WalletId, Seq);

/// A walk through the entries recorded in `[from, to)`. What is committed while it goes on, and lies behind
/// where it is, is not seen: walk to an instant that all writers have passed.
#[derive(Debug)]
pub struct Walk<'s> {
    store: &'s Store,
    kinds: &'static [EntryKind],
    after: Position,
    to: Timestamp,
    keys_per_chunk: usize,
    rows: Rows,
    keys: VecDeque<Position>,
    is_last: bool,
}

/// Where keys are looked for; every row of the time is found either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    All,
    Late,
}

#[derive(FromQueryResult)]
struct KeyRow {
    recorded_at: i64,
    wallet: uuid::Uuid,
    seq: i64,
}

impl<'s> Walk<'s> {
    /// Entries of these kinds.
    pub fn between(
        store: &'s Store,
        kinds: &'static [EntryKind],
        from: Timestamp,
        to: Timestamp,
    ) -> Walk<'s> {
        // Seqs begin at 1 and no wallet is nil: nothing of `from` itself lies before.
        Walk::after(store, kinds, (from, WalletId::from_uuid(uuid::Uuid::nil()), 0), to)
    }

    /// Goes on behind an entry that was seen.
    pub fn after(store: &'s Store, kinds: &'static [EntryKind], after: Position, to: Timestamp) -> Walk<'s> {
        let (keys, keys_per_chunk) = (VecDeque::new(), KEYS_PER_CHUNK);
        Walk { store, kinds, after, to, keys_per_chunk, rows: Rows::All, keys, is_last: false }
    }

    /// For a time that began lately: old rows are left out without being read. The whole walk costs more this way when
    /// most wallets did something since.
    #[must_use]
    pub fn lately(self) -> Walk<'s> {
        Walk { rows: Rows::Late, ..self }
    }

    /// With smaller chunks.
    #[must_use]
    pub fn in_chunks_of(self, keys_per_chunk: usize) -> Walk<'s> {
        Walk { keys_per_chunk: keys_per_chunk.max(1), ..self }
    }

    /// The next entries, at most `limit`; none at the end.
    pub async fn next(&mut self, limit: usize) -> Result<Vec<(WalletId, Entry)>, StoreError> {
        if self.keys.is_empty() && !self.is_last {
            self.read_keys().await?;
        }
        let page: Vec<Position> = self.keys.drain(..limit.min(self.keys.len())).collect();
        let at: BTreeSet<(WalletId, Seq)> = page.iter().map(|(_, wallet, seq)| (*wallet, *seq)).collect();
        let mut entries = Reads::of(self.store.dialect, &self.store.reads).entries(&at).await?;
        let lost = |wallet, seq| {
            StoreError::Corrupt(format!("entry {seq} of wallet {wallet} has gone while it was read"))
        };
        let in_order = page.into_iter().map(|(_, wallet, seq)| {
            Ok((wallet, entries.remove(&(wallet, seq)).ok_or_else(|| lost(wallet, seq))?))
        });
        in_order.collect()
    }

    async fn read_keys(&mut self) -> Result<(), StoreError> {
        let kinds: Vec<String> = self.kinds.iter().map(|kind| format!("'{kind}'")).collect();
        let sql = format!(
            "SELECT j.recorded_at, j.wallet, j.seq FROM {} j WHERE j.line = 0 AND j.kind IN ({}) \
             AND j.recorded_at >= $1 AND j.recorded_at < $2 \
             AND (j.recorded_at, j.wallet, j.seq) > ($3, $4, $5) \
             ORDER BY j.recorded_at, j.wallet, j.seq LIMIT {}",
            self.rows.table(),
            kinds.join(", "),
            self.keys_per_chunk
        );
        let (instant, wallet, seq) = self.after;
        let values: Vec<Value> = vec![
            instant.micros().into(),
            self.to.micros().into(),
            instant.micros().into(),
            wallet.uuid().into(),
            seq.into(),
        ];
        let rows = self.store.reads.query_all_raw(statement(self.store.dialect, &sql, values)).await?;
        self.is_last = rows.len() < self.keys_per_chunk;
        for row in &rows {
            let KeyRow { recorded_at, wallet, seq } = KeyRow::from_query_result(row, "")?;
            let instant = Timestamp::from_micros_saturating(recorded_at);
            self.keys.push_back((instant, WalletId::from_uuid(wallet), seq));
        }
        self.after = self.keys.back().copied().unwrap_or(self.after);
        Ok(())
    }
}

/// What is sealed of wallets that did something since, from the last snapshot before it on.
const LATE: &str = "(SELECT recorded_at, wallet, seq, line, kind FROM postings \
     UNION ALL SELECT s.recorded_at, s.wallet, s.seq, s.line, s.kind \
     FROM wallets w CROSS JOIN sealed_postings s WHERE w.recorded_at >= $1 \
     AND s.bucket = w.bucket AND s.wallet = w.wallet AND s.seq > COALESCE((SELECT MAX(n.seq) FROM snapshots n \
     WHERE n.bucket = w.bucket AND n.wallet = w.wallet AND n.recorded_at < $1), 0))";

impl Rows {
    fn table(self) -> &'static str {
        match self {
            Rows::All => "journal",
            Rows::Late => LATE,
        }
    }
}
