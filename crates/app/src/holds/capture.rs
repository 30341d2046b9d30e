use std::sync::Arc;

use catalog::Overage;
use engine::{EngineCommand, Request};
use kernel::{Credits, HoldId, Quantities};
use ledger::{CaptureCharge, Command, HoldTerms, Refusal, WhenShort};

use super::{Seen, last_seen, may_change, note, read};
use crate::about::{ChargeFacts, HoldFacts, from_json, to_json};
use crate::charge::{Receipt, receipt};
use crate::submit::{request, submit_or_first};
use crate::text::{Checks, NAME_MAX_CHARS};
use crate::{App, AppError, Done, Keyed, Priced, Principal, catalogue, pricing};

/// How often a capture is priced anew because another one came in between.
const PRICING_TRIES: u32 = 16;

#[derive(Clone, Debug)]
pub struct Capture {
    pub charge: Charge,
    /// Releases what is left.
    pub is_final: bool,
    pub vendor_transaction: Option<String>,
}

/// What this capture reports, on top of earlier ones.
#[derive(Clone, Debug)]
pub enum Charge {
    /// Charged: the frozen price of all captures together less what was captured before. What describes
    /// the work (width, steps …) and is left out is as it was at authorization.
    Quantities(Quantities),
    Credits(Credits),
}

/// The charge of one try, as far as it depends on earlier captures.
struct Decided {
    charge: CaptureCharge,
    when_short: WhenShort,
    priced: Option<Priced>,
}

/// Charges a hold. After its lapse it is a debit at the frozen price.
pub async fn capture(
    app: &App,
    by: &Principal,
    id: HoldId,
    capture: Capture,
    keyed: &Keyed,
) -> Result<Done<Receipt>, AppError> {
    may_change(app, by, id).await?;
    check(&capture)?;
    by.may_vouch("vendor_transaction", capture.vendor_transaction.is_some())?;
    let keyed = &by.named(keyed)?;
    let first = prepare(app, id, last_seen(app, id).await, &capture, keyed).await;
    if let Some(done) = attempt(app, id, first, keyed).await? {
        return Ok(done);
    }
    let _turn = app.inner.capture_turns.wait(id).await;
    for _ in 1..PRICING_TRIES {
        let again = prepare(app, id, read(app, id).await, &capture, keyed).await;
        if let Some(done) = attempt(app, id, again, keyed).await? {
            return Ok(done);
        }
    }
    Err(AppError::Overloaded { retry_after_seconds: 1 })
}

/// `None` when another capture came between pricing and deciding.
async fn attempt(
    app: &App,
    id: HoldId,
    prepared: Result<Request, AppError>,
    keyed: &Keyed,
) -> Result<Option<Done<Receipt>>, AppError> {
    match submit_or_first(app, id.wallet, keyed, prepared).await {
        Err(AppError::Refused(Refusal::HoldMoved)) => Ok(None),
        Err(error) => Err(error),
        Ok(answer) => {
            note(app, id, &answer.entry);
            let value = receipt(id.wallet, &answer.entry)?;
            Ok(Some(Done { value, replayed: answer.replayed }))
        }
    }
}

fn check(capture: &Capture) -> Result<(), AppError> {
    let mut checks = Checks::default();
    if let Charge::Credits(credits) = capture.charge {
        let fits = (Credits::ZERO..=Credits::INPUT_MAX).contains(&credits);
        checks.ensure(fits, "credits", "must be 0 to 1000000000");
    }
    checks.optional_text("vendor_transaction", capture.vendor_transaction.as_ref(), NAME_MAX_CHARS);
    checks.done()
}

/// Prices the capture on top of the hold as it was seen.
async fn prepare(
    app: &App,
    id: HoldId,
    seen: Result<Arc<Seen>, AppError>,
    capture: &Capture,
    keyed: &Keyed,
) -> Result<Request, AppError> {
    let seen = seen?;
    let hold = seen.later_facts()?;
    let decided = match &capture.charge {
        Charge::Credits(credits) => in_credits(app, &hold, *credits).await?,
        Charge::Quantities(quantities) => by_price(app, &seen.terms, &hold, quantities).await?,
    };
    let command = Command::Capture {
        hold: id.seq,
        charge: decided.charge,
        is_final: capture.is_final,
        when_short: decided.when_short,
    };
    let facts = ChargeFacts {
        priced: decided.priced.map(Box::new),
        hold: Some(id),
        quote: hold.quote,
        job: hold.job,
        subject: hold.subject,
        vendor_transaction: capture.vendor_transaction.clone(),
        ..ChargeFacts::of(hold.customer)
    };
    let vendor_transaction = capture.vendor_transaction.clone();
    Ok(Request { vendor_transaction, ..request(id.wallet, keyed, EngineCommand::Ledger(command), &facts)? })
}

/// A hold of plain credits has no feature whose policy could say otherwise: its overage is absorbed.
async fn in_credits(app: &App, hold: &HoldFacts, credits: Credits) -> Result<Decided, AppError> {
    let when_short = match &hold.priced {
        Some(frozen) => {
            let version = catalogue::version(app, frozen.rate_card.version).await?;
            pricing::when_short(&version, &frozen.feature, WhenShort::Refuse)
        }
        None => pricing::overage(Overage::default(), WhenShort::Refuse),
    };
    Ok(Decided { charge: CaptureCharge::Credits(credits), when_short, priced: None })
}

async fn by_price(
    app: &App,
    terms: &HoldTerms,
    hold: &HoldFacts,
    quantities: &Quantities,
) -> Result<Decided, AppError> {
    let plain =
        || AppError::invalid("quantities", "cannot be priced: the hold is of plain credits; capture credits");
    let frozen = hold.priced.as_ref().ok_or_else(plain)?;
    let version = catalogue::version(app, frozen.rate_card.version).await?;
    let so_far: Quantities = match &terms.progress {
        Some(progress) => from_json(progress)?,
        None => Quantities::default(),
    };
    let sum = pricing::accumulate(&so_far, quantities)?;
    let described = pricing::describe(&sum, &frozen.price.quantities);
    let priced = pricing::reprice(&version, frozen, &described).map_err(pricing::invalid)?;
    let charge = CaptureCharge::Cumulative {
        total: priced.price.credits,
        captures_seen: terms.captures,
        progress: to_json(&sum)?,
    };
    let when_short = pricing::when_short(&version, &frozen.feature, WhenShort::Refuse);
    Ok(Decided { charge, when_short, priced: Some(priced) })
}
