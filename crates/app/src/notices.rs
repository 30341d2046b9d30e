//! Warnings that become due by time or by use: credits that expire, wallets that run low, and digests
//! for operators. A scan may run at any time and any number of times: a mail's key lets it out once.

use kernel::{GrantId, Timestamp, WalletId};
use ledger::{GrantKind, Wallet};
use mail::{Digest, Expiring, Fact, LowBalance, MailError};
use store::StoreError;
use store::cold::{customers, mails};
use store::notices::{After, ExpiringLot, LowWallet, expiring_lots, low_wallets};

use crate::mails::{NewMail, enqueue};
use crate::{App, AppError, wallets};

/// Days before an expiry on which its owner is told. After an outage only the most urgent one is.
pub const EXPIRY_NOTICE_DAYS: [i64; 3] = [1, 7, 30];
const LONGEST_NOTICE_DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;
/// Rows of one page of a scan.
const PAGE: u64 = 500;

/// A wallet is low when less than this share of its last purchase or allotment is available. Once per
/// purchase or allotment: buying again arms the warning again. Wallets that never got either are not
/// warned, since nobody can say what would be little for them.
pub const LOW_BALANCE_DIVISOR: i64 = 10;

/// What one scan found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    pub expiring: u64,
    pub low: u64,
    /// Customers without an address that a mail server takes.
    pub unreachable: u64,
}

/// Puts every warning that is due into the outbox.
pub async fn scan(app: &App) -> Result<Scan, AppError> {
    let mut found = Scan::default();
    let now = app.now();
    let until = now.plus_seconds(LONGEST_NOTICE_DAYS * DAY_SECONDS);
    let mut after = Some(After::START);
    while let Some(start) = after {
        let (lots, next) = expiring_lots(app.store(), now, until, start, PAGE).await?;
        let due = lots.iter().map(|lot| (expiring_key(lot, now), *lot)).collect();
        for (key, lot) in new_ones(app, due).await? {
            tell_of_expiry(app, key, lot, now, &mut found).await?;
        }
        after = next;
    }
    let mut after = Some(After::START);
    while let Some(start) = after {
        let (low, next) = low_wallets(app.store(), start, PAGE).await?;
        let due = low.iter().map(|low| (low_key(low), *low)).collect();
        for (key, low) in new_ones(app, due).await? {
            tell_of_low_balance(app, key, low, &mut found).await?;
        }
        after = next;
    }
    Ok(found)
}

/// One mail to each operator about a period, once per `name` (such as `catch-up:<instant>`).
pub(crate) async fn digest(
    app: &App,
    name: &str,
    operators: &[String],
    (from, until): (Timestamp, Timestamp),
    title: &str,
    facts: Vec<Fact>,
) -> Result<(), AppError> {
    let digest = Digest {
        sender: app.config().mail_from.name().to_owned(),
        title: title.to_owned(),
        from,
        until,
        facts,
        console_url: app.config().console_page("webhooks"),
    };
    let letter = digest.letter().map_err(unrendered)?;
    let txn = app.store().write().await?;
    for operator in operators {
        let key = format!("digest:{name}:{operator}");
        enqueue(&txn, NewMail { key, recipient: operator.clone(), letter: letter.clone() }, app.now())
            .await?;
    }
    Ok(txn.commit().await.map_err(StoreError::from)?)
}

async fn tell_of_expiry(
    app: &App,
    key: String,
    lot: ExpiringLot,
    now: Timestamp,
    found: &mut Scan,
) -> Result<(), AppError> {
    let Some(made) = store::journal::entry(app.store(), lot.wallet, lot.seq).await? else { return Ok(()) };
    // Credits that were given for a week are no news on their first day.
    if made.recorded_at >= notice_begins(&lot, now) {
        return Ok(());
    }
    let (wallet, customer) = (wallets::current(app, lot.wallet).await?, owner(app, lot.wallet).await?);
    let (Some(state), Some(customer)) = (wallet.lots.get(&lot.seq), customer) else { return Ok(()) };
    let message = Expiring {
        sender: app.config().mail_from.name().to_owned(),
        name: customer.name,
        credits: state.remaining,
        kind: in_words(state.terms.kind).to_owned(),
        expires_at: lot.expires_at,
        days_left: days_left(&lot, now),
        available: wallet.available,
        balance_url: app.config().portal_page(""),
    };
    let letter = message.letter().map_err(unrendered)?;
    found.expiring += u64::from(tell(app, NewMail { key, recipient: customer.email, letter }, found).await?);
    Ok(())
}

/// As the customer's pages call it.
fn in_words(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Purchase => "purchase",
        GrantKind::Allotment => "plan allotment",
        GrantKind::Trial => "trial",
        GrantKind::Promo => "promotion",
        GrantKind::Rollover => "rollover",
        GrantKind::Refund => "refund",
        GrantKind::Adjustment => "adjustment",
    }
}

async fn tell_of_low_balance(
    app: &App,
    key: String,
    low: LowWallet,
    found: &mut Scan,
) -> Result<(), AppError> {
    let wallet: Wallet = wallets::current(app, low.wallet).await?;
    let Some(customer) = owner(app, low.wallet).await? else { return Ok(()) };
    let message = LowBalance {
        sender: app.config().mail_from.name().to_owned(),
        name: customer.name,
        available: wallet.available,
        last_purchase: low.granted,
        buy_url: app.config().portal_page("buy"),
    };
    let letter = message.letter().map_err(unrendered)?;
    found.low += u64::from(tell(app, NewMail { key, recipient: customer.email, letter }, found).await?);
    Ok(())
}

/// Those whose key has no mail yet.
async fn new_ones<T>(app: &App, due: Vec<(String, T)>) -> Result<Vec<(String, T)>, AppError> {
    let keys = due.iter().map(|(key, _)| key.clone()).collect();
    let known = mails::known_keys(app.store().reader(), keys).await?;
    Ok(due.into_iter().filter(|(key, _)| !known.contains(key)).collect())
}

/// A customer whose address is no address must not stop the others' mails.
async fn tell(app: &App, new: NewMail, found: &mut Scan) -> Result<bool, AppError> {
    match crate::mails::post(app, new).await {
        Err(AppError::Invalid { .. }) => {
            found.unreachable += 1;
            Ok(false)
        }
        told => told,
    }
}

async fn owner(app: &App, wallet: WalletId) -> Result<Option<customers::Model>, AppError> {
    Ok(customers::by_wallet(app.store().reader(), wallet.uuid()).await?)
}

fn expiring_key(lot: &ExpiringLot, now: Timestamp) -> String {
    let grant = GrantId { wallet: lot.wallet, seq: lot.seq };
    format!("expiring:{grant}:{}", notice_days(lot, now))
}

fn low_key(low: &LowWallet) -> String {
    format!("low:{}", GrantId { wallet: low.wallet, seq: low.last_lot })
}

/// The most urgent notice that is due.
fn notice_days(lot: &ExpiringLot, now: Timestamp) -> i64 {
    let is_due = |days: &&i64| days_left(lot, now) <= **days;
    EXPIRY_NOTICE_DAYS.iter().find(is_due).copied().unwrap_or(LONGEST_NOTICE_DAYS)
}

fn notice_begins(lot: &ExpiringLot, now: Timestamp) -> Timestamp {
    lot.expires_at.plus_seconds(-notice_days(lot, now) * DAY_SECONDS)
}

/// Whole days, rounded up.
fn days_left(lot: &ExpiringLot, now: Timestamp) -> i64 {
    let micros = lot.expires_at.micros() - now.micros();
    let day = DAY_SECONDS * 1_000_000;
    (micros + day - 1) / day
}

fn unrendered(error: MailError) -> AppError {
    AppError::Unavailable { retry_after_seconds: 1, cause: Some(Box::new(error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(expires_at: &str) -> ExpiringLot {
        let wallet = WalletId::from_uuid(uuid::Uuid::nil());
        ExpiringLot { wallet, seq: 1, expires_at: expires_at.parse().unwrap() }
    }

    #[test]
    fn after_an_outage_only_the_most_urgent_notice_is_due() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        for (expires_at, days) in [
            ("2026-03-01T12:00:01Z", 1),
            ("2026-03-02T12:00:00Z", 1),
            ("2026-03-02T12:00:01Z", 7),
            ("2026-03-08T12:00:00Z", 7),
            ("2026-03-08T12:00:01Z", 30),
            ("2026-03-31T12:00:00Z", 30),
        ] {
            assert_eq!(notice_days(&lot(expires_at), now), days, "{expires_at}");
        }
    }
}
