//! Holds: authorize, extend, capture, void; lapse comes by time.

mod capture;
mod seen;

use engine::{EngineCommand, Request};
use kernel::{Credits, CustomerId, HoldId, QuoteId, Seq, Timestamp, WalletId};
use ledger::{Command, Entry, Gate, HoldState, HoldTerms, Terms};
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::about::{HoldFacts, facts};
use crate::customers::Known;
use crate::prints::{self, CallPrint};
use crate::statements::{self, Row};
use crate::submit::{request, submit, submit_or_first};
use crate::text::{Checks, NAME_MAX_CHARS};
use crate::{
    App, AppError, Context, CustomerRef, Done, Keyed, Priced, Principal, Scope, Work, customers, pricing,
    quotes, risk, wallets,
};

pub use capture::{Capture, Charge, capture};
pub(crate) use seen::{SEEN_ROOM, Seen};
use seen::{last_seen, note, read};

pub const DEFAULT_TTL_SECONDS: i64 = 900;
pub const MAX_TTL_SECONDS: i64 = 86_400;

#[derive(Clone, Debug)]
pub struct NewHold {
    pub customer: CustomerRef,
    pub basis: Basis,
    /// 1 to [`MAX_TTL_SECONDS`]; [`DEFAULT_TTL_SECONDS`] when absent.
    pub ttl_seconds: Option<i64>,
    /// The piece of work that this pays for.
    pub job: Option<String>,
    /// The end user it is for.
    pub subject: Option<String>,
    pub context: Context,
}

/// Where the amount of a hold comes from.
#[derive(Clone, Debug)]
pub enum Basis {
    Quote(QuoteId),
    Work(Work),
    Credits(Credits),
}

#[derive(Clone, Debug, Default)]
pub struct Extension {
    pub credits: Option<Credits>,
    /// From now on; never shortens.
    pub ttl_seconds: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub id: HoldId,
    pub customer: CustomerId,
    pub state: HoldState,
    /// All that was ever set aside.
    pub authorized: Credits,
    pub captured: Credits,
    pub captures: u32,
    /// Still set aside.
    pub remaining: Credits,
    pub expires_at: Timestamp,
    pub quote: Option<QuoteId>,
    /// The price of the estimate; `None` for holds of plain credits.
    pub priced: Option<Priced>,
    pub job: Option<String>,
    pub subject: Option<String>,
    pub created_at: Timestamp,
}

/// What an authorization asks the ledger for.
struct Planned {
    credits: Credits,
    gate: Gate,
    priced: Option<Priced>,
    quote: Option<QuoteId>,
    print: Option<CallPrint>,
}

pub async fn authorize(
    app: &App,
    by: &Principal,
    new: NewHold,
    keyed: &Keyed,
) -> Result<Done<Hold>, AppError> {
    by.require_own(Scope::Usage)?;
    check(&new)?;
    let known = customers::in_body(app, by, &new.customer).await?;
    let _place = app.inner.crowd.enter(known.wallet).await?;
    risk::before_work(app, known.wallet).await;
    let keyed = &by.named(keyed)?;
    let prepared = prepare(app, by, known, new, keyed).await;
    let answer = submit_or_first(app, known.wallet, keyed, prepared).await?;
    let hold = answered(known.wallet, &answer.entry)?;
    note(app, hold.id, &answer.entry);
    Ok(Done { value: hold, replayed: answer.replayed })
}

async fn prepare(
    app: &App,
    by: &Principal,
    known: Known,
    new: NewHold,
    keyed: &Keyed,
) -> Result<Request, AppError> {
    let planned = plan(app, known, &new).await?;
    let facts = HoldFacts {
        customer: known.id,
        priced: planned.priced,
        quote: planned.quote,
        job: new.job,
        subject: new.subject,
        is_customers: by.customer.is_some(),
        print: planned.print,
        created_at: None,
    };
    let ttl_seconds = new.ttl_seconds.unwrap_or(DEFAULT_TTL_SECONDS);
    let command = Command::Authorize { credits: planned.credits, ttl_seconds, gate: planned.gate };
    request(known.wallet, keyed, EngineCommand::Ledger(command), &facts)
}

pub async fn get(app: &App, by: &Principal, id: HoldId) -> Result<Hold, AppError> {
    by.require_own(Scope::Read)?;
    by.may_see_wallet(app, id.wallet, "hold").await?;
    let now = read(app, id).await?;
    let facts = now.later_facts()?;
    let mut terms = now.terms.clone();
    // A lapse is a fact of time, whether or not it was posted.
    if terms.state == HoldState::Open && terms.expires_at <= app.now() {
        terms.state = HoldState::Lapsed;
        terms.remaining = Credits::ZERO;
    }
    Ok(hold(id, &terms, facts, now.authorized.recorded_at))
}

/// What happened to the hold so far, oldest first, the entry `until` included however late it came.
pub async fn steps(app: &App, by: &Principal, id: HoldId, until: Seq) -> Result<Vec<Row>, AppError> {
    by.require_own(Scope::Read)?;
    by.may_see_wallet(app, id.wallet, "hold").await?;
    let expires_at = read(app, id).await?.terms.expires_at;
    statements::of_hold(app, id, (expires_at, until)).await
}

/// The customer's open holds, newest first, at most `limit` of them.
pub async fn open(
    app: &App,
    by: &Principal,
    customer: &CustomerRef,
    limit: usize,
) -> Result<Vec<Hold>, AppError> {
    by.require_own(Scope::Read)?;
    let known = customers::in_path(app, by, customer).await?;
    let wallet = wallets::current(app, known.wallet).await?;
    let open = wallet.holds.iter().rev().filter(|(_, hold)| hold.is_open()).take(limit);
    let mut holds = Vec::new();
    for (seq, _) in open {
        holds.push(get(app, by, HoldId { wallet: known.wallet, seq: *seq }).await?);
    }
    Ok(holds)
}

pub async fn extend(
    app: &App,
    by: &Principal,
    id: HoldId,
    extension: Extension,
    keyed: &Keyed,
) -> Result<Done<Hold>, AppError> {
    may_change(app, by, id).await?;
    check_extension(&extension)?;
    let facts = last_seen(app, id).await?.later_facts()?;
    let credits = extension.credits.unwrap_or(Credits::ZERO);
    let command = Command::Extend { hold: id.seq, credits, ttl_seconds: extension.ttl_seconds };
    apply(app, id.wallet, &by.named(keyed)?, command, &facts).await
}

/// Gives a hold back to its very lots.
pub async fn void(app: &App, by: &Principal, id: HoldId, keyed: &Keyed) -> Result<Done<Hold>, AppError> {
    may_change(app, by, id).await?;
    let facts = last_seen(app, id).await?.later_facts()?;
    apply(app, id.wallet, &by.named(keyed)?, Command::VoidHold { hold: id.seq }, &facts).await
}

/// A customer's key changes jobs that such a key began. What the merchant set aside for work of theirs is
/// the merchant's to charge or give back.
pub(crate) async fn may_change(app: &App, by: &Principal, id: HoldId) -> Result<(), AppError> {
    by.require_own(Scope::Usage)?;
    if by.customer.is_none() {
        return Ok(());
    }
    by.may_see_wallet(app, id.wallet, "hold").await?;
    if last_seen(app, id).await?.later_facts()?.is_customers {
        return Ok(());
    }
    Err(AppError::Forbidden { needs: "a merchant's key (sk_…), as the one that began this job" })
}

async fn plan(app: &App, known: Known, new: &NewHold) -> Result<Planned, AppError> {
    match &new.basis {
        Basis::Credits(credits) => {
            let gate = pricing::gate(app, None).await?;
            let print = prints::of(app, &new.context, None).await?;
            Ok(Planned { credits: *credits, gate, priced: None, quote: None, print })
        }
        Basis::Work(work) => {
            let (_, priced) = pricing::price_at(app, work, &new.context, app.now()).await?;
            let print = prints::of(app, &new.context, Some(work)).await?;
            planned(app, priced, None, print).await
        }
        Basis::Quote(id) => {
            let quote = quotes::in_body(app, known, *id).await?;
            let print = prints::of(app, &new.context, None).await?.or(quote.print);
            let mut planned = planned(app, quote.priced, Some(*id), print).await?;
            planned.gate.valid_until = Some(quote.valid_until);
            Ok(planned)
        }
    }
}

async fn planned(
    app: &App,
    priced: Priced,
    quote: Option<QuoteId>,
    print: Option<CallPrint>,
) -> Result<Planned, AppError> {
    let gate = pricing::gate(app, Some((&priced.feature, &priced.model))).await?;
    Ok(Planned { credits: priced.price.credits, gate, priced: Some(priced), quote, print })
}

fn check(new: &NewHold) -> Result<(), AppError> {
    let mut checks = Checks::default();
    if let Basis::Credits(credits) = new.basis {
        check_credits(&mut checks, credits);
    }
    check_ttl(&mut checks, new.ttl_seconds);
    checks.optional_text("job", new.job.as_ref(), NAME_MAX_CHARS);
    checks.optional_text("subject", new.subject.as_ref(), NAME_MAX_CHARS);
    new.context.check(&mut checks);
    checks.done()
}

fn check_extension(extension: &Extension) -> Result<(), AppError> {
    let mut checks = Checks::default();
    let says_something = extension.credits.is_some() || extension.ttl_seconds.is_some();
    checks.ensure(says_something, "credits", "or ttl_seconds must be given");
    if let Some(credits) = extension.credits {
        check_credits(&mut checks, credits);
    }
    check_ttl(&mut checks, extension.ttl_seconds);
    checks.done()
}

fn check_credits(checks: &mut Checks, credits: Credits) {
    checks.ensure(credits.is_positive(), "credits", "must be more than 0");
    checks.ensure(credits <= Credits::INPUT_MAX, "credits", "must be at most 1000000000");
}

fn check_ttl(checks: &mut Checks, ttl_seconds: Option<i64>) {
    let fits = ttl_seconds.is_none_or(|ttl| (1..=MAX_TTL_SECONDS).contains(&ttl));
    checks.ensure(fits, "ttl_seconds", "must be 1 to 86400");
}

async fn apply(
    app: &App,
    wallet: WalletId,
    keyed: &Keyed,
    command: Command,
    facts: &HoldFacts,
) -> Result<Done<Hold>, AppError> {
    let request = request(wallet, keyed, EngineCommand::Ledger(command), facts)?;
    let answer = submit(app, request).await?;
    Ok(Done { value: answered(wallet, &answer.entry)?, replayed: answer.replayed })
}

/// The hold right after one of its entries.
fn answered(wallet: WalletId, entry: &Entry) -> Result<Hold, AppError> {
    let (Terms::Hold(terms), Some(seq)) = (&entry.terms, entry.hold) else {
        return Err(StoreError::Corrupt(format!("entry {} is not about a hold", entry.seq)).into());
    };
    let facts: HoldFacts = facts(entry)?;
    let created_at = facts.created_at.unwrap_or(entry.recorded_at);
    Ok(hold(HoldId { wallet, seq }, terms, facts, created_at))
}

fn hold(id: HoldId, terms: &HoldTerms, facts: HoldFacts, created_at: Timestamp) -> Hold {
    Hold {
        id,
        customer: facts.customer,
        state: terms.state,
        authorized: terms.authorized,
        captured: terms.captured,
        captures: terms.captures,
        remaining: terms.remaining,
        expires_at: terms.expires_at,
        quote: facts.quote,
        priced: facts.priced,
        job: facts.job,
        subject: facts.subject,
        created_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_one_second_to_one_day() {
        for (ttl, is_fine) in [(0, false), (-1, false), (1, true), (86_400, true), (86_401, false)] {
            let extension = Extension { credits: None, ttl_seconds: Some(ttl) };
            assert_eq!(check_extension(&extension).is_ok(), is_fine, "{ttl}");
        }
    }

    #[test]
    fn an_extension_says_what_to_extend_by() {
        assert!(check_extension(&Extension::default()).is_err());
        let nothing = Extension { credits: Some(Credits::ZERO), ttl_seconds: None };
        assert!(check_extension(&nothing).is_err());
    }
}
