use app::overview::{self, Overview};
use app::verification::{self, Verification};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use kernel::Credits;
use ledger::Account;
use site::{Failure, Form, Member, Shell, credits, instant, render};

use crate::list::Nothing;
use crate::{Console, by, shell};

#[derive(Template)]
#[template(path = "console/overview.html")]
pub struct OverviewPage {
    pub shell: Shell,
    pub as_of: String,
    pub check: Check,
    pub tiles: Vec<Tile>,
    /// Of the last check, all of one walk through the journal.
    pub checked: Vec<Tile>,
}

/// One number; `path` leads to the rows that it counts.
pub struct Tile {
    pub label: &'static str,
    pub value: String,
    pub path: &'static str,
    /// Somebody should look.
    pub is_alarming: bool,
}

pub struct Check {
    /// `green`, `red`, or `none` before the first.
    pub state: &'static str,
    pub sentence: String,
    pub described: Vec<String>,
    /// Another one was asked for or is under way.
    pub is_running: bool,
}

pub async fn show(State(console): State<Console>, member: Member) -> Result<Response, Failure> {
    let overview = overview::overview(console.site.app(), &by(&member)).await?;
    let page = page(shell("Overview", "/console", &member), &overview);
    Ok(member.visitor.page(render(&page)?))
}

/// Has everything recomputed in the background.
pub async fn verify(
    State(console): State<Console>,
    member: Member,
    Form { visitor, .. }: Form<Nothing>,
) -> Result<Response, Failure> {
    verification::ask(console.site.app(), &by(&member)).await?;
    Ok(visitor.redirect("/console", Some("verifying")))
}

pub fn page(shell: Shell, overview: &Overview) -> OverviewPage {
    let calm = |label, value: String, path| Tile { label, value, path, is_alarming: false };
    let failed =
        |label, count: u64, path| Tile { label, value: count.to_string(), path, is_alarming: count > 0 };
    let tiles = vec![
        calm("Credits outstanding", credits(overview.outstanding), "/console/customers"),
        calm("Customers", overview.customers.to_string(), "/console/customers"),
        calm("Open holds", overview.open_holds.to_string(), "/console/customers"),
        failed("Reported problems", overview.open_problems, "/console/problems?state=open"),
        failed("Failed gateway events", overview.failed_events, "/console/webhooks?state=failed"),
        failed("Failed work", overview.failed_work, "/console/outbox?state=failed"),
        failed("Failed mails", overview.failed_mails, "/console/mails?state=failed"),
    ];
    OverviewPage {
        shell,
        as_of: instant(overview.as_of),
        check: Check { is_running: overview.is_verifying, ..check(overview.verified.as_ref()) },
        tiles,
        checked: overview.verified.as_ref().map(checked).unwrap_or_default(),
    }
}

fn check(verified: Option<&Verification>) -> Check {
    let Some(run) = verified else {
        let sentence = "No check has run yet.".to_owned();
        return Check { state: "none", sentence, described: Vec::new(), is_running: false };
    };
    let (at, found) = (instant(run.finished_at), &run.found);
    let (state, sentence) = match run.breaks {
        0 => {
            let parts = [
                (found.wallets, "wallet"),
                (found.postings, "posting"),
                (found.lots, "lot"),
                (found.holds, "hold"),
            ];
            let counts = parts.map(|(count, unit)| counted(count, unit)).join(", ");
            ("green", format!("Every balance follows from the journal: {counts}. Checked {at}."))
        }
        breaks => {
            let breaks = counted(breaks, "difference");
            ("red", format!("{breaks} between balances and the journal. Checked {at}."))
        }
    };
    Check { state, sentence, described: found.described.clone(), is_running: false }
}

/// `1 wallet`, `2 wallets`
fn counted(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{} {unit}s", thousands(count)) }
}

/// Written as credits are.
fn thousands(count: u64) -> String {
    i64::try_from(count).map_or_else(|_| count.to_string(), |count| credits(Credits::whole(count)))
}

fn checked(run: &Verification) -> Vec<Tile> {
    let found = &run.found;
    let of = |account| found.totals.get(&account).copied().unwrap_or(0);
    let tile = |label, micros: i128, path| Tile { label, value: total(micros), path, is_alarming: false };
    let count = |label, count: u64| Tile {
        label,
        value: count.to_string(),
        path: "/console/unpaid",
        is_alarming: count > 0,
    };
    vec![
        tile("Credits sold", found.sold, "/console/customers"),
        tile("Credits used", of(Account::Spent), "/console/customers"),
        tile("Credits expired", of(Account::Expired), "/console/customers"),
        tile("Credits revoked", of(Account::Revoked), "/console/audit"),
        count("Unbilled reports", found.unbilled),
        count("Unrated reports", found.unrated),
    ]
}

/// Sums over all wallets may exceed what one wallet can hold.
fn total(micros: i128) -> String {
    match i64::try_from(micros) {
        Ok(micros) => credits(Credits::from_micros(micros)),
        Err(_) => format!("{micros} millionths"),
    }
}
