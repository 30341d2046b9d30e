//! How long cold rows are kept whose time is over. The journal is kept for ever.

use store::cold::retention::{Passing, forget};

use crate::accounts::PASSWORD_RESET;
use crate::{App, AppError};

/// rules.md, "Idempotency": a key replays for at least this long; `idempotency_days` may be more.
pub const IDEMPOTENCY_DAYS_MIN: i64 = 90;
/// After its end a quote only explains why it is refused; what was charged from it has its own copy.
pub const QUOTE_KEPT_DAYS: i64 = 30;
/// Who asked for a new password is kept this long after the work has ended.
pub const ASKED_RESET_KEPT_DAYS: i64 = 1;
/// The log of risk signals only carries them from process to process; what they tell is in the journal.
pub const RISK_PAGES_KEPT_DAYS: i64 = 3;
const DAY_SECONDS: i64 = 86_400;
/// Rows in one statement, and statements for one table in one run; the next run goes on.
const ROWS: u64 = 1_000;
const STATEMENTS_MAX: u32 = 1_000;

/// Forgets what is older than its retention; answers what it did, for the schedule's row.
pub(crate) async fn run(app: &App) -> Result<String, AppError> {
    let days_ago = |days: i64| app.now().plus_seconds(-days * DAY_SECONDS).micros();
    let mut said = Vec::new();
    for (what, name, before) in [
        (Passing::Requests, "first answers", days_ago(app.config().idempotency_days)),
        (Passing::Quotes, "quotes", days_ago(QUOTE_KEPT_DAYS)),
        (Passing::Sessions, "sessions", days_ago(0)),
        (Passing::MailedLinks, "mailed links", days_ago(0)),
        (Passing::RiskPages, "pages of risk signals", days_ago(RISK_PAGES_KEPT_DAYS)),
        (Passing::Work(PASSWORD_RESET), "asked resets", days_ago(ASKED_RESET_KEPT_DAYS)),
    ] {
        said.push(format!("{} {name}", clean(app, what, before).await?));
    }
    Ok(format!("forgot {}", said.join(", ")))
}

async fn clean(app: &App, what: Passing, before: i64) -> Result<u64, AppError> {
    let mut forgotten = 0;
    for _ in 0..STATEMENTS_MAX {
        let rows = forget(app.store(), what, before, ROWS).await?;
        forgotten += rows;
        if rows < ROWS {
            break;
        }
    }
    Ok(forgotten)
}
