//! Mails about abuse: to operators what happened, to the customer what is on hold and what to do. Each leaves
//! once, by its key.

use kernel::{CaseId, Credits, Seq, Timestamp};
use mail::{Answered, Appeal, CaseAlert, Digest, Fact, Held, Letter, MailError, Released};
use store::cold::risk::{appeals, cases};
use store::cold::{customers, users};
use store::{DatabaseTransaction, StoreError, Uuid};

use super::on_hold::{step_up_of, why};
use super::settings::{Settings, StepUp};
use crate::about::from_json;
use crate::accounts::Role;
use crate::mails::{NewMail, enqueue, post};
use crate::risk::cases::Reason;
use crate::{App, AppError};

/// Operators who are told.
const OPERATORS_MAX: u64 = 100;
const DAY_SECONDS: i64 = 86_400;
/// Cases that a digest counts.
const DIGEST_MAX: u64 = 10_000;
/// Customers on hold that it names, those with most at stake.
const HELD_NAMED_MAX: usize = 20;

/// A wallet was put on hold by itself: the customer is told, and operators at once when much is at stake.
pub(super) async fn of_restriction(
    app: &App,
    txn: &DatabaseTransaction,
    settings: &Settings,
    case: &cases::Model,
) -> Result<(), AppError> {
    let id = CaseId::from_uuid(case.id);
    let until = case.restricted_until.map(Timestamp::from_micros_saturating);
    let Some(customer) = customers::by_id(txn, case.customer).await? else { return Ok(()) };
    let message = Held {
        sender: sender(app),
        name: customer.name.clone(),
        why: why(case).to_owned(),
        step_up: what_to_do(step_up_of(case)).to_owned(),
        until,
        page_url: app.config().portal_page("on-hold"),
    };
    put(app, txn, format!("held:{id}:{}", case.holds), customer.email.clone(), &message.letter()).await?;
    let at_risk = Credits::from_micros(case.at_risk);
    if at_risk > settings.mail_above {
        let reasons: Vec<Reason> = from_json(&case.reasons)?;
        let message = CaseAlert {
            sender: sender(app),
            customer: customer.name,
            verdict: case.verdict.clone(),
            reasons: reasons.into_iter().map(|reason| reason.sentence).collect(),
            at_risk,
            until,
            console_url: app.config().console_page(&format!("review/{id}")),
        };
        to_operators(app, txn, &format!("case:{id}:{}", case.holds), &message.letter()).await?;
    }
    Ok(())
}

/// The wallet works again: this hold is over.
pub(super) async fn to_the_released(
    app: &App,
    case: &cases::Model,
    restriction: Seq,
) -> Result<(), AppError> {
    let id = CaseId::from_uuid(case.id);
    let Some(customer) = customers::by_id(app.store().reader(), case.customer).await? else { return Ok(()) };
    let message =
        Released { sender: sender(app), name: customer.name, balance_url: app.config().portal_page("") };
    let new = NewMail {
        key: format!("released:{id}:{restriction}"),
        recipient: customer.email,
        letter: rendered(&message.letter())?,
    };
    unless_unreachable(post(app, new).await)
}

/// A customer has something to say.
pub(super) async fn of_appeal(
    app: &App,
    txn: &DatabaseTransaction,
    (case, restriction, from): (&cases::Model, Seq, &str),
    text: &str,
) -> Result<(), AppError> {
    let id = CaseId::from_uuid(case.id);
    let customer = customers::by_id(txn, case.customer).await?;
    let message = Appeal {
        sender: sender(app),
        customer: customer.map(|row| row.name).unwrap_or_default(),
        from: from.to_owned(),
        text: text.to_owned(),
        console_url: app.config().console_page(&format!("review/{id}")),
    };
    to_operators(app, txn, &format!("appeal:{id}:{restriction}"), &message.letter()).await
}

/// An operator has answered what the customer wrote.
pub(super) async fn of_answer(
    app: &App,
    txn: &DatabaseTransaction,
    case: &cases::Model,
    (appeal, text): (&appeals::Model, &str),
) -> Result<(), AppError> {
    let Some(customer) = customers::by_id(txn, case.customer).await? else { return Ok(()) };
    let message = Answered {
        sender: sender(app),
        name: customer.name,
        appeal: appeal.text.clone(),
        text: text.to_owned(),
        page_url: app.config().portal_page("on-hold"),
    };
    let key = format!("answered:{}:{}", CaseId::from_uuid(case.id), appeal.restriction);
    put(app, txn, key, customer.email, &message.letter()).await
}

/// The world has moved away from what the model was fitted on; once a day.
pub(super) async fn of_drift(app: &App, model: &str, moved: &[(String, f64)]) -> Result<(), AppError> {
    let day = app.now().unix_seconds() / DAY_SECONDS;
    let facts =
        moved.iter().map(|(name, index)| fact(name, format!("{index:.2}"), *index >= risk::drift::REFIT));
    let title = "Use has changed since the risk model was fitted".to_owned();
    digest(
        app,
        &format!("drift:{model}:{day}"),
        (app.now().plus_seconds(-DAY_SECONDS), title, facts.collect()),
    )
    .await
}

/// Nobody watches: requests go through unjudged. Once for each time.
pub(super) async fn of_standstill(app: &App, since: Timestamp, why: Option<&str>) -> Result<(), AppError> {
    let title = "Nobody watches for abuse; requests go through".to_owned();
    let mut facts = vec![fact("The watch stands still since", kernel::text::instant(since), true)];
    facts.extend(why.map(|why| fact("What it said last", why.to_owned(), true)));
    digest(app, &format!("risk-still:{}", since.unix_seconds()), (since, title, facts)).await
}

/// One of several processes does not see what the others see: calls that it answers go unjudged. Once for each time.
pub(super) async fn of_blind_process(
    app: &App,
    process: Uuid,
    (since, why): (Timestamp, Option<&str>),
) -> Result<(), AppError> {
    let title = "One process does not watch for abuse; calls that it answers go through".to_owned();
    let mut facts = vec![
        fact("It stands still since", kernel::text::instant(since), true),
        fact("The process, as the log names it", process.to_string(), false),
    ];
    facts.extend(why.map(|why| fact("What it said last", why.to_owned(), true)));
    digest(app, &format!("risk-blind:{process}:{}", since.unix_seconds()), (since, title, facts)).await
}

/// Verdicts that nothing followed from, or signals that nobody took in. Once a day.
pub(super) async fn of_trouble(
    app: &App,
    at: Timestamp,
    (failed_acts, dropped): (i64, i64),
) -> Result<(), AppError> {
    let title = "The watch over abuse missed something".to_owned();
    let facts = vec![
        fact("Verdicts that could not be acted on", failed_acts.to_string(), failed_acts > 0),
        fact("Signals that did not fit into memory", dropped.to_string(), dropped > 0),
    ];
    let day = at.unix_seconds() / DAY_SECONDS;
    digest(app, &format!("risk-trouble:{day}"), (at, title, facts)).await
}

/// Once a day: what was opened, held and decided.
pub(crate) async fn daily(app: &App, due_at: Timestamp) -> Result<String, AppError> {
    let since = app.now().plus_seconds(-DAY_SECONDS);
    let db = app.store().reader();
    let opened = cases::opened_since(db, since.micros(), DIGEST_MAX).await?;
    let held = cases::held_since(db, since.micros(), DIGEST_MAX).await?;
    let closed = cases::closed_since(db, since.micros(), DIGEST_MAX).await?;
    let waiting = cases::count(db, cases::OPEN).await?;
    if opened.is_empty() && closed.is_empty() && waiting == 0 {
        return Ok("nothing to tell".to_owned());
    }
    let confirmed = closed.iter().filter(|case| case.decision.as_deref() == Some(cases::CONFIRMED)).count();
    let appeals = cases::appeals(db).await?;
    let mut facts = vec![
        fact("Cases that wait for a decision", waiting.to_string(), waiting > 0),
        fact("Opened in this time", opened.len().to_string(), false),
        fact("Put on hold by themselves", held.len().to_string(), false),
        fact("Customers who wrote and wait", appeals.to_string(), appeals > 0),
        fact("Confirmed", confirmed.to_string(), false),
        fact("Dismissed", (closed.len() - confirmed).to_string(), false),
    ];
    for case in held.iter().take(HELD_NAMED_MAX) {
        facts.push(of_hold(app, case).await?);
    }
    let name = format!("risk:{}", due_at.unix_seconds() / DAY_SECONDS);
    digest(app, &name, (since, "What looked like abuse today".to_owned(), facts)).await?;
    Ok(format!("{} opened, {} decided, {waiting} wait", opened.len(), closed.len()))
}

/// Who was put on hold, with what is at stake and what spoke first.
async fn of_hold(app: &App, case: &cases::Model) -> Result<Fact, AppError> {
    let customer = customers::by_id(app.store().reader(), case.customer).await?;
    let reasons: Vec<Reason> = from_json(&case.reasons)?;
    let why = reasons.into_iter().next().map(|reason| reason.sentence).unwrap_or_default();
    let name = customer.map(|row| row.name).unwrap_or_default();
    let at_risk = Credits::from_micros(case.at_risk);
    Ok(fact(&format!("{name} was put on hold. {why}"), format!("{at_risk} credits at stake"), false))
}

async fn digest(
    app: &App,
    name: &str,
    (from, title, facts): (Timestamp, String, Vec<Fact>),
) -> Result<(), AppError> {
    let digest = Digest {
        sender: sender(app),
        title,
        from,
        until: app.now(),
        facts,
        console_url: app.config().console_page("risk"),
    };
    let txn = app.store().write().await?;
    to_operators(app, &txn, &format!("digest:{name}"), &digest.letter()).await?;
    txn.commit().await.map_err(StoreError::from)?;
    app.bells().mails.notify_one();
    Ok(())
}

async fn to_operators(
    app: &App,
    txn: &DatabaseTransaction,
    name: &str,
    letter: &Result<Letter, MailError>,
) -> Result<(), AppError> {
    for operator in users::of_role(txn, Role::Operator.as_str(), OPERATORS_MAX).await? {
        put(app, txn, format!("{name}:{}", operator.email), operator.email, letter).await?;
    }
    Ok(())
}

async fn put(
    app: &App,
    txn: &DatabaseTransaction,
    key: String,
    recipient: String,
    letter: &Result<Letter, MailError>,
) -> Result<(), AppError> {
    let new = NewMail { key, recipient, letter: rendered(letter)? };
    unless_unreachable(enqueue(txn, new, app.now()).await)
}

/// An address that no mail server takes must not keep a wallet from being held or released.
fn unless_unreachable(posted: Result<bool, AppError>) -> Result<(), AppError> {
    match posted {
        Err(AppError::Invalid { .. }) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

fn rendered(letter: &Result<Letter, MailError>) -> Result<Letter, AppError> {
    match letter {
        Ok(letter) => Ok(letter.clone()),
        Err(error) => Err(StoreError::Corrupt(format!("risk mail: {error}")).into()),
    }
}

fn what_to_do(step_up: StepUp) -> &'static str {
    match step_up {
        StepUp::VerifyMail => "Confirm your mail address on that page, and new work begins at once.",
        StepUp::ConfirmCard => {
            "Buy credits with the card that you paid with before; your bank asks you to confirm it, and new work begins at once. Or write to us on that page."
        }
        StepUp::Wait => "You need not do anything: new work begins at that time.",
        StepUp::Review => "Somebody looks at it. You can tell us on that page what we should know.",
    }
}

fn sender(app: &App) -> String {
    app.config().mail_from.name().to_owned()
}

fn fact(label: &str, value: String, needs_attention: bool) -> Fact {
    Fact { label: label.to_owned(), value, needs_attention }
}
