//! What the gateway tells of the risk of payments, for the risk rules: stored once, whatever order and
//! however often the news arrive.

use ::risk::signal::{Opinion, Payment, PaymentKind, What};
use ::risk::text::short_hash;
use std::collections::BTreeMap;

use billing::{Purchase, Report};
use gateways::{Gateway, PaymentSign, RiskLevel, SignKind};
use kernel::{CustomerId, Timestamp, WalletId};
use store::cold::{checkouts, inbox, payment_signals};
use store::{StoreError, Uuid};

use crate::about::from_json;
use crate::payments::observe::find;
use crate::{App, AppError, risk};

/// Microseconds and micro-credits in a whole one.
const MILLION: i64 = 1_000_000;

/// A charge that was tried, a warning of the card's network, or a dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentSignal {
    pub gateway: String,
    /// The gateway's id.
    pub id: String,
    pub wallet: WalletId,
    pub customer: CustomerId,
    pub kind: SignKind,
    /// The gateway's own opinion; `None` when it has none.
    pub risk_level: Option<RiskLevel>,
    /// A hash of the card's fingerprint; never 0.
    pub card: Option<u32>,
    /// The card was issued where its bill goes; `None` when one of both is unknown.
    pub country_matches: Option<bool>,
    /// Whole credits that the purchase brings.
    pub credits: u32,
    /// When the gateway says that it happened.
    pub occurred_at: Timestamp,
    pub recorded_at: Timestamp,
}

/// A place in the order (`recorded_at`, wallet, id); the next page comes after it.
pub type Position = (Timestamp, WalletId, String);

/// What was stored later than `after` and before `end`, in order, at most `limit`; for the follower of
/// signals. `None`: from the beginning.
pub async fn since(
    app: &App,
    after: Option<Position>,
    end: Timestamp,
    limit: u64,
) -> Result<Vec<PaymentSignal>, AppError> {
    let after = match after {
        Some((at, wallet, id)) => (at.micros(), wallet.uuid(), id),
        None => (i64::MIN, Uuid::nil(), String::new()),
    };
    let rows = payment_signals::since(app.store().reader(), after, end.micros(), limit).await?;
    rows.into_iter().map(shown).collect()
}

/// Purchases of a wallet that are asked whether a dispute was won.
const PURCHASES_MAX: u64 = 100;

/// Wallets whose payments the holder of the card did not want, with the instant when that was known first: of
/// warnings and disputes since then, without disputes that were won.
pub(crate) async fn unwanted_since(
    app: &App,
    since: Timestamp,
    limit: u64,
) -> Result<BTreeMap<WalletId, Timestamp>, AppError> {
    let db = app.store().reader();
    let kinds = [SignKind::Warned, SignKind::Disputed].map(SignKind::as_str);
    let mut first = BTreeMap::new();
    for row in payment_signals::of_kinds(db, &kinds, since.micros(), limit).await? {
        let purchases = checkouts::of_customer(db, row.customer, None, PURCHASES_MAX).await?;
        let mut is_won = false;
        for purchase in &purchases {
            is_won |= from_json::<Purchase>(&purchase.purchase)?.has_won(&row.id);
        }
        if !is_won {
            // The newest come first.
            let at = Timestamp::from_micros_saturating(row.recorded_at);
            first.insert(WalletId::from_uuid(row.wallet), at);
        }
    }
    Ok(first)
}

/// Notes what an event says of a purchase of ours.
pub(super) async fn note(
    app: &App,
    gateway: &dyn Gateway,
    event: &inbox::Model,
    report: &Report,
) -> Result<(), AppError> {
    let Some(sign) = gateway.stored_event(event.body.as_bytes()).sign else { return Ok(()) };
    let Some(bought) = find(app, gateway.name(), report).await? else { return Ok(()) };
    let now = app.now();
    let row = payment_signals::Model {
        gateway: gateway.name().to_owned(),
        id: sign.id.clone(),
        wallet: bought.wallet,
        customer: bought.customer,
        kind: sign.kind.as_str().to_owned(),
        risk_level: sign.risk_level.map(|level| level.as_str().to_owned()),
        card: sign.card.as_deref().map(|card| i64::from(short_hash(card.as_bytes()).max(1))),
        country_matches: country_matches(&sign),
        credits: bought.credits,
        occurred_at: sign.at.map_or(now, |at| at.min(now)).micros(),
        recorded_at: now.micros(),
        is_authenticated: sign.kind == SignKind::Succeeded && sign.is_authenticated,
    };
    let txn = app.store().write().await?;
    let is_news = payment_signals::insert_once(&txn, row.clone()).await?;
    txn.commit().await.map_err(StoreError::from)?;
    if is_news {
        risk::paid(app, &shown(row)?);
    }
    // Also of news that came before: what follows from it may not have been done then.
    if sign.kind == SignKind::Succeeded && sign.is_authenticated {
        risk::card_confirmed(app, CustomerId::from_uuid(bought.customer), &sign).await?;
    }
    Ok(())
}

fn country_matches(sign: &PaymentSign) -> Option<bool> {
    Some(sign.card_country.as_ref()? == sign.billing_country.as_ref()?)
}

fn shown(row: payment_signals::Model) -> Result<PaymentSignal, AppError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("payment signal {}: {what}", row.id));
    let kind = SignKind::ALL.into_iter().find(|kind| kind.as_str() == row.kind);
    let level = |text: &String| RiskLevel::ALL.into_iter().find(|level| level.as_str() == text);
    Ok(PaymentSignal {
        wallet: WalletId::from_uuid(row.wallet),
        customer: CustomerId::from_uuid(row.customer),
        kind: kind.ok_or_else(|| corrupt("kind"))?,
        risk_level: row.risk_level.as_ref().and_then(level),
        card: row.card.map(u32::try_from).transpose().map_err(|_| corrupt("card"))?,
        country_matches: row.country_matches,
        credits: u32::try_from(row.credits / MILLION).unwrap_or(u32::MAX),
        occurred_at: Timestamp::from_micros_saturating(row.occurred_at),
        recorded_at: Timestamp::from_micros_saturating(row.recorded_at),
        gateway: row.gateway,
        id: row.id,
    })
}

impl PaymentSignal {
    /// As the risk rules take it. A warning counts as a dispute. The credits come as a signal of their own, with
    /// their grant.
    pub fn what(&self) -> What {
        What::Paid(Payment {
            kind: match self.kind {
                SignKind::Succeeded | SignKind::Failed => PaymentKind::Pack,
                SignKind::Warned | SignKind::Disputed => PaymentKind::Dispute,
            },
            succeeded: self.kind == SignKind::Succeeded,
            card: self.card.unwrap_or_default(),
            country_matches: self.country_matches.unwrap_or(true),
            opinion: match self.risk_level {
                None | Some(RiskLevel::Normal) => Opinion::Normal,
                Some(RiskLevel::Elevated) => Opinion::Elevated,
                Some(RiskLevel::Highest) => Opinion::Highest,
            },
            credits: 0,
        })
    }
}
