//! A row of the statement in words.

use app::statements::Row;
use ledger::EntryKind;
use site::{credits, signed_credits};

use crate::words::{Names, When, grant_kind};

pub struct ActivityRow {
    pub at: When,
    pub what: String,
    /// The receipt.
    pub path: Option<String>,
    pub note: Option<String>,
    pub who: String,
    pub credits: String,
    pub balance: String,
    pub state: &'static str,
    pub tone: &'static str,
}

impl ActivityRow {
    pub fn of(row: &Row, names: &Names) -> ActivityRow {
        let (state, tone) = state(row);
        ActivityRow {
            at: When::at(row.at),
            what: what(row, names),
            path: row.receipt.map(|id| format!("/receipts/{id}")),
            note: note(row),
            who: who(row),
            credits: signed_credits(row.credits),
            balance: credits(row.balance),
            state,
            tone,
        }
    }
}

pub fn what(row: &Row, names: &Names) -> String {
    let work = || match (&row.feature, &row.model) {
        (Some(feature), Some(model)) => names.work(feature, model),
        _ => "Credits".to_owned(),
    };
    match row.kind {
        EntryKind::Grant => row.grant_kind.map_or("Credits", grant_kind).to_owned(),
        EntryKind::GrantVoid => "Grant withdrawn".to_owned(),
        EntryKind::Clawback => "Credits taken back".to_owned(),
        EntryKind::Expire => "Credits expired".to_owned(),
        EntryKind::Hold => format!("Set aside: {}", work()),
        EntryKind::Extend => format!("More set aside: {}", work()),
        EntryKind::Void => format!("Not used: {}", work()),
        EntryKind::Lapse => format!("Time was over: {}", work()),
        EntryKind::Reverse => "Charge undone".to_owned(),
        EntryKind::Debit | EntryKind::Capture | EntryKind::Unbilled => work(),
        EntryKind::Unrated => "Reported work without a price".to_owned(),
        EntryKind::Restrict => "Account on hold".to_owned(),
        EntryKind::Release => "Account no longer on hold".to_owned(),
    }
}

pub fn who(row: &Row) -> String {
    [&row.subject, &row.job].into_iter().flatten().cloned().collect::<Vec<_>>().join(" · ")
}

fn note(row: &Row) -> Option<String> {
    let set_aside = match row.kind {
        EntryKind::Hold | EntryKind::Extend => {
            Some(format!("{} set aside, nothing charged", credits(row.held)))
        }
        EntryKind::Void | EntryKind::Lapse => {
            Some(format!("0 charged, {} given back", signed_credits(row.held).trim_start_matches('\u{2212}')))
        }
        EntryKind::Restrict => Some(no_new_work(row)),
        _ => None,
    };
    let uncovered = row.uncovered.is_positive();
    let uncovered = uncovered.then(|| format!("{} more were not charged", credits(row.uncovered)));
    set_aside.or(uncovered).or_else(|| row.reason.clone())
}

fn no_new_work(row: &Row) -> String {
    let Some(restriction) = row.restriction else { return "No new work".to_owned() };
    match restriction.until {
        Some(until) => format!("No new work until {}; your credits stay yours", When::at(until).shown),
        None => "No new work for now; your credits stay yours".to_owned(),
    }
}

pub fn state(row: &Row) -> (&'static str, &'static str) {
    match row.kind {
        EntryKind::Grant => ("granted", "good"),
        EntryKind::Debit | EntryKind::Capture if row.is_reversed => ("undone", "note"),
        EntryKind::Debit | EntryKind::Capture => ("charged", ""),
        EntryKind::Hold | EntryKind::Extend => ("set aside", ""),
        EntryKind::Void | EntryKind::Lapse => ("given back", ""),
        EntryKind::Expire => ("expired", "note"),
        EntryKind::GrantVoid | EntryKind::Clawback => ("taken back", "bad"),
        EntryKind::Reverse => ("given back", "good"),
        EntryKind::Unbilled => ("not charged", "note"),
        EntryKind::Unrated => ("no price yet", "note"),
        EntryKind::Restrict => ("on hold", "bad"),
        EntryKind::Release => ("active", "good"),
    }
}
