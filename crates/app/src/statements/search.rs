//! The rows of a period that a customer looks for.

use kernel::Seq;
use ledger::{Entry, EntryKind};
use store::statement;

use super::{Found, Period, Row, find, row};
use crate::about::from_json;
use crate::text::{NAME_MAX_CHARS, is_text};
use crate::{App, AppError, CustomerRef, Page, PageRequest, Principal, Scope, customers};

/// Entries that one page looks through at most; with more the next page goes on from there.
const LOOKED_AT_MAX: i64 = 5_000;
/// Entries of one read.
const CHUNK: i64 = 500;

/// What is looked for; `None` is no condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub kind: Option<Kind>,
    pub feature: Option<String>,
    pub model: Option<String>,
    /// A job, a subject, an idempotency key, a vendor transaction, or the id of a receipt, hold or grant:
    /// as a whole.
    pub text: Option<String>,
}

/// What a customer calls kinds of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Used,
    Received,
    Held,
    Expired,
    Corrected,
    /// The account was put on hold or taken off it.
    Account,
}

impl Kind {
    pub const ALL: [Kind; 6] =
        [Kind::Used, Kind::Received, Kind::Held, Kind::Expired, Kind::Corrected, Kind::Account];

    pub const fn name(self) -> &'static str {
        match self {
            Kind::Used => "used",
            Kind::Received => "received",
            Kind::Held => "held",
            Kind::Expired => "expired",
            Kind::Corrected => "corrected",
            Kind::Account => "account",
        }
    }

    fn has(self, kind: EntryKind) -> bool {
        self == match kind {
            EntryKind::Debit | EntryKind::Capture | EntryKind::Unbilled | EntryKind::Unrated => Kind::Used,
            EntryKind::Grant => Kind::Received,
            EntryKind::Hold | EntryKind::Extend | EntryKind::Void | EntryKind::Lapse => Kind::Held,
            EntryKind::Expire => Kind::Expired,
            EntryKind::Reverse | EntryKind::Clawback | EntryKind::GrantVoid => Kind::Corrected,
            EntryKind::Restrict | EntryKind::Release => Kind::Account,
        }
    }
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    fn wants(&self, entry: &Entry, row: &Row) -> bool {
        self.kind.is_none_or(|kind| kind.has(row.kind))
            && self.feature.as_ref().is_none_or(|feature| row.feature.as_ref() == Some(feature))
            && self.model.as_ref().is_none_or(|model| row.model.as_ref() == Some(model))
            && self.text.as_ref().is_none_or(|text| is_named(entry, row, text))
    }
}

/// Newest first. A page that found nothing may still have a next one.
pub async fn search(
    app: &App,
    by: &Principal,
    customer: &CustomerRef,
    (period, filter): (Period, &Filter),
    page: &PageRequest,
) -> Result<Page<Row>, AppError> {
    by.require_own(Scope::Read)?;
    let limit = usize::try_from(page.limit()?).unwrap_or(usize::MAX);
    let before: Option<Seq> = page.after(|cursor| cursor.parse().ok())?;
    if filter.text.as_ref().is_some_and(|text| !is_text(text, NAME_MAX_CHARS)) {
        return Ok(Page { data: Vec::new(), next_cursor: None });
    }
    let known = customers::in_path(app, by, customer).await?;
    let found = find(app, known.wallet, period).await?;
    let mut rows = Vec::new();
    for entry in found.due.iter().rev().filter(|entry| before.is_none_or(|seq| entry.seq < seq)) {
        let row = row(found.wallet, entry, false);
        if filter.wants(entry, &row) {
            rows.push(row);
        }
    }
    let newest = before.map_or(found.last, |seq| found.last.min(seq - 1));
    let end = found.first.max(newest - LOOKED_AT_MAX + 1);
    let mut last = newest;
    while last >= end && rows.len() <= limit {
        let first = end.max(last - CHUNK + 1);
        rows.extend(chunk(app, &found, (first, last), filter).await?);
        last = first - 1;
    }
    let has_more = last >= found.first;
    if rows.len() > limit {
        return Ok(Page::cut(rows, page.limit()?, |row| row.seq.to_string()));
    }
    // What was not looked at yet.
    Ok(Page { data: rows, next_cursor: has_more.then(|| (last + 1).to_string()) })
}

async fn chunk(
    app: &App,
    found: &Found,
    (first, last): (Seq, Seq),
    filter: &Filter,
) -> Result<Vec<Row>, AppError> {
    let undone = statement::reversed(app.store(), found.wallet, first, last).await?;
    let entries = statement::entries(app.store(), found.wallet, first, last).await?;
    let rows = entries.iter().rev().map(|entry| {
        let is_reversed = undone.contains(&entry.seq);
        (entry, Row { is_reversed, ..row(found.wallet, entry, true) })
    });
    Ok(rows.filter(|(entry, row)| filter.wants(entry, row)).map(|(_, row)| row).collect())
}

/// A caller's idempotency key, or the id of a reported event; as the engine stores them.
fn is_key(stored: &str, text: &str) -> bool {
    let event_id = |stored: &str| {
        let (length, rest) = stored.strip_prefix("e:")?.split_once(':')?;
        rest.get(length.parse().ok()?..).map(str::to_owned)
    };
    stored.strip_prefix("k:") == Some(text) || event_id(stored).as_deref() == Some(text)
}

#[derive(Default, serde::Deserialize)]
struct Named {
    vendor_transaction: Option<String>,
}

fn is_named(entry: &Entry, row: &Row, text: &str) -> bool {
    let is = |own: &Option<String>| own.as_deref() == Some(text);
    let id = |id: Option<String>| id.as_deref() == Some(text);
    let vendor = || {
        let about = entry.about.as_deref().filter(|about| about.contains(text));
        about.and_then(|about| from_json::<Named>(about).ok()).and_then(|named| named.vendor_transaction)
    };
    is(&row.job)
        || is(&row.subject)
        || entry.key.as_ref().is_some_and(|key| is_key(&key.text, text))
        || id(row.receipt.map(|id| id.to_string()))
        || id(row.hold.map(|id| id.to_string()))
        || id(row.grant.map(|id| id.to_string()))
        || is(&vendor())
}

#[cfg(test)]
mod tests {
    use super::is_key;

    #[test]
    fn a_key_is_found_as_its_caller_wrote_it() {
        for (stored, text) in [("k:job-1", "job-1"), ("e:13:litellm-proxychatcmpl-1", "chatcmpl-1")] {
            assert!(is_key(stored, text), "{stored}");
        }
        for stored in ["s:job-1", "t:", "e:99:job-1", "e:x:job-1", "k:job-12", "job-1"] {
            assert!(!is_key(stored, "job-1"), "{stored}");
        }
    }
}
