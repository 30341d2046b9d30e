//! A wallet's statement of a period: opening + grants - usage - expired ± adjustments = closing, and
//! its rows, one per command. What counts is the total: available + held - debt.

mod search;
mod used;

use kernel::{Credits, GrantId, HoldId, ReceiptId, Seq, Timestamp, WalletId};
use ledger::{Account, Entry, EntryKind, GrantKind, Line, Restriction, Terms, due};
use serde::Deserialize;
use store::statement::{self, Moved};

use crate::about::from_json;
use crate::charge::is_receipt;
use crate::{App, AppError, CustomerRef, Page, PageRequest, Principal, Scope, customers};

pub use search::{Filter, Kind, search};
pub use used::{Dimension, Group, Sum, USAGE_ENTRIES_MAX, Used, used};

/// A half-open stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
}

/// The identity holds exactly: `opening + granted - used - expired + adjusted = closing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub opening: Credits,
    pub granted: Credits,
    pub used: Credits,
    pub expired: Credits,
    /// Reversals, clawbacks and voided grants; negative when they took more than they gave.
    pub adjusted: Credits,
    pub closing: Credits,
    /// Newest first.
    pub rows: Page<Row>,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub seq: Seq,
    pub kind: EntryKind,
    /// When it took effect.
    pub at: Timestamp,
    /// Change of the total.
    pub credits: Credits,
    /// Set aside (positive) or given back from being set aside (negative).
    pub held: Credits,
    /// Work that nobody paid for.
    pub uncovered: Credits,
    /// The total after it.
    pub balance: Credits,
    pub receipt: Option<ReceiptId>,
    pub hold: Option<HoldId>,
    pub grant: Option<GrantId>,
    pub grant_kind: Option<GrantKind>,
    pub feature: Option<String>,
    pub model: Option<String>,
    pub subject: Option<String>,
    pub job: Option<String>,
    pub reason: Option<String>,
    /// That this entry made.
    pub restriction: Option<Restriction>,
    pub is_reversed: bool,
    /// False for what time has done and nobody has written yet.
    pub is_posted: bool,
}

/// Steps of a hold that are shown.
const STEPS_MAX: u64 = 200;

/// Which entries belong to a period, posted ones by their seqs.
struct Found {
    wallet: WalletId,
    first: Seq,
    last: Seq,
    due: Vec<Entry>,
    /// What time has done before the period and nobody has written yet.
    due_before: Vec<Entry>,
}

/// What a row shows of a command's facts.
#[derive(Default, Deserialize)]
struct Said {
    priced: Option<SaidPrice>,
    reason: Option<String>,
    subject: Option<String>,
    job: Option<String>,
}

#[derive(Deserialize)]
struct SaidPrice {
    feature: String,
    model: String,
}

pub async fn statement(
    app: &App,
    by: &Principal,
    customer: &CustomerRef,
    period: Period,
    page: &PageRequest,
) -> Result<Statement, AppError> {
    by.require_own(Scope::Read)?;
    let limit = page.limit()?;
    let before: Option<Seq> = page.after(|cursor| cursor.parse().ok())?;
    let known = customers::in_path(app, by, customer).await?;
    let found = find(app, known.wallet, period).await?;
    let opening = match (found.due_before.as_slice(), found.first) {
        ([], 1) => Credits::ZERO,
        ([], first) => {
            total_after(&statement::entries(app.store(), known.wallet, first - 1, first - 1).await?)
        }
        (due, _) => total_after(due),
    };
    let mut moved = statement::moved(app.store(), known.wallet, found.first, found.last).await?;
    moved.extend(found.due.iter().flat_map(|entry| entry.lines.iter().map(|line| of_line(entry, line))));
    let rows = rows(app, &found, before, limit + 1).await?;
    Ok(sum(opening, &moved, Page::cut(rows, limit, |row| row.seq.to_string())))
}

/// Newest first: what is due has the highest seqs.
async fn rows(app: &App, found: &Found, before: Option<Seq>, count: u64) -> Result<Vec<Row>, AppError> {
    let is_older = |entry: &&Entry| before.is_none_or(|seq| entry.seq < seq);
    let mut rows: Vec<Row> =
        found.due.iter().filter(is_older).map(|entry| row(found.wallet, entry, false)).collect();
    let last = before.map_or(found.last, |seq| found.last.min(seq - 1));
    let first = found.first.max(last.saturating_sub(i64::try_from(count).unwrap_or(i64::MAX)) + 1);
    if first <= last {
        let undone = statement::reversed(app.store(), found.wallet, first, last).await?;
        let entries = statement::entries(app.store(), found.wallet, first, last).await?;
        let posted = entries
            .iter()
            .map(|entry| Row { is_reversed: undone.contains(&entry.seq), ..row(found.wallet, entry, true) });
        rows = posted.chain(rows).collect();
    }
    rows.reverse();
    rows.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    Ok(rows)
}

async fn find(app: &App, wallet: WalletId, period: Period) -> Result<Found, AppError> {
    let Some(state) = store::wallets::read(app.store(), wallet).await? else {
        return Ok(Found { wallet, first: 1, last: 0, due: Vec::new(), due_before: Vec::new() });
    };
    let first = statement::first_since(app.store(), wallet, period.from, state.seq).await?;
    let end = statement::first_since(app.store(), wallet, period.to, state.seq).await?;
    let (due_before, mut due): (Vec<Entry>, Vec<Entry>) =
        due(&state, app.now())?.into_iter().partition(|entry| entry.effective_at < period.from);
    due.retain(|entry| entry.effective_at < period.to);
    Ok(Found { wallet, first, last: end - 1, due, due_before })
}

fn sum(opening: Credits, moved: &[Moved], rows: Page<Row>) -> Statement {
    // One wallet's credits were added up by the ledger before, so they fit.
    let total = |counts: fn(&Moved) -> bool| {
        Credits::from_micros(moved.iter().filter(|m| counts(m)).map(|m| effect(m).micros()).sum())
    };
    let minus = |credits: Credits| Credits::from_micros(-credits.micros());
    let granted = total(|m| m.kind == EntryKind::Grant);
    let used = total(is_use);
    let expired = total(|m| m.to == Account::Expired);
    let adjusted = total(|m| m.kind != EntryKind::Grant && !is_use(m) && m.to != Account::Expired);
    let closing = total(|_| true).micros() + opening.micros();
    Statement {
        opening,
        granted,
        used: minus(used),
        expired: minus(expired),
        adjusted,
        closing: Credits::from_micros(closing),
        rows,
    }
}

fn is_use(moved: &Moved) -> bool {
    moved.to == Account::Spent
}

/// What a movement does to available + held - debt: debt grows when it is the source.
fn effect(moved: &Moved) -> Credits {
    match (is_wallets(moved.from), is_wallets(moved.to)) {
        (true, false) => Credits::from_micros(-moved.micros),
        (false, true) => Credits::from_micros(moved.micros),
        _ => Credits::ZERO,
    }
}

fn is_wallets(account: Account) -> bool {
    matches!(account, Account::Available | Account::Held | Account::Debt)
}

fn of_line(entry: &Entry, line: &Line) -> Moved {
    Moved { kind: entry.kind, from: line.from, to: line.to, micros: line.amount.micros() }
}

fn total_after(entries: &[Entry]) -> Credits {
    let last = entries.last().and_then(|entry| entry.lines.last());
    last.map_or(Credits::ZERO, |l| {
        Credits::from_micros(l.available_after.micros() + l.held_after.micros() - l.debt_after.micros())
    })
}

fn row(wallet: WalletId, entry: &Entry, is_posted: bool) -> Row {
    // Facts that cannot be read are missing on the statement; the receipt tells the failure.
    let said: Said = entry.about.as_deref().and_then(|about| from_json(about).ok()).unwrap_or_default();
    let (feature, model) = said.priced.map(|priced| (priced.feature, priced.model)).unzip();
    let sum = |effect: &dyn Fn(&Line) -> i64| Credits::from_micros(entry.lines.iter().map(effect).sum());
    let into = |account: Account| {
        move |line: &Line| {
            let side = |is: bool| if is { line.amount.micros() } else { 0 };
            side(line.to == account) - side(line.from == account)
        }
    };
    Row {
        seq: entry.seq,
        kind: entry.kind,
        at: entry.effective_at,
        credits: sum(&|line| effect(&of_line(entry, line)).micros()),
        held: sum(&into(Account::Held)),
        uncovered: sum(&|line| -into(Account::Uncovered)(line)),
        balance: total_after(std::slice::from_ref(entry)),
        receipt: is_receipt(entry.kind).then_some(ReceiptId { wallet, seq: entry.seq }),
        hold: entry.hold.map(|seq| HoldId { wallet, seq }),
        grant: grant_of(entry).map(|seq| GrantId { wallet, seq }),
        grant_kind: match &entry.terms {
            Terms::Lot(terms) => Some(terms.kind),
            _ => None,
        },
        restriction: match entry.terms {
            Terms::Restriction(restriction) => restriction,
            _ => None,
        },
        feature,
        model,
        subject: said.subject,
        job: said.job,
        reason: said.reason,
        is_reversed: false,
        is_posted,
    }
}

/// What happened to a hold up to `until`, oldest first: set aside, extended, captured, given back. At most
/// [`STEPS_MAX`] steps.
pub(crate) async fn of_hold(
    app: &App,
    id: HoldId,
    (expires_at, until): (Timestamp, Seq),
) -> Result<Vec<Row>, AppError> {
    let head = store::wallets::read(app.store(), id.wallet).await?.map_or(0, |state| state.seq);
    // A capture may come late; the one that is asked for is seen in any case.
    let in_time = statement::first_since(app.store(), id.wallet, expires_at.plus_seconds(1), head).await?;
    let entries = statement::of_hold(app.store(), id, in_time.max(until), STEPS_MAX).await?;
    Ok(entries.iter().map(|entry| row(id.wallet, entry, true)).collect())
}

fn grant_of(entry: &Entry) -> Option<Seq> {
    match &entry.terms {
        Terms::Lot(_) => Some(entry.seq),
        Terms::LotAfter { lot, .. } => Some(*lot),
        _ => entry.lines.first().filter(|_| entry.kind == EntryKind::Expire).and_then(|line| line.lot),
    }
}
