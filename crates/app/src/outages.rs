//! After nobody worked for hours, operators get one mail: how long, and what was caught up.

use kernel::Timestamp;
use mail::Fact;
use store::Queue;
use store::cold::{mails, queue, schedules, users};

use crate::accounts::Role;
use crate::{App, AppError, notices};

/// Shorter silences, such as an update of the server, are no news.
const OUTAGE_SECONDS: i64 = 6 * 3_600;
/// Operators who are told.
const OPERATORS_MAX: u64 = 100;

/// What recurs, as operators call it.
const CAUGHT_UP: [(&str, &str); 4] = [
    ("reconcile_long", "Purchases compared with the gateway"),
    ("settle_idle_wallets", "Credits expired and holds lapsed"),
    ("notices", "Customers warned"),
    ("verify", "Journal verified"),
];

/// The schedule that asks should have run at `due_at`. Told twice, it is one mail to each operator.
pub(crate) async fn tell(app: &App, due_at: Timestamp) -> Result<String, AppError> {
    let now = app.now();
    if due_at.plus_seconds(OUTAGE_SECONDS) > now {
        return Ok("no outage".to_owned());
    }
    let db = app.store().reader();
    let operators = users::of_role(db, Role::Operator.as_str(), OPERATORS_MAX).await?;
    let addresses: Vec<String> = operators.into_iter().map(|user| user.email).collect();
    let silence = silence(now.unix_seconds() - due_at.unix_seconds());
    let mut facts = vec![fact("Nothing was done by itself for", silence.clone(), false)];
    facts.extend(caught_up(app, due_at).await?);
    facts.extend(dead_letters(app).await?);
    let name = format!("catch-up:{}", due_at.unix_seconds());
    let title = format!("The worker stood still for {silence}");
    notices::digest(app, &name, &addresses, (due_at, now), &title, facts).await?;
    app.bells().mails.notify_one();
    Ok(format!("an outage of {silence}, told to {} operators", addresses.len()))
}

/// What the schedules said that ran since.
async fn caught_up(app: &App, since: Timestamp) -> Result<Vec<Fact>, AppError> {
    let rows = schedules::all(app.store().reader()).await?;
    let told = |(name, label): &(&str, &str)| {
        let row = rows.iter().find(|row| row.name == *name)?;
        let has_run = row.last_run_at.is_some_and(|at| at >= since.micros());
        let said = row.last_result.clone().filter(|_| has_run).unwrap_or_else(|| "not yet".to_owned());
        Some(fact(label, said, has_run && row.last_state.as_deref() == Some(schedules::FAILED)))
    };
    Ok(CAUGHT_UP.iter().filter_map(told).collect())
}

async fn dead_letters(app: &App) -> Result<[Fact; 3], AppError> {
    let counts = [
        ("Gateway events that failed", queue::count(app.store(), Queue::Inbox, queue::FAILED).await?),
        ("Work that failed", queue::count(app.store(), Queue::Outbox, queue::FAILED).await?),
        ("Mails that failed", mails::count(app.store().reader(), mails::FAILED).await?),
    ];
    Ok(counts.map(|(label, count)| fact(label, count.to_string(), count > 0)))
}

fn fact(label: &str, value: String, needs_attention: bool) -> Fact {
    Fact { label: label.to_owned(), value, needs_attention }
}

/// Days and hours.
fn silence(seconds: i64) -> String {
    let count = |n: i64, unit: &str| if n == 1 { format!("1 {unit}") } else { format!("{n} {unit}s") };
    let hours = seconds / 3_600;
    match (hours / 24, hours % 24) {
        (0, hours) => count(hours, "hour"),
        (days, 0) => count(days, "day"),
        (days, hours) => format!("{} and {}", count(days, "day"), count(hours, "hour")),
    }
}

#[cfg(test)]
mod tests {
    use super::silence;

    #[test]
    fn a_silence_is_told_in_days_and_hours() {
        let told = [21_600, 86_400, 90_000, 14 * 86_400 + 7_300].map(silence);
        assert_eq!(told, ["6 hours", "1 day", "1 day and 1 hour", "14 days and 2 hours"]);
    }
}
