//! Reported usage: one-step debits, alone or in batches.

use std::collections::HashSet;

use engine::{Answer, EngineCommand, EngineError, Request};
use kernel::{Timestamp, WalletId};
use ledger::{Command, WhenShort};

use crate::about::ChargeFacts;
use crate::charge::{Receipt, receipt, receipt_of};
use crate::customers::Known;
use crate::submit::{answer_or, question, request, submit_or_first};
use crate::text::{Checks, NAME_MAX_CHARS};
use crate::{
    App, AppError, Context, CustomerRef, Done, Keyed, Principal, Scope, Work, customers, pricing, prints,
    risk,
};

/// Items of one batch.
pub const BATCH_MAX: usize = 1_000;
/// How far a reporter's clock may be ahead of ours.
const FUTURE_SECONDS: i64 = 300;

#[derive(Clone, Debug)]
pub struct NewUsage {
    pub customer: CustomerRef,
    pub work: Work,
    pub context: Context,
    pub job: Option<String>,
    pub subject: Option<String>,
    pub vendor_transaction: Option<String>,
    /// Late usage is priced by the card of this instant and drawn from the lots of now.
    pub occurred_at: Option<Timestamp>,
}

/// One item of a batch; what could not be parsed fails alone.
pub type BatchItem = Result<(NewUsage, Keyed), AppError>;

#[derive(Debug)]
pub struct BatchAnswer {
    /// One per item, in order.
    pub results: Vec<Result<Done<Receipt>, AppError>>,
    /// Every item was a replay.
    pub replayed: bool,
}

/// Charges work that is done; refused as a whole when the wallet is short.
pub async fn report(
    app: &App,
    by: &Principal,
    new: NewUsage,
    keyed: &Keyed,
) -> Result<Done<Receipt>, AppError> {
    by.require_own(Scope::Usage)?;
    let keyed = &by.named(keyed)?;
    check(app, by, &new)?;
    let known = customers::in_body(app, by, &new.customer).await?;
    let _place = app.inner.crowd.enter(known.wallet).await?;
    risk::before_work(app, known.wallet).await;
    let (prepared, facts) = apart(prepare(app, known, new, keyed).await);
    done(known.wallet, submit_or_first(app, known.wallet, keyed, prepared).await?, facts)
}

fn apart(
    prepared: Result<(Request, ChargeFacts), AppError>,
) -> (Result<Request, AppError>, Option<ChargeFacts>) {
    match prepared {
        Ok((request, facts)) => (Ok(request), Some(facts)),
        Err(error) => (Err(error), None),
    }
}

/// The receipt of an answer; a repeat has the facts of its first try.
fn done(wallet: WalletId, answer: Answer, facts: Option<ChargeFacts>) -> Result<Done<Receipt>, AppError> {
    let value = match facts {
        Some(facts) if !answer.replayed => receipt_of(wallet, &answer.entry, facts),
        _ => receipt(wallet, &answer.entry)?,
    };
    Ok(Done { value, replayed: answer.replayed })
}

async fn prepare(
    app: &App,
    known: Known,
    new: NewUsage,
    keyed: &Keyed,
) -> Result<(Request, ChargeFacts), AppError> {
    let at = new.occurred_at.unwrap_or_else(|| app.now());
    let (_, priced) = pricing::price_at(app, &new.work, &new.context, at).await?;
    let print = prints::of(app, &new.context, Some(&new.work)).await?;
    let gate = pricing::gate(app, Some((&priced.feature, &priced.model))).await?;
    let command = Command::Debit { price: priced.price.credits, gate, when_short: WhenShort::Refuse };
    let facts = ChargeFacts {
        priced: Some(priced.into()),
        job: new.job,
        subject: new.subject,
        vendor_transaction: new.vendor_transaction.clone(),
        occurred_at: new.occurred_at,
        print,
        ..ChargeFacts::of(known.id)
    };
    let request = request(known.wallet, keyed, EngineCommand::Ledger(command), &facts)?;
    Ok((Request { vendor_transaction: new.vendor_transaction, ..request }, facts))
}

/// All items at once to the engine; not all-or-nothing. A batch is one call, however many items are one
/// customer's.
pub async fn report_batch(app: &App, by: &Principal, items: Vec<BatchItem>) -> Result<BatchAnswer, AppError> {
    by.require_own(Scope::Usage)?;
    if !(1..=BATCH_MAX).contains(&items.len()) {
        return Err(AppError::invalid("items", format!("must be 1 to {BATCH_MAX}")));
    }
    let (mut results, mut requests) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
    let named = items.iter().filter_map(|item| item.as_ref().ok()).map(|(new, _)| &new.customer);
    let strangers = customers::meet(app, named).await;
    for item in items {
        // Others have their turns between the items.
        tokio::task::consume_budget().await;
        results.push(one(app, by, item, &strangers).await.map(|(wallet, request, facts)| {
            requests.push(request);
            (wallet, facts)
        }));
    }
    let mut answers = app.engine().submit_all(requests).await.into_iter();
    let results: Vec<_> = results
        .into_iter()
        .map(|item| {
            let (wallet, prepared) = item?;
            let answer = answers.next().unwrap_or(Err(EngineError::Stopping));
            let (facts, error) = match prepared {
                Ok(facts) => (Some(facts), None),
                Err(error) => (None, Some(error)),
            };
            done(wallet, answer_or(answer, error)?, facts)
        })
        .collect();
    let replayed = results.iter().all(|result| result.as_ref().is_ok_and(|done| done.replayed));
    Ok(BatchAnswer { results, replayed })
}

/// What the engine is asked, and what goes with its answer: facts, or why the item cannot be prepared.
async fn one(
    app: &App,
    by: &Principal,
    item: BatchItem,
    strangers: &HashSet<CustomerRef>,
) -> Result<(WalletId, Request, Result<ChargeFacts, AppError>), AppError> {
    let (new, keyed) = item?;
    let keyed = by.named(&keyed)?;
    check(app, by, &new)?;
    let known = customers::in_body_unless(app, by, &new.customer, strangers).await?;
    risk::before_work(app, known.wallet).await;
    Ok(match prepare(app, known, new, &keyed).await {
        Ok((request, facts)) => (known.wallet, request, Ok(facts)),
        Err(error) => (known.wallet, question(known.wallet, &keyed), Err(error)),
    })
}

fn check(app: &App, by: &Principal, new: &NewUsage) -> Result<(), AppError> {
    let mut checks = Checks::default();
    checks.optional_text("job", new.job.as_ref(), NAME_MAX_CHARS);
    checks.optional_text("subject", new.subject.as_ref(), NAME_MAX_CHARS);
    checks.optional_text("vendor_transaction", new.vendor_transaction.as_ref(), NAME_MAX_CHARS);
    let latest = app.now().plus_seconds(FUTURE_SECONDS);
    let is_past = new.occurred_at.is_none_or(|at| at <= latest);
    checks.ensure(is_past, "occurred_at", "must not be in the future");
    new.context.check(&mut checks);
    checks.done()?;
    by.may_vouch("vendor_transaction", new.vendor_transaction.is_some())?;
    by.may_vouch("occurred_at", new.occurred_at.is_some())
}
