//! What customers report about their receipts: a row that operators see, a mail to each of them, and an answer.

use kernel::{CustomerId, ReceiptId, Timestamp, new_uuid};
use mail::{Problem as ProblemMail, ProblemAnswer};
use store::StoreError;
use store::cold::problems::{self, CLOSED, OPEN};
use store::cold::{customers, users};
use uuid::Uuid;

use crate::accounts::{Role, Session};
use crate::audit::{self, Noted};
use crate::mails::{NewMail, enqueue};
use crate::text::Checks;
use crate::{App, AppError, Page, PageRequest, Principal, Scope, receipts};

/// Of a report, and of its answer.
pub const TEXT_MAX_CHARS: usize = 2_000;
/// Operators who get the mail.
const OPERATORS_MAX: u64 = 100;

/// States that a list can be narrowed to.
pub const STATES: [&str; 2] = [OPEN, CLOSED];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub id: Uuid,
    pub customer: CustomerId,
    pub customer_name: String,
    pub receipt: String,
    /// Who reported it, by mail address.
    pub reporter: String,
    pub text: String,
    pub is_open: bool,
    pub created_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    /// The operator.
    pub closed_by: Option<String>,
    /// What they wrote back.
    pub answer: Option<String>,
}

/// A customer's own receipt only; one open report of a receipt at a time.
pub async fn report(app: &App, by: &Session, receipt: ReceiptId, text: &str) -> Result<(), AppError> {
    let text = written("text", text, "must say in 1 to 2,000 characters what is wrong")?;
    let about = receipts::get(app, &by.user.principal(), receipt).await?;
    let customer = by.user.customer.ok_or(AppError::Forbidden { needs: "a customer" })?;
    let id = new_uuid();
    let row = problems::Model {
        id,
        customer: customer.uuid(),
        receipt: receipt.to_string(),
        reporter: by.user.email.clone(),
        text,
        state: OPEN.to_owned(),
        created_at: app.now().micros(),
        closed_at: None,
        closed_by: None,
        answer: None,
    };
    let db = app.store().reader();
    let name = customers::by_id(db, customer.uuid()).await?.map(|row| row.name).unwrap_or_default();
    let message = ProblemMail {
        sender: app.config().mail_from.name().to_owned(),
        customer: name,
        reporter: row.reporter.clone(),
        receipt: row.receipt.clone(),
        credits: about.credits,
        text: row.text.clone(),
        console_url: app.config().console_page(&format!("problems/{id}")),
    };
    let letter = message.letter().map_err(|e| StoreError::Corrupt(format!("problem mail: {e}")))?;
    let operators = users::of_role(db, Role::Operator.as_str(), OPERATORS_MAX).await?;
    let txn = app.store().write().await?;
    if problems::of_receipt(&txn, &row.receipt).await?.is_some_and(|last| last.state == OPEN) {
        return Err(already_reported());
    }
    // Two at once: the database lets one of them in.
    let inserted = problems::insert(&txn, row).await;
    inserted.map_err(|e| if e.is_unique_violation() { already_reported() } else { e.into() })?;
    for operator in operators {
        let key = format!("problem:{id}:{}", operator.email);
        enqueue(&txn, NewMail { key, recipient: operator.email, letter: letter.clone() }, app.now()).await?;
    }
    txn.commit().await.map_err(StoreError::from)?;
    app.bells().mails.notify_one();
    Ok(())
}

fn already_reported() -> AppError {
    let detail = "You have reported this receipt already; somebody will look at it.".to_owned();
    AppError::Conflict { code: "already_reported", detail }
}

/// The last report of a receipt, for whoever may see the receipt.
pub async fn of_receipt(app: &App, by: &Principal, receipt: ReceiptId) -> Result<Option<Problem>, AppError> {
    by.may_see_wallet(app, receipt.wallet, "receipt").await?;
    let row = problems::of_receipt(app.store().reader(), &receipt.to_string()).await?;
    Ok(row.map(|row| problem(row, String::new())))
}

/// Newest first.
pub async fn list(
    app: &App,
    by: &Principal,
    state: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Problem>, AppError> {
    by.require(Scope::Admin)?;
    let limit = page.limit()?;
    let before = page.after(|cursor| cursor.parse::<Uuid>().ok())?;
    let db = app.store().reader();
    let rows = problems::page(db, state, before, limit + 1).await?;
    let customers = rows.iter().map(|row| CustomerId::from_uuid(row.customer));
    let names = crate::customers::names(app, by, customers).await?;
    let name = |row: &problems::Model| names.get(&CustomerId::from_uuid(row.customer)).cloned();
    let found = rows.into_iter().map(|row| {
        let name = name(&row).unwrap_or_default();
        problem(row, name)
    });
    Ok(Page::cut(found.collect(), limit, |problem| problem.id.to_string()))
}

pub async fn get(app: &App, by: &Principal, id: Uuid) -> Result<Problem, AppError> {
    by.require(Scope::Admin)?;
    let db = app.store().reader();
    let row = problems::by_id(db, id).await?.ok_or(AppError::not_found("problem"))?;
    let name = customers::by_id(db, row.customer).await?.map(|customer| customer.name);
    Ok(problem(row, name.unwrap_or_default()))
}

/// Somebody has looked at it and writes back, by mail and on the receipt's page, once.
///
/// Errors: a conflict when somebody else has answered; nothing is sent then.
pub async fn answer(app: &App, by: &Session, id: Uuid, text: &str) -> Result<(), AppError> {
    by.user.principal().require(Scope::Admin)?;
    let row = problems::by_id(app.store().reader(), id).await?.ok_or(AppError::not_found("problem"))?;
    let text = written("answer", text, "must say in 1 to 2,000 characters what the customer should know")?;
    let mail = answer_mail(app, &row, &text).await?;
    let txn = app.store().write().await?;
    if !problems::answer(&txn, id, (&by.user.email, &text), app.now().micros()).await? {
        let detail = "the problem was answered before".to_owned();
        return Err(AppError::Conflict { code: "wrong_state", detail });
    }
    let customer = Some(CustomerId::from_uuid(row.customer));
    let (action, subject) = ("problem.answer", id.to_string());
    let noted = Noted { by, action, subject, customer, reason: "", before: OPEN, after: CLOSED };
    audit::note(&txn, noted, app.now()).await?;
    enqueue(&txn, mail, app.now()).await?;
    txn.commit().await.map_err(StoreError::from)?;
    app.bells().mails.notify_one();
    Ok(())
}

async fn answer_mail(app: &App, row: &problems::Model, answer: &str) -> Result<NewMail, AppError> {
    let receipt: ReceiptId = row.receipt.parse().map_err(|_| unreadable(row))?;
    let about = receipts::get(app, &Principal::system(), receipt).await?;
    let reporter = users::by_email(app.store().reader(), &row.reporter).await?;
    let message = ProblemAnswer {
        sender: app.config().mail_from.name().to_owned(),
        name: reporter.map(|user| user.name).unwrap_or_default(),
        credits: about.credits,
        text: row.text.clone(),
        answer: answer.to_owned(),
        receipt_url: app.config().portal_page(&format!("receipts/{receipt}")),
    };
    let letter = message.letter().map_err(|e| StoreError::Corrupt(format!("answer mail: {e}")))?;
    Ok(NewMail { key: format!("problem-answer:{}", row.id), recipient: row.reporter.clone(), letter })
}

fn unreadable(row: &problems::Model) -> StoreError {
    StoreError::Corrupt(format!("problem {}: receipt {}", row.id, row.receipt))
}

/// What a person wrote in a field of several lines. Lines may be broken, nothing else that is not seen may
/// be in it.
fn written(field: &'static str, text: &str, rule: &str) -> Result<String, AppError> {
    let text = text.trim().replace("\r\n", "\n");
    let is_written = (1..=TEXT_MAX_CHARS).contains(&text.chars().count())
        && !text.chars().any(|c| c.is_control() && c != '\n');
    let mut checks = Checks::default();
    checks.ensure(is_written, field, rule);
    checks.done()?;
    Ok(text)
}

fn problem(row: problems::Model, customer_name: String) -> Problem {
    Problem {
        id: row.id,
        customer: CustomerId::from_uuid(row.customer),
        customer_name,
        receipt: row.receipt,
        reporter: row.reporter,
        text: row.text,
        is_open: row.state == OPEN,
        created_at: Timestamp::from_micros_saturating(row.created_at),
        closed_at: row.closed_at.map(Timestamp::from_micros_saturating),
        closed_by: row.closed_by,
        answer: row.answer,
    }
}
