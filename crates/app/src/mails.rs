//! The outbox of mails: a row with the change it tells about, sent afterwards by the worker.

use kernel::{Timestamp, new_uuid};
use mail::{Letter, Mail, Transport};
use serde::{Deserialize, Serialize};
use store::cold::mails::{self, FAILED, Keep, PENDING, SENT};
use store::{DatabaseTransaction, StoreError};
use uuid::Uuid;

use crate::accounts::Session;
use crate::audit::{self, Noted};
use crate::{App, AppError, Page, PageRequest, Principal, Scope};

/// Mails of one run.
const BATCH: u64 = 50;
/// Then the mail is given up and shows as failed.
const ATTEMPTS_MAX: i16 = 10;
/// How long one process has a mail to itself; longer than any SMTP timeout.
const LEASE_SECONDS: i64 = 120;
/// The first pause after a failure; each later one is twice as long, up to a day.
const FIRST_PAUSE_SECONDS: i64 = 60;
const LONGEST_PAUSE_SECONDS: i64 = 86_400;
/// Beginnings of the keys of mails whose link is as good as a password. Their text is kept until they are
/// sent or given up, and no longer.
const SECRET_KEYS: [&str; 3] = ["password_reset/", "welcome:", "verify:"];
/// What stands before the secret in such a link.
const TOKEN: &str = "token=";

/// A mail to be sent once per `key`.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// Such as `receipt:chk_…`, `expiring:grt_…:7`, `welcome:<account>`.
    pub key: String,
    pub recipient: String,
    pub letter: Letter,
}

/// A mail as operators see it: without the secrets of its links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMail {
    pub id: Uuid,
    pub key: String,
    pub recipient: String,
    pub subject: String,
    /// Empty when it was a secret and its mail has ended.
    pub text: String,
    pub html: String,
    pub state: MailState,
    pub attempts: i16,
    pub next_attempt_at: Timestamp,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    Pending,
    Sent,
    Failed,
}

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    pub sent: u64,
    /// Tried again later.
    pub put_off: u64,
    /// Given up.
    pub failed: u64,
}

/// Puts a mail into the outbox of `txn`; false when there was one with this key. An address that no
/// mail server takes is an error here, before anything is stored.
pub async fn enqueue(txn: &DatabaseTransaction, new: NewMail, now: Timestamp) -> Result<bool, AppError> {
    mail::check_recipient(&new.recipient).map_err(|e| AppError::invalid("recipient", e.to_string()))?;
    let row = mails::Model {
        id: new_uuid(),
        key: new.key,
        recipient: new.recipient,
        subject: new.letter.subject,
        text: new.letter.text,
        html: new.letter.html,
        state: PENDING.to_owned(),
        attempts: 0,
        next_attempt_at: now.micros(),
        created_at: now.micros(),
        sent_at: None,
        error: None,
    };
    Ok(mails::insert_once(txn, row).await?)
}

/// [`enqueue`] in a transaction of its own.
pub async fn post(app: &App, new: NewMail) -> Result<bool, AppError> {
    let txn = app.store().write().await?;
    let is_new = enqueue(&txn, new, app.now()).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(is_new)
}

/// Sends what is due, at most [`BATCH`] mails. Two processes never send one mail at once; a crash
/// between sending and noting it sends it again, with the same Message-ID.
pub async fn send_due(app: &App, transport: &Transport) -> Result<Run, AppError> {
    let mut run = Run::default();
    for row in mails::due(app.store().reader(), app.now().micros(), BATCH).await? {
        let lease = app.now().plus_seconds(LEASE_SECONDS).micros();
        if mails::claim(app.store().writer(), &row, lease).await? {
            send(app, transport, row, &mut run).await?;
        }
    }
    Ok(run)
}

async fn send(app: &App, transport: &Transport, row: mails::Model, run: &mut Run) -> Result<(), AppError> {
    let (id, attempts) = (row.id, row.attempts.saturating_add(1));
    let keep = if is_secret(&row.key) { Keep::Nothing } else { Keep::Text };
    let letter = Letter { subject: row.subject, text: row.text, html: row.html };
    let created_at = Timestamp::from_micros_saturating(row.created_at);
    let mail = Mail { id, recipient: row.recipient, letter, created_at };
    let db = app.store().writer();
    let error = match transport.send(&app.config().mail_from, &mail).await {
        Ok(()) => {
            run.sent += 1;
            return Ok(mails::mark_sent(db, id, app.now().micros(), keep).await?);
        }
        Err(error) => error,
    };
    let is_final = error.is_final() || attempts >= ATTEMPTS_MAX;
    let retry_at = (!is_final).then(|| app.now().plus_seconds(pause_seconds(attempts)).micros());
    if is_final {
        run.failed += 1
    } else {
        run.put_off += 1
    }
    Ok(mails::mark_failed(db, id, described(&error), retry_at, keep).await?)
}

fn pause_seconds(attempts: i16) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(20);
    (FIRST_PAUSE_SECONDS << doublings).min(LONGEST_PAUSE_SECONDS)
}

/// The error with its causes; mail servers say why.
fn described(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The outbox, newest first.
pub async fn list(
    app: &App,
    by: &Principal,
    state: Option<MailState>,
    page: &PageRequest,
) -> Result<Page<SentMail>, AppError> {
    by.require(Scope::Admin)?;
    let limit = page.limit()?;
    let before = page.after(|cursor| cursor.parse::<Uuid>().ok())?;
    let rows = mails::page(app.store().reader(), state.map(MailState::as_str), before, limit + 1).await?;
    let rows = rows.into_iter().map(sent_mail).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::cut(rows, limit, |mail| mail.id.to_string()))
}

pub async fn get(app: &App, by: &Principal, id: Uuid) -> Result<SentMail, AppError> {
    by.require(Scope::Admin)?;
    let row = mails::by_id(app.store().reader(), id).await?;
    sent_mail(row.ok_or(AppError::not_found("mail"))?)
}

/// Tries a failed mail again from the start. One with a secret link is asked for anew by its reader.
pub async fn retry(app: &App, by: &Session, id: Uuid) -> Result<(), AppError> {
    by.user.principal().require(Scope::Admin)?;
    let txn = app.store().write().await?;
    let is_renewed = mails::retry(&txn, id, app.now().micros()).await?;
    if is_renewed {
        let (action, subject) = ("mail.retry", id.to_string());
        let noted = Noted { by, action, subject, customer: None, reason: "", before: FAILED, after: PENDING };
        audit::note(&txn, noted, app.now()).await?;
    }
    txn.commit().await.map_err(StoreError::from)?;
    if is_renewed {
        return Ok(());
    }
    let detail = "only a mail that failed and whose text is kept can be sent again".to_owned();
    Err(AppError::Conflict { code: "mail_not_failed", detail })
}

fn is_secret(key: &str) -> bool {
    SECRET_KEYS.iter().any(|kind| key.starts_with(kind))
}

/// The text with `…` in place of each link's secret.
fn masked(text: &str) -> String {
    let mut parts = text.split(TOKEN);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        shown.push_str(TOKEN);
        shown.push('…');
        shown.push_str(part.trim_start_matches(is_token));
    }
    shown
}

fn sent_mail(row: mails::Model) -> Result<SentMail, AppError> {
    let corrupt = || StoreError::Corrupt(format!("mail {}: state {}", row.id, row.state));
    let state = MailState::of(&row.state).ok_or_else(corrupt)?;
    Ok(SentMail {
        id: row.id,
        key: row.key,
        recipient: row.recipient,
        subject: row.subject,
        text: masked(&row.text),
        html: masked(&row.html),
        state,
        attempts: row.attempts,
        next_attempt_at: Timestamp::from_micros_saturating(row.next_attempt_at),
        created_at: Timestamp::from_micros_saturating(row.created_at),
        sent_at: row.sent_at.map(Timestamp::from_micros_saturating),
        error: row.error,
    })
}

impl MailState {
    pub fn of(text: &str) -> Option<MailState> {
        [MailState::Pending, MailState::Sent, MailState::Failed].into_iter().find(|s| s.as_str() == text)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            MailState::Pending => PENDING,
            MailState::Sent => SENT,
            MailState::Failed => FAILED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_wherever_it_stands() {
        let text = "https://a.example/reset?token=3q2-7w_X\nor <a href=\"/verify?token=aB\">x</a> token";
        let shown = "https://a.example/reset?token=…\nor <a href=\"/verify?token=…\">x</a> token";
        assert_eq!(masked(text), shown);
    }

    #[test]
    fn pauses_double_up_to_a_day() {
        assert_eq!([1, 2, 3, 11, i16::MAX].map(pause_seconds), [60, 120, 240, 61_440, 86_400]);
    }
}
