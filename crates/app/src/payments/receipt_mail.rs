//! The mails about a purchase: the proof of it once its credits are in the wallet, and of what was given back.

use billing::{Cause, Purchase};
use kernel::{Credits, CustomerId, Money, Timestamp, WalletId};
use mail::{Letter, MailError, Receipt, ReceiptLine, Refunded};
use store::DatabaseTransaction;
use store::cold::checkouts::Model;

use crate::about::from_json;
use crate::mails::{NewMail, enqueue};
use crate::{App, AppError, customers, wallets};

/// `None` for an address that no mail server takes: the purchase stands without its mail.
pub(super) async fn letter(
    app: &App,
    row: &Model,
    what: &str,
    expires_at: Timestamp,
) -> Result<Option<NewMail>, AppError> {
    let customer = customers::load(app, CustomerId::from_uuid(row.customer)).await?;
    let purchase: Purchase = from_json(&row.purchase)?;
    let paid = purchase.terms.price;
    let available = wallets::current(app, WalletId::from_uuid(row.wallet)).await?.available;
    let message = Receipt {
        sender: app.config().mail_from.name().to_owned(),
        name: customer.name,
        credits: purchase.terms.credits,
        paid,
        bought_at: purchase.paid_at.unwrap_or(app.now()),
        expires_at: Some(expires_at),
        reference: purchase.terms.reference.clone(),
        lines: vec![ReceiptLine { what: what.to_owned(), amount: paid }],
        available,
        receipt_url: app.config().portal_page("activity"),
    };
    let key = format!("receipt:{}", purchase.terms.reference);
    Ok(addressed(key, customer.email, message.letter()))
}

/// What refunds among `causes` gave back, with the credits that were taken for them under `key`. `None` when
/// no refund is among them, or nobody can be written to.
pub(super) async fn refunded(
    app: &App,
    row: &Model,
    (key, credits, causes): (&str, Credits, &[Cause]),
) -> Result<Option<NewMail>, AppError> {
    let purchase: Purchase = from_json(&row.purchase)?;
    let amount = Money { amount: purchase.refunded_minor(causes), ..purchase.terms.price };
    if amount.amount == 0 {
        return Ok(None);
    }
    let customer = customers::load(app, CustomerId::from_uuid(row.customer)).await?;
    let wallet = wallets::current(app, WalletId::from_uuid(row.wallet)).await?;
    let message = Refunded {
        sender: app.config().mail_from.name().to_owned(),
        name: customer.name,
        amount,
        bought_at: purchase.paid_at.unwrap_or(app.now()),
        credits,
        available: wallet.available,
        debt: wallet.debt,
        reference: purchase.terms.reference.clone(),
        activity_url: app.config().portal_page("activity"),
    };
    Ok(addressed(format!("refunded:{key}"), customer.email, message.letter()))
}

/// What was bought or given back stands without its mail.
fn addressed(key: String, recipient: String, letter: Result<Letter, MailError>) -> Option<NewMail> {
    match letter.and_then(|letter| mail::check_recipient(&recipient).map(|()| letter)) {
        Ok(letter) => Some(NewMail { key, recipient, letter }),
        Err(error) => {
            tracing::warn!(%error, key, "a purchase without its mail");
            None
        }
    }
}

pub(super) async fn put(
    app: &App,
    txn: &DatabaseTransaction,
    mail: Option<&NewMail>,
) -> Result<(), AppError> {
    if let Some(mail) = mail {
        enqueue(txn, mail.clone(), app.now()).await?;
    }
    Ok(())
}
