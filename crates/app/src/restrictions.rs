//! Restrictions: a wallet takes no new work for a while. Whoever did it and why stands in the journal, with
//! the entry, and in the audit log. Running holds, reports of finished work, grants and refunds go on.

use engine::{Answer, EngineCommand, KeyedInput, Request};
use kernel::{CustomerId, IdempotencyKey, Seq, Timestamp, WalletId, new_uuid};
use ledger::{Command, Entry, EntryKind, Restriction, StepUp, Terms};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use store::StoreError;
use uuid::Uuid;

use crate::about::{facts, to_json};
use crate::accounts::Session;
use crate::audit::{self, Act, Asked, audited};
use crate::customers::Known;
use crate::submit::submit;
use crate::text::{Checks, SENTENCE_MAX_CHARS};
use crate::{App, AppError, CustomerRef, Done, Keyed, Principal, Scope, customers, risk, wallets};

/// In the audit log.
const RESTRICT: &str = "customer.restrict";
const RELEASE: &str = "customer.release";

/// Who keeps new work out, or lets it in again.
#[derive(Clone, Copy, Debug)]
pub enum Actor<'a> {
    /// A merchant's key with the scope "admin".
    Key(&'a Principal),
    /// The rules and models of this installation.
    Risk,
    /// The customer, who did what the restriction asked for.
    Customer(CustomerId),
}

#[derive(Clone, Debug)]
pub struct NewRestriction {
    /// Exclusive; absent: until it is released.
    pub until: Option<Timestamp>,
    pub step_up: StepUp,
    /// For operators; customers do not see it.
    pub reason: String,
}

#[derive(Clone, Debug)]
pub struct NewRelease {
    /// Only this restriction, by the seq of its entry: a step-up must not end a later decision. Absent:
    /// whichever is in force.
    pub restriction: Option<Seq>,
    /// For operators; customers do not see it.
    pub reason: String,
}

/// What one of both commands did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    pub customer: CustomerId,
    /// From then on; `None`: released.
    pub restriction: Option<Restriction>,
    pub reason: String,
    /// `key`, `risk`, `customer`, or the operator's mail address.
    pub actor: String,
    /// Of its entry.
    pub seq: Seq,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Facts {
    customer: CustomerId,
    /// Not `reason`: that one is shown to customers.
    because: String,
    actor: String,
    /// Its row in the audit log.
    act: String,
}

/// Keeps new work out. Refused when the restriction in force ends later.
///
/// `keyed`: the caller's key; of risk and customers the name of the decision, such as a case and its
/// version, so that a decision is carried out once. Without one every call is a new decision.
pub async fn restrict(
    app: &App,
    by: Actor<'_>,
    customer: &CustomerRef,
    new: NewRestriction,
    keyed: Option<&Keyed>,
) -> Result<Done<Changed>, AppError> {
    let known = allowed(app, by, customer).await?;
    let command = Command::Restrict { until: new.until, step_up: new.step_up };
    let asked =
        Wanted { action: RESTRICT, input: input(new.until, new.step_up), command, reason: new.reason };
    carry_out(app, by, known, asked, keyed).await
}

/// Lets new work in again. Refused when there is no restriction in force, or another than the named one.
pub async fn release(
    app: &App,
    by: Actor<'_>,
    customer: &CustomerRef,
    new: NewRelease,
    keyed: Option<&Keyed>,
) -> Result<Done<Changed>, AppError> {
    let known = allowed(app, by, customer).await?;
    let before = in_force(app, known.wallet).await?;
    let command = Command::Release { restriction: new.restriction };
    let asked = Wanted { action: RELEASE, input: json!({}), command, reason: new.reason };
    let done = carry_out(app, by, known, asked, keyed).await?;
    tell_the_watch(app, known.wallet, before).await?;
    Ok(done)
}

/// The restriction in force with its reason and who decided it; for the merchant.
pub async fn of(app: &App, by: &Principal, customer: &CustomerRef) -> Result<Option<Changed>, AppError> {
    by.require(Scope::Read)?;
    let known = customers::in_path(app, by, customer).await?;
    let Some(restriction) = in_force(app, known.wallet).await? else { return Ok(None) };
    let made = store::journal::entry(app.store(), known.wallet, restriction.seq).await?;
    made.map(|entry| changed(&entry)).transpose()
}

/// The restriction of a customer's wallet at this moment: one indexed read.
pub async fn in_force(app: &App, wallet: WalletId) -> Result<Option<Restriction>, AppError> {
    let wallet = wallets::current(app, wallet).await?;
    Ok(wallet.restriction_at(app.now().max(wallet.recorded_at)).copied())
}

/// The restriction in force with its reason, if the watch put it.
pub(crate) async fn by_risk(app: &App, wallet: WalletId) -> Result<Option<Changed>, AppError> {
    let Some(restriction) = in_force(app, wallet).await? else { return Ok(None) };
    let made = store::journal::entry(app.store(), wallet, restriction.seq).await?;
    let made = made.map(|entry| changed(&entry)).transpose()?;
    Ok(made.filter(|made| made.actor == Actor::Risk.name()))
}

/// An operator's decision, with a form.
pub async fn restrict_as_operator(
    app: &App,
    by: &Session,
    customer: CustomerId,
    act: &Act,
    (until, step_up): (Option<Timestamp>, StepUp),
) -> Result<Changed, AppError> {
    let command = Command::Restrict { until, step_up };
    as_operator(app, by, customer, act, (RESTRICT, input(until, step_up), command)).await
}

pub async fn release_as_operator(
    app: &App,
    by: &Session,
    customer: CustomerId,
    act: &Act,
) -> Result<Changed, AppError> {
    let wallet = customers::load(app, customer).await?.wallet;
    let before = in_force(app, wallet).await?;
    let command = Command::Release { restriction: None };
    let done = as_operator(app, by, customer, act, (RELEASE, json!({}), command)).await?;
    tell_the_watch(app, wallet, before).await?;
    Ok(done)
}

/// A hold that is over now may be that of a case.
async fn tell_the_watch(app: &App, wallet: WalletId, before: Option<Restriction>) -> Result<(), AppError> {
    let Some(before) = before else { return Ok(()) };
    let now = in_force(app, wallet).await?;
    if now.is_some_and(|now| now.seq == before.seq) {
        return Ok(());
    }
    risk::was_released(app, wallet, before.seq).await
}

/// What is asked for, and under which name it is written down.
struct Wanted {
    action: &'static str,
    input: serde_json::Value,
    command: Command,
    reason: String,
}

fn input(until: Option<Timestamp>, step_up: StepUp) -> serde_json::Value {
    json!({ "until": until, "step_up": step_up })
}

async fn allowed(app: &App, by: Actor<'_>, customer: &CustomerRef) -> Result<Known, AppError> {
    match by {
        Actor::Key(principal) => {
            principal.require(Scope::Admin)?;
            customers::in_path(app, principal, customer).await
        }
        Actor::Risk | Actor::Customer(_) => {
            customers::find(app, customer).await?.ok_or(AppError::not_found("customer"))
        }
    }
}

impl Actor<'_> {
    fn name(self) -> &'static str {
        match self {
            Actor::Key(_) => "key",
            Actor::Risk => "risk",
            Actor::Customer(_) => "customer",
        }
    }

    /// As the audit log names it.
    fn audited(self) -> String {
        match self {
            Actor::Key(principal) => principal.owner.clone(),
            Actor::Risk => "risk".to_owned(),
            Actor::Customer(id) => id.to_string(),
        }
    }

    fn key(self, keyed: Option<&Keyed>, act: Uuid) -> Result<KeyedInput, AppError> {
        let Some(keyed) = keyed else {
            let key = IdempotencyKey::new(format!("restriction/{}", act.simple()));
            let key = key.map_err(|e| AppError::invalid("Idempotency-Key", e.to_string()))?;
            return Ok(KeyedInput::System { key, hash: Sha256::digest(act).into() });
        };
        let (key, hash) = (keyed.key.clone(), keyed.hash);
        Ok(match self {
            Actor::Key(_) => KeyedInput::Key { key, hash },
            Actor::Risk | Actor::Customer(_) => KeyedInput::System { key, hash },
        })
    }
}

/// The row first, then the act, then what came of it, as operators' acts are written down; a repeat ends
/// the row of its first try.
async fn carry_out(
    app: &App,
    by: Actor<'_>,
    known: Known,
    asked: Wanted,
    keyed: Option<&Keyed>,
) -> Result<Done<Changed>, AppError> {
    let reason = asked.reason.trim().to_owned();
    let mut checks = Checks::default();
    checks.text("reason", &reason, SENTENCE_MAX_CHARS);
    checks.done()?;
    let act = new_uuid();
    let key = by.key(keyed, act)?;
    if let Some(first) = app.engine().first_answer(known.wallet, &key).await? {
        return replay(app, known, &first).await;
    }
    let row = audit::New {
        id: act,
        actor: by.audited(),
        action: asked.action,
        subject: known.id.to_string(),
        customer: known.id,
        reason: reason.clone(),
        input: asked.input.to_string(),
        before: standing(app, known.wallet).await?,
    };
    audit::ask(app, row).await?;
    let facts =
        Facts { customer: known.id, because: reason, actor: by.name().to_owned(), act: act.to_string() };
    let done = post(app, known, key, asked.command, &facts).await;
    audit::conclude(app, act, &done, async || standing(app, known.wallet).await).await?;
    let answer = done?;
    Ok(Done { value: changed(&answer.entry)?, replayed: answer.replayed })
}

async fn replay(app: &App, known: Known, first: &Answer) -> Result<Done<Changed>, AppError> {
    let facts: Facts = facts(&first.entry)?;
    let unreadable = |e: uuid::Error| StoreError::Corrupt(format!("the act {}: {e}", facts.act));
    let act: Uuid = facts.act.parse().map_err(unreadable)?;
    audit::conclude(app, act, &Ok(()), async || standing(app, known.wallet).await).await?;
    Ok(Done { value: changed(&first.entry)?, replayed: true })
}

async fn as_operator(
    app: &App,
    by: &Session,
    customer: CustomerId,
    act: &Act,
    (action, input, command): (&'static str, serde_json::Value, Command),
) -> Result<Changed, AppError> {
    let wallet = customers::load(app, customer).await?.wallet;
    let known = Known { id: customer, wallet };
    let asked = Asked { by, act, action, subject: customer.to_string(), customer: Some(customer), input };
    let facts = Facts {
        customer,
        because: act.reason.trim().to_owned(),
        actor: by.user.email.clone(),
        act: act.id.to_string(),
    };
    let work = async |keyed: Keyed| {
        let key = KeyedInput::Key { key: keyed.key, hash: keyed.hash };
        changed(&post(app, known, key, command, &facts).await?.entry)
    };
    audited(app, asked, || standing(app, wallet), work).await
}

async fn post(
    app: &App,
    known: Known,
    key: KeyedInput,
    command: Command,
    facts: &Facts,
) -> Result<Answer, AppError> {
    let request = Request {
        wallet: known.wallet,
        key,
        command: EngineCommand::Ledger(command),
        about: Some(to_json(facts)?.into()),
        vendor_transaction: None,
    };
    submit(app, request).await
}

/// For the audit log: the restriction in force, or null.
async fn standing(app: &App, wallet: WalletId) -> Result<String, AppError> {
    Ok(json!({ "restriction": in_force(app, wallet).await? }).to_string())
}

fn changed(entry: &Entry) -> Result<Changed, AppError> {
    // A key that did something else before is told apart by its hash; one of ours is never used twice.
    if !matches!(entry.kind, EntryKind::Restrict | EntryKind::Release) {
        return Err(AppError::KeyReused);
    }
    let facts: Facts = facts(entry)?;
    let restriction = match entry.terms {
        Terms::Restriction(restriction) => restriction,
        _ => None,
    };
    Ok(Changed {
        customer: facts.customer,
        restriction,
        reason: facts.because,
        actor: facts.actor,
        seq: entry.seq,
        created_at: entry.recorded_at,
    })
}
