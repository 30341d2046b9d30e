//! The operator's first page in numbers.

use kernel::{Credits, Timestamp};
use store::cold::queue::{self, Queue};
use store::cold::risk::cases;
use store::cold::{customers, mails, problems};

use crate::history::{self, History};
use crate::verification::{self, Verification};
use crate::{App, AppError, Principal, Scope};

#[derive(Clone, Debug)]
pub struct Overview {
    pub as_of: Timestamp,
    pub customers: u64,
    /// Available and held minus debt, of all wallets.
    pub outstanding: Credits,
    pub open_holds: u64,
    /// Dead letters: gateway events, our own work, mails.
    pub failed_events: u64,
    pub failed_work: u64,
    pub failed_mails: u64,
    /// What customers reported and nobody has looked at.
    pub open_problems: u64,
    /// Of the review queue: somebody has to decide.
    pub open_cases: u64,
    /// Sold, used, expired and unpaid are numbers of the last check, so that they belong together.
    pub verified: Option<Verification>,
    /// Another check was asked for or is under way.
    pub is_verifying: bool,
    pub history: History,
}

pub async fn overview(app: &App, by: &Principal) -> Result<Overview, AppError> {
    by.require(Scope::Admin)?;
    let (db, as_of) = (app.store().reader(), app.now());
    let (outstanding, open_holds) = store::finds::outstanding(app.store()).await?;
    Ok(Overview {
        as_of,
        customers: customers::count(db).await?,
        outstanding: Credits::from_micros(outstanding),
        open_holds: u64::try_from(open_holds).unwrap_or(0),
        failed_events: queue::count(app.store(), Queue::Inbox, queue::FAILED).await?,
        failed_work: queue::count(app.store(), Queue::Outbox, queue::FAILED).await?,
        failed_mails: mails::count(db, mails::FAILED).await?,
        open_problems: problems::count(db, problems::OPEN).await?,
        open_cases: cases::count(db, cases::OPEN).await?,
        is_verifying: verification::is_running(app, by).await?,
        verified: verification::last(app, by).await?,
        history: history::history(app, by).await?,
    })
}
