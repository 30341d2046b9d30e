//! The numbers of the overview, each with its last days where it has a history.

use app::history::History;
use app::overview::Overview;
use app::verification::Verification;
use kernel::Credits;
use ledger::Account;
use site::{Spark, credits};

/// One number; `path` leads to the rows that it counts.
pub struct Tile {
    pub label: &'static str,
    pub value: String,
    pub path: &'static str,
    /// Somebody should look.
    pub is_alarming: bool,
    pub spark: Option<Spark>,
    /// What the bars are, where they are not what the number is.
    pub bars: Option<&'static str>,
}

/// What is true now.
pub fn now(overview: &Overview) -> Vec<Tile> {
    let history = &overview.history;
    let queue = |label, count: u64, path, by_day: &[u64]| Tile {
        label,
        value: count.to_string(),
        path,
        is_alarming: count > 0,
        spark: counts(history, &format!("{label}, by the day they came"), by_day),
        bars: None,
    };
    vec![
        Tile {
            label: "Credits outstanding",
            value: credits(overview.outstanding),
            path: "/console/customers",
            is_alarming: false,
            spark: Spark::new(
                "Credits outstanding at the last check of each day",
                &history.days,
                &found(history, |run| run.outstanding()),
                total,
            ),
            bars: Some("at the last check of each day"),
        },
        Tile {
            label: "Customers",
            value: whole(overview.customers),
            path: "/console/customers",
            is_alarming: false,
            spark: counts(history, "New customers a day", &history.new_customers),
            bars: Some("new ones a day"),
        },
        Tile {
            label: "Open holds",
            value: overview.open_holds.to_string(),
            path: "/console/customers",
            is_alarming: false,
            spark: None,
            bars: None,
        },
        queue(
            "Reported problems",
            overview.open_problems,
            "/console/problems?state=open",
            &history.open_problems,
        ),
        queue("Cases to review", overview.open_cases, crate::review::PATH, &history.open_cases),
        queue(
            "Failed gateway events",
            overview.failed_events,
            "/console/webhooks?state=failed",
            &history.failed_events,
        ),
        queue("Failed work", overview.failed_work, "/console/outbox?state=failed", &history.failed_work),
        queue("Failed mails", overview.failed_mails, "/console/mails?state=failed", &history.failed_mails),
    ]
}

/// Sums of the whole journal, all of one check.
pub fn checked(run: &Verification, history: &History) -> Vec<Tile> {
    let sum = |label, path, of: &dyn Fn(&Verification) -> i128| Tile {
        label,
        value: total(of(run)),
        path,
        is_alarming: false,
        spark: gains(history, label, of, total),
        bars: Some("from check to check"),
    };
    let account =
        |account| move |run: &Verification| run.found.totals.get(&account).copied().unwrap_or_default();
    let count = |label, of: &dyn Fn(&Verification) -> u64| Tile {
        label,
        value: of(run).to_string(),
        path: "/console/unpaid",
        is_alarming: of(run) > 0,
        spark: gains(history, label, |run| of(run).into(), |count| count.to_string()),
        bars: Some("from check to check"),
    };
    vec![
        sum("Credits sold", "/console/customers", &|run| run.found.sold),
        sum("Credits used", "/console/customers", &account(Account::Spent)),
        sum("Credits expired", "/console/customers", &account(Account::Expired)),
        sum("Credits revoked", "/console/audit", &account(Account::Revoked)),
        count("Unbilled reports", &|run| run.found.unbilled),
        count("Unrated reports", &|run| run.found.unrated),
    ]
}

/// Written as credits are.
pub fn whole(count: u64) -> String {
    i64::try_from(count).map_or_else(|_| count.to_string(), |count| credits(Credits::whole(count)))
}

/// Sums over all wallets may exceed what one wallet can hold.
fn total(micros: i128) -> String {
    match i64::try_from(micros) {
        Ok(micros) => credits(Credits::from_micros(micros)),
        Err(_) => format!("{micros} millionths"),
    }
}

fn counts(history: &History, what: &str, by_day: &[u64]) -> Option<Spark> {
    let values: Vec<Option<i128>> = by_day.iter().map(|count| Some(i128::from(*count))).collect();
    Spark::new(what, &history.days, &values, |count| count.to_string())
}

/// What came from one day's check to the next.
fn gains(
    history: &History,
    label: &str,
    of: impl Fn(&Verification) -> i128,
    write: impl Fn(i128) -> String,
) -> Option<Spark> {
    let mut before = history.check_before.as_ref().map(&of);
    let gain = |found: Option<i128>| {
        let found = found?;
        let gain = before.map(|before| found - before);
        before = Some(found);
        gain
    };
    let values: Vec<Option<i128>> = found(history, &of).into_iter().map(gain).collect();
    Spark::new(&format!("{label} from check to check"), &history.days, &values, write)
}

fn found(history: &History, of: impl Fn(&Verification) -> i128) -> Vec<Option<i128>> {
    history.checks.iter().map(|run| run.as_ref().map(&of)).collect()
}
