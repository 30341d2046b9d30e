//! From what is written down to signals. Each follows from one entry of the journal or one row of a table, so that
//! it can be made again at any time, and names it as its place.

use kernel::{Credits, ReceiptId, Seq, Timestamp, WalletId};
use ledger::{Entry, EntryKind, GrantKind, Terms};
use risk::record::{Place, Record, Source};
use risk::signal::{Address, Mail, Opinion, Payment, PaymentKind, SignUp, What};
use risk::text::short_hash;

use store::cold::{customers as rows, deliveries};
use store::{Uuid, journal};

use super::log;
use super::origins::{self, Origin};
use crate::customers::Customer;
use crate::payments::signals::{self as payments, PaymentSignal};
use crate::{App, AppError, prints};

/// A customer came, from this network if it was told, and is committed here.
pub(crate) fn joined(app: &App, customer: &Customer, origin: Option<Origin>) {
    log::say(app, of_customer(customer.wallet, &customer.email, customer.created_at));
    if let Some(origin) = origin {
        origins::came_from(app, &origin);
    }
}

/// An output was fetched, and that is committed here.
pub(crate) fn delivered(app: &App, receipt: ReceiptId, made_by: Seq, at: Timestamp) {
    log::say(app, of_delivery(receipt.wallet, (made_by, receipt.seq), at));
}

/// A gateway told something of a payment, and that is committed here.
pub(crate) fn paid(app: &App, payment: &PaymentSignal) {
    log::say(app, of_payment(payment));
}

/// Kinds of entries that tell something.
pub(super) const KINDS: [EntryKind; 4] =
    [EntryKind::Grant, EntryKind::Hold, EntryKind::Debit, EntryKind::Unbilled];
/// Clocks of processes differ by less, microseconds.
const CLOCKS_DIFFER: i64 = 60_000_000;
/// Rows of a table that are read at once.
const PAGE: u64 = 1_000;

/// Everything from `since` on and before `until` (microseconds) that stands in tables of its own.
pub(super) async fn beside_the_journal(
    app: &App,
    (since, until): (i64, i64),
) -> Result<Vec<Record>, AppError> {
    let (db, mut records) = (app.store().reader(), Vec::new());
    let mut before = None;
    loop {
        let page = rows::page(db, before, PAGE).await?;
        let Some(last) = page.last() else { break };
        // Ids carry the time of making, of whoever made them.
        before = Some(last.id).filter(|_| last.created_at >= since.saturating_sub(CLOCKS_DIFFER));
        let early = page.iter().filter(|row| (since..until).contains(&row.created_at));
        records.extend(early.map(|row| {
            let at = Timestamp::from_micros_saturating(row.created_at);
            of_customer(WalletId::from_uuid(row.wallet), &row.email, at)
        }));
        if before.is_none() {
            break;
        }
    }
    records.extend(origins::between(app, (since, until)).await?);
    let begin = Timestamp::from_micros_saturating(since);
    let (mut after, end) = (None, Timestamp::from_micros_saturating(until));
    if since > 0 {
        after = Some((begin, WalletId::from_uuid(Uuid::nil()), String::new()));
    }
    loop {
        let page = payments::since(app, after, end, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.recorded_at, last.wallet, last.id.clone()));
        records.extend(page.iter().map(of_payment));
    }
    let mut after = (since.max(0), Uuid::nil(), 0);
    loop {
        let page = deliveries::since(db, after, until, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = (last.delivered_at, last.wallet, last.seq);
        for row in &page {
            let wallet = WalletId::from_uuid(row.wallet);
            let Some(entry) = journal::entry(app.store(), wallet, row.seq).await? else { continue };
            let at = Timestamp::from_micros_saturating(row.delivered_at);
            records.push(of_delivery(wallet, (entry.hold.unwrap_or(row.seq), row.seq), at));
        }
    }
    Ok(records)
}

/// What an entry of the journal tells; `None` for one that is no signal.
pub(super) fn of_entry(wallet: WalletId, entry: &Entry) -> Option<Record> {
    let what = match (entry.kind, &entry.terms) {
        (EntryKind::Grant, Terms::Lot(lot)) => granted(lot.kind, lot.granted, entry.recorded_at)?,
        _ => prints::signal_of(wallet, entry)?.what,
    };
    Some(record((wallet, Source::Journal), (entry.recorded_at.micros(), entry.seq), what))
}

/// Credits that come begin a period, or are a pack; a trial is a sign-up of its own kind.
fn granted(kind: GrantKind, credits: Credits, at: Timestamp) -> Option<What> {
    let whole = u32::try_from(credits.micros() / 1_000_000).unwrap_or(u32::MAX);
    let paid = |kind| {
        What::Paid(Payment {
            kind,
            succeeded: true,
            card: 0,
            country_matches: true,
            opinion: Opinion::Normal,
            credits: whole,
        })
    };
    match kind {
        GrantKind::Trial => Some(What::SignedUp(SignUp {
            signed_up_at: millis(at),
            address: Address::UNKNOWN,
            mail: Mail::Unknown,
            is_trial: true,
            allotment: whole,
        })),
        GrantKind::Allotment => Some(paid(PaymentKind::Subscription)),
        GrantKind::Purchase => Some(paid(PaymentKind::Pack)),
        _ => None,
    }
}

/// A customer came.
pub(super) fn of_customer(wallet: WalletId, email: &str, at: Timestamp) -> Record {
    let what = What::SignedUp(SignUp {
        signed_up_at: millis(at),
        address: Address::UNKNOWN,
        mail: mail_class(email),
        is_trial: false,
        allotment: 0,
    });
    record((wallet, Source::Customers), (at.micros(), 0), what)
}

/// An output was fetched: that of the hold, or of the debit without one.
pub(super) fn of_delivery(wallet: WalletId, (made_by, receipt): (Seq, Seq), at: Timestamp) -> Record {
    let what = What::Fetched { output: prints::output(made_by) };
    record((wallet, Source::Deliveries), (at.micros(), receipt), what)
}

/// A gateway told something of a payment. It is known from the moment when it was told.
fn of_payment(payment: &PaymentSignal) -> Record {
    // Rows of payments have no number; the gateway's id is one of its kind.
    let name = format!("{}/{}", payment.gateway, payment.id);
    let number = i64::from(short_hash(name.as_bytes()));
    record((payment.wallet, Source::Payments), (payment.recorded_at.micros(), number), payment.what())
}

fn record((wallet, source): (WalletId, Source), (at, number): (i64, i64), what: What) -> Record {
    Record { place: Place { at, wallet: wallet.uuid().as_u128(), source, number }, what }
}

fn millis(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000)
}

/// Domains of the kinds that a sign-up's address tells of. Short on purpose: one that is not here is taken for a
/// company's own, which is evidence of nothing.
const FREE: [&str; 12] = [
    "gmail.com",
    "googlemail.com",
    "yahoo.com",
    "outlook.com",
    "hotmail.com",
    "live.com",
    "icloud.com",
    "aol.com",
    "gmx.de",
    "gmx.net",
    "web.de",
    "proton.me",
];
const RELAY: [&str; 6] = [
    "privaterelay.appleid.com",
    "duck.com",
    "mozmail.com",
    "simplelogin.com",
    "anonaddy.com",
    "passmail.net",
];
const DISPOSABLE: [&str; 10] = [
    "mailinator.com",
    "guerrillamail.com",
    "10minutemail.com",
    "yopmail.com",
    "temp-mail.org",
    "tempmail.com",
    "trashmail.com",
    "sharklasers.com",
    "getnada.com",
    "throwawaymail.com",
];

fn mail_class(email: &str) -> Mail {
    let domain = email.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase()).unwrap_or_default();
    let is_of =
        |list: &[&str]| list.iter().any(|known| domain == *known || domain.ends_with(&format!(".{known}")));
    if is_of(&DISPOSABLE) {
        Mail::Disposable
    } else if is_of(&RELAY) {
        Mail::Relay
    } else if is_of(&FREE) {
        Mail::Free
    } else {
        Mail::Corporate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_address_tells_what_kind_it_is() {
        for (email, class) in [
            ("ada@Gmail.com", Mail::Free),
            ("x@inbox.mailinator.com", Mail::Disposable),
            ("y@privaterelay.appleid.com", Mail::Relay),
            ("eve@notgmail.com", Mail::Corporate),
            ("", Mail::Corporate),
        ] {
            assert_eq!(mail_class(email), class, "{email}");
        }
    }
}
