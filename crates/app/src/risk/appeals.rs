//! What customers on hold have to say, and what is answered.

use kernel::{CaseId, CustomerId, Timestamp, WalletId, new_uuid};
use serde_json::json;
use store::cold::risk::{answers, cases};
use store::{DatabaseTransaction, StoreError};

use super::cases::Reason;
use super::on_hold::{Standing, standing};
use super::{Verdict, alerts, verdict_name};
use crate::about::to_json;
use crate::accounts::Session;
use crate::audit::{Act, Asked, audited};
use crate::restrictions::Changed;
use crate::{App, AppError, wallets};

/// Of an appeal, and of an answer.
pub const APPEAL_MAX_CHARS: usize = 2_000;
/// Reason of a case that a person's hold became when the customer wrote.
pub(super) const BY_HAND: &str = "held_by_hand";

/// What an operator wrote back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    pub author: String,
    pub at: Timestamp,
}

/// Tells operators what the customer has to say; once a hold. One that a person put becomes a case by it, so that
/// it waits in the queue like the others.
pub async fn appeal(app: &App, by: &Session, text: &str) -> Result<(), AppError> {
    let text = written(text)?;
    let nothing = || AppError::Conflict {
        code: "not_on_hold",
        detail: "nothing is on hold here, or you have written already".to_owned(),
    };
    let standing = standing(app, &by.user).await?.ok_or_else(nothing)?;
    let by_hand = match &standing.case {
        Some(_) => None,
        None => Some(case_by_hand(app, &standing).await?),
    };
    let txn = app.store().write().await?;
    let case = match (standing.case, by_hand) {
        (Some(case), _) => case,
        (None, Some(new)) => opened(&txn, new).await?,
        (None, None) => return Err(nothing()),
    };
    if !cases::appeal(&txn, case.id, &text, app.now().micros()).await? {
        return Err(nothing());
    }
    alerts::of_appeal(app, &txn, (&case, &by.user.email), &text).await?;
    txn.commit().await.map_err(StoreError::from)?;
    app.bells().mails.notify_one();
    Ok(())
}

/// Answers what the customer wrote, by mail and on the page; once a case, with a row in the audit log.
pub async fn answer(app: &App, by: &Session, id: CaseId, act: &Act, text: &str) -> Result<(), AppError> {
    let text = written(text)?;
    let found = cases::by_id(app.store().reader(), id.uuid()).await?;
    let case = found.ok_or(AppError::not_found("case"))?;
    let customer = Some(CustomerId::from_uuid(case.customer));
    let input = json!({ "text": text });
    let asked = Asked { by, act, action: "case.answer", subject: id.to_string(), customer, input };
    let state = || async { to_json(&answer_of(app, id).await?.map(|answer| answer.author)) };
    let author = by.user.email.clone();
    audited(app, asked, state, async |_| {
        let conflict =
            |detail: &str| AppError::Conflict { code: "case_not_answerable", detail: detail.to_owned() };
        if case.appeal.is_none() {
            return Err(conflict("the customer has not written"));
        }
        let txn = app.store().write().await?;
        let now = app.now().micros();
        let row = answers::Model { case: case.id, text: text.clone(), author, answered_at: now };
        if !answers::insert_once(&txn, row.clone()).await? {
            // The same form sent again finds its own answer.
            let before = answers::of_case(&txn, case.id).await?;
            let is_same =
                before.is_some_and(|before| (&before.text, &before.author) == (&row.text, &row.author));
            return if is_same { Ok(()) } else { Err(conflict("the customer was answered already")) };
        }
        alerts::of_answer(app, &txn, &case, &row.text).await?;
        txn.commit().await.map_err(StoreError::from)?;
        app.bells().mails.notify_one();
        Ok(())
    })
    .await
}

pub(super) async fn answer_of(app: &App, id: CaseId) -> Result<Option<Answer>, AppError> {
    let row = answers::of_case(app.store().reader(), id.uuid()).await?;
    Ok(row.map(|row| Answer {
        text: row.text,
        author: row.author,
        at: Timestamp::from_micros_saturating(row.answered_at),
    }))
}

fn written(text: &str) -> Result<String, AppError> {
    let text = text.trim().replace("\r\n", "\n");
    let is_written = (1..=APPEAL_MAX_CHARS).contains(&text.chars().count())
        && !text.chars().any(|c| c.is_control() && c != '\n');
    if is_written { Ok(text) } else { Err(AppError::invalid("text", "must have 1 to 2,000 characters")) }
}

/// The new case, or the one that the wallet has open already, which now also stands for the hold.
async fn opened(txn: &DatabaseTransaction, new: cases::Model) -> Result<cases::Model, AppError> {
    if cases::open(txn, new.clone()).await? {
        return Ok(new);
    }
    let known = cases::open_of(txn, new.wallet).await?;
    let known = known.ok_or_else(|| StoreError::Corrupt(format!("wallet {}: open case", new.wallet)))?;
    cases::restricted(txn, known.id, true, new.restricted_until).await?;
    Ok(known)
}

/// No features: nothing is learnt from it about use.
async fn case_by_hand(app: &App, standing: &Standing) -> Result<cases::Model, AppError> {
    let Changed { customer, restriction, reason, actor, .. } = &standing.made;
    let wallet = WalletId::from_uuid(standing.wallet.uuid());
    let held = wallets::current(app, wallet).await?;
    let sentence = format!("Put on hold by {actor}: {reason}");
    let reasons = [Reason { name: BY_HAND.to_owned(), strength: 1.0, sentence }];
    Ok(cases::Model {
        verdict: verdict_name(Verdict::Restrict).to_owned(),
        reasons: to_json(&reasons)?,
        settings: app.inner.risk.policy.get().version,
        at_risk: held.available.checked_add(held.held).unwrap_or(held.available).micros(),
        is_restricted: true,
        restricted_until: restriction.and_then(|restriction| restriction.until).map(Timestamp::micros),
        step_up: standing.step_up.as_str().to_owned(),
        ..cases::Model::opened(new_uuid(), (wallet.uuid(), customer.uuid()), app.now().micros())
    })
}
