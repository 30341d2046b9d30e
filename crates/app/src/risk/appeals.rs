//! What customers on hold have to say, and what is answered.

use kernel::{CaseId, CustomerId, Seq, Timestamp, WalletId, new_uuid};
use serde_json::json;
use store::cold::risk::{appeals, cases};
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
/// Reason of a case that a hold without an open one became when the customer wrote.
pub(super) const BY_HAND: &str = "held_by_hand";

/// What an operator wrote back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    pub author: String,
    pub at: Timestamp,
}

/// What a customer wrote about one hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub text: String,
    pub at: Timestamp,
    pub answer: Option<Answer>,
}

/// Tells operators what the customer has to say; once a hold. A hold without an open case becomes one by it, so that it
/// waits in the queue like the others: one that a person put, and one that a decided case left.
pub async fn appeal(app: &App, by: &Session, text: &str) -> Result<(), AppError> {
    let text = written(text)?;
    let nothing = || AppError::Conflict {
        code: "not_on_hold",
        detail: "nothing is on hold here, or you have written already".to_owned(),
    };
    let standing = standing(app, &by.user).await?.ok_or_else(nothing)?;
    let new = case_anew(app, &standing).await?;
    let (wallet, restriction) = (standing.wallet.uuid(), standing.made.seq);
    let txn = app.store().write().await?;
    let case = match standing.case.filter(|case| case.state == cases::OPEN) {
        Some(case) => case,
        None => opened(&txn, new).await?,
    };
    let at = app.now().micros();
    let row = appeals::Model {
        wallet,
        restriction,
        case_id: case.id,
        text: text.clone(),
        appealed_at: at,
        answer: None,
        answered_by: None,
        answered_at: None,
    };
    if !appeals::insert_once(&txn, row).await? {
        return Err(nothing());
    }
    cases::appeal(&txn, case.id, &text, at).await?;
    alerts::of_appeal(app, &txn, (&case, restriction, &by.user.email), &text).await?;
    txn.commit().await.map_err(StoreError::from)?;
    app.bells().mails.notify_one();
    Ok(())
}

/// Answers what the customer wrote last, by mail and on the page; once each, with a row in the audit log.
pub async fn answer(app: &App, by: &Session, id: CaseId, act: &Act, text: &str) -> Result<(), AppError> {
    let text = written(text)?;
    let found = cases::by_id(app.store().reader(), id.uuid()).await?;
    let case = found.ok_or(AppError::not_found("case"))?;
    let customer = Some(CustomerId::from_uuid(case.customer));
    let input = json!({ "text": text });
    let asked = Asked { by, act, action: "case.answer", subject: id.to_string(), customer, input };
    let state = || async {
        let last = of_case(app, id).await?.into_iter().next();
        to_json(&last.and_then(|written| written.answer).map(|answer| answer.author))
    };
    let author = by.user.email.clone();
    audited(app, asked, state, async |_| {
        let conflict =
            |detail: &str| AppError::Conflict { code: "case_not_answerable", detail: detail.to_owned() };
        let txn = app.store().write().await?;
        let Some(last) = appeals::of_case(&txn, case.id).await?.into_iter().next() else {
            return Err(conflict("the customer has not written"));
        };
        if !appeals::answer(&txn, &last, (&text, &author, app.now().micros())).await? {
            // The same form sent again finds its own answer.
            let is_same = (last.answer.as_ref(), last.answered_by.as_ref()) == (Some(&text), Some(&author));
            return if is_same { Ok(()) } else { Err(conflict("the customer was answered already")) };
        }
        alerts::of_answer(app, &txn, &case, (&last, &text)).await?;
        txn.commit().await.map_err(StoreError::from)?;
        app.bells().mails.notify_one();
        Ok(())
    })
    .await
}

/// The newest first.
pub(super) async fn of_case(app: &App, id: CaseId) -> Result<Vec<Written>, AppError> {
    let rows = appeals::of_case(app.store().reader(), id.uuid()).await?;
    Ok(rows.into_iter().map(shown).collect())
}

/// What was written about this hold.
pub(super) async fn of_hold(
    app: &App,
    wallet: WalletId,
    restriction: Seq,
) -> Result<Option<Written>, AppError> {
    let row = appeals::of_hold(app.store().reader(), wallet.uuid(), restriction).await?;
    Ok(row.map(shown))
}

fn shown(row: appeals::Model) -> Written {
    let at = Timestamp::from_micros_saturating;
    let answer = match (row.answer, row.answered_by, row.answered_at) {
        (Some(text), Some(author), Some(answered_at)) => Some(Answer { text, author, at: at(answered_at) }),
        _ => None,
    };
    Written { text: row.text, at: at(row.appealed_at), answer }
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
    if let Some(restriction) = new.restriction {
        cases::stands_for(txn, known.id, (restriction, new.restricted_until)).await?;
    }
    Ok(known)
}

/// No features: nothing is learnt from it about use.
async fn case_anew(app: &App, standing: &Standing) -> Result<cases::Model, AppError> {
    let Changed { customer, restriction, reason, actor, .. } = &standing.made;
    let wallet = standing.wallet;
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
        restriction: Some(standing.made.seq),
        step_up: standing.step_up.as_str().to_owned(),
        ..cases::Model::opened(new_uuid(), (wallet.uuid(), customer.uuid()), app.now().micros())
    })
}
