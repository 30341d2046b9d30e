//! The statement of a wallet: every line of its journal, newest first.

use kernel::{Credits, GrantId, HoldId, Seq, Timestamp, WalletId};
use ledger::{Account, Entry, EntryKind, Line, due};
use serde::{Deserialize, Serialize};
use store::journal::{self, Row};

use crate::about::from_json;
use crate::{App, AppError, CustomerRef, Page, PageRequest, Principal, Scope, customers};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    pub wallet: WalletId,
    pub seq: Seq,
    pub line: i16,
    pub kind: EntryKind,
    pub from: Account,
    pub to: Account,
    pub credits: Credits,
    pub grant: Option<GrantId>,
    pub hold: Option<HoldId>,
    /// Balances after it.
    pub available: Credits,
    pub held: Credits,
    pub debt: Credits,
    pub recorded_at: Timestamp,
    /// The instant of an expiry or a lapse, else `recorded_at`.
    pub effective_at: Timestamp,
    /// False for what time has done and nobody has written yet; its seq is the one it will get.
    pub is_posted: bool,
    /// What the command was for, on its line 0 only.
    pub feature: Option<String>,
    pub model: Option<String>,
    pub reason: Option<String>,
}

/// What a statement shows of a command's facts.
#[derive(Default, Deserialize)]
struct Said {
    priced: Option<SaidPrice>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct SaidPrice {
    feature: String,
    model: String,
}

pub async fn list(
    app: &App,
    by: &Principal,
    customer: &CustomerRef,
    page: &PageRequest,
) -> Result<Page<Posting>, AppError> {
    by.require_own(Scope::Read)?;
    let limit = page.limit()?;
    let before = page.after(cursor)?;
    let known = customers::in_path(app, by, customer).await?;
    let rows = newest(app, known.wallet, before, limit + 1).await?;
    Ok(Page::cut(rows, limit, |row| format!("{}.{}", row.seq, row.line)))
}

/// Due lines come first: they have the highest numbers.
async fn newest(
    app: &App,
    wallet: WalletId,
    before: Option<(Seq, i16)>,
    count: u64,
) -> Result<Vec<Posting>, AppError> {
    let Some(state) = store::wallets::read(app.store(), wallet).await? else { return Ok(Vec::new()) };
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let is_older = |p: &Posting| before.is_none_or(|key| (p.seq, p.line) < key);
    let mut rows: Vec<Posting> =
        due(&state, app.now())?.iter().flat_map(|entry| due_lines(wallet, entry)).collect();
    rows.reverse();
    rows.retain(is_older);
    rows.truncate(limit);
    let missing = limit - rows.len();
    if missing > 0 {
        // What was posted since the wallet was read would show twice, as due and as posted.
        let end = (state.seq + 1, 0);
        let before = Some(before.map_or(end, |key| key.min(end)));
        let count = u64::try_from(missing).unwrap_or(u64::MAX);
        let posted = journal::page(app.store(), wallet, before, count).await?;
        rows.extend(posted.iter().map(|row| posted_line(wallet, row)));
    }
    Ok(rows)
}

fn cursor(text: &str) -> Option<(Seq, i16)> {
    let (seq, line) = text.split_once('.')?;
    Some((seq.parse().ok()?, line.parse().ok()?))
}

fn posted_line(wallet: WalletId, row: &Row) -> Posting {
    // Facts that cannot be read are missing on the statement; the receipt tells the failure.
    let said: Said = row.about.as_deref().and_then(|about| from_json(about).ok()).unwrap_or_default();
    let (feature, model) = said.priced.map(|priced| (priced.feature, priced.model)).unzip();
    Posting {
        feature,
        model,
        reason: said.reason,
        recorded_at: row.recorded_at,
        effective_at: row.effective_at,
        hold: row.hold.map(|seq| HoldId { wallet, seq }),
        is_posted: true,
        ..posting(wallet, row.kind, (row.seq, row.line_number), &row.line)
    }
}

fn due_lines(wallet: WalletId, entry: &Entry) -> Vec<Posting> {
    let number = |i: usize| i16::try_from(i).unwrap_or(i16::MAX);
    let line = |(i, line): (usize, &Line)| Posting {
        recorded_at: entry.recorded_at,
        effective_at: entry.effective_at,
        hold: entry.hold.map(|seq| HoldId { wallet, seq }),
        is_posted: false,
        ..posting(wallet, entry.kind, (entry.seq, number(i)), line)
    };
    entry.lines.iter().enumerate().map(line).collect()
}

fn posting(wallet: WalletId, kind: EntryKind, (seq, number): (Seq, i16), line: &Line) -> Posting {
    Posting {
        wallet,
        seq,
        line: number,
        kind,
        from: line.from,
        to: line.to,
        credits: line.amount,
        grant: line.lot.map(|seq| GrantId { wallet, seq }),
        hold: None,
        available: line.available_after,
        held: line.held_after,
        debt: line.debt_after,
        recorded_at: Timestamp::EPOCH,
        effective_at: Timestamp::EPOCH,
        is_posted: true,
        feature: None,
        model: None,
        reason: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_seq_and_a_line() {
        assert_eq!(cursor("12.3"), Some((12, 3)));
        for text in ["", "12", "12.", ".3", "a.b", "1.2.3"] {
            assert_eq!(cursor(text), None, "{text}");
        }
    }
}
