//! The mail that proves a purchase, once its credits are in the wallet.

use billing::Purchase;
use kernel::{CustomerId, Timestamp, WalletId};
use mail::{Receipt, ReceiptLine};
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
    let reference = &purchase.terms.reference;
    match (message.letter(), mail::check_recipient(&customer.email)) {
        (Ok(letter), Ok(())) => {
            Ok(Some(NewMail { key: format!("receipt:{reference}"), recipient: customer.email, letter }))
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(%error, reference, "a purchase without its mail");
            Ok(None)
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
