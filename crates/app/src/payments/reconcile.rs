//! Repairs what a lost webhook would have told: asks the gateway what became of purchases that are open
//! here, and which refunds and disputes there were.

use std::collections::BTreeSet;

use billing::{BillingError, CheckoutRef, CheckoutState, PaymentRef, Report};
use gateways::{Gateway, GatewayError, Subject};
use kernel::{CheckoutId, Timestamp};
use store::cold::checkouts;

use crate::payments::observe::{Observed, observe};
use crate::payments::{events, gateway};
use crate::{App, AppError};

/// Open purchases that one run compares; the oldest first, so none is always left out.
const PURCHASES_MAX: u64 = 5_000;
/// The gateway's clock may be behind ours.
const SKEW_SECONDS: i64 = 120;
/// So many purchases without the gateway's answer, one after another, and it is not the purchases.
const UNANSWERED_MAX: u32 = 8;

/// Why one purchase was left as it is; the others are compared all the same.
#[derive(Debug, thiserror::Error)]
enum Uncompared {
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error("does not add up: {0}")]
    Wrong(#[from] BillingError),
    #[error(transparent)]
    App(#[from] AppError),
}

impl Uncompared {
    /// No answer to any purchase, as far as can be told.
    fn is_silence(&self) -> bool {
        use GatewayError::{Denied, Settings, Unavailable};
        matches!(self, Uncompared::Gateway(Unavailable { .. } | Denied { .. } | Settings { .. }))
    }
}

/// What came of the purchases of one run.
#[derive(Default)]
struct Tally {
    repaired: u32,
    /// One after another, up to now.
    unanswered: u32,
    failed: Vec<String>,
}

impl Tally {
    fn count(&mut self, purchase: &str, compared: Result<bool, Uncompared>) {
        match compared {
            Ok(is_news) => {
                self.repaired += u32::from(is_news);
                self.unanswered = 0;
            }
            Err(error) => {
                self.failed.push(noted(purchase, &error));
                self.unanswered = if error.is_silence() { self.unanswered + 1 } else { 0 };
            }
        }
    }

    fn is_hopeless(&self) -> bool {
        self.unanswered == UNANSWERED_MAX
    }

    fn concluded(self, said: &str) -> Result<String, AppError> {
        let result = format!("{said}, {} settled", self.repaired);
        match self.failed.first() {
            None => Ok(result),
            Some(first) => Err(AppError::Conflict {
                code: "not_compared",
                detail: format!("{result}, {} not compared: {first}", self.failed.len()),
            }),
        }
    }
}

/// As [`reconcile`], and asks about purchases made between `oldest` and `since` whose money was on its way
/// when it was last heard of: a bank debit takes days.
pub(crate) async fn reconcile_long(
    app: &App,
    (oldest, since): (Timestamp, Timestamp),
) -> Result<String, AppError> {
    let (recent, older) = (reconcile(app, since).await, reconcile_processing(app, (oldest, since)).await);
    Ok(format!("{}; {}", recent?, older?))
}

/// Compares purchases, refunds and disputes since then. Answers what it did, for the schedule's row.
/// Neither half waits for the other to succeed.
pub(crate) async fn reconcile(app: &App, since: Timestamp) -> Result<String, AppError> {
    let (purchases, returns) = (reconcile_purchases(app, since).await, reconcile_returns(app, since).await);
    Ok(format!("{}; {}", purchases?, returns?))
}

/// Refunds and disputes are found by the events about them, which become rows of the inbox like those
/// that a webhook brings.
async fn reconcile_returns(app: &App, since: Timestamp) -> Result<String, AppError> {
    let from = since.plus_seconds(-SKEW_SECONDS);
    let listed = gateway(app)?.recent_returns(from).await.map_err(unavailable)?;
    let missed = events::fetch_missed(app, &listed).await?;
    if missed > 0 {
        tracing::warn!(missed, "the reconciler fetched events that no webhook brought");
    }
    Ok(format!("{} events about returns, {missed} of them new", listed.len()))
}

async fn reconcile_purchases(app: &App, since: Timestamp) -> Result<String, AppError> {
    let gateway = gateway(app)?;
    let since = since.micros();
    let open = checkouts::unsettled(app.store().reader(), gateway.name(), since, PURCHASES_MAX).await?;
    let Some(oldest) = open.first() else { return Ok("no purchase is open".to_owned()) };
    let from = Timestamp::from_micros_saturating(oldest.created_at).plus_seconds(-SKEW_SECONDS);
    let ours: BTreeSet<String> = open.iter().map(|row| CheckoutId::from_uuid(row.id).to_string()).collect();
    let told = gateway.recent_checkouts(from).await.map_err(unavailable)?;
    let is_ours = |reference: &Option<String>| reference.as_ref().is_some_and(|r| ours.contains(r));
    let mut tally = Tally::default();
    for checkout in &told {
        let checkout = match checkout {
            Ok(checkout) if is_ours(&checkout.reference) && checkout.state != CheckoutState::Open => checkout,
            Err(unread) if is_ours(&unread.reference) => {
                tally.failed.push(noted(&unread.id, unread.error.as_ref()));
                continue;
            }
            _ => continue,
        };
        tally.count(&checkout.id.0, compare(app, gateway, &checkout.id).await);
        if tally.is_hopeless() {
            break;
        }
    }
    tally.concluded(&format!("{} purchases open, {} at the gateway", open.len(), told.len()))
}

/// The gateway lists what was made lately, so these are asked about one by one.
async fn reconcile_processing(
    app: &App,
    (oldest, until): (Timestamp, Timestamp),
) -> Result<String, AppError> {
    let gateway = gateway(app)?;
    let period = (oldest.micros(), until.micros());
    let rows = checkouts::processing(app.store().reader(), gateway.name(), period, PURCHASES_MAX).await?;
    let mut tally = Tally::default();
    for row in &rows {
        let Some(subject) = subject(row) else { continue };
        let id = CheckoutId::from_uuid(row.id).to_string();
        tally.count(&id, compare_processing(app, gateway, &subject).await);
        if tally.is_hopeless() {
            break;
        }
    }
    tally.concluded(&format!("{} older ones on their way", rows.len()))
}

/// By the gateway's id of the page, else of the payment.
fn subject(row: &checkouts::Model) -> Option<Subject> {
    let checkout = row.gateway_id.clone().map(|id| Subject::Checkout(CheckoutRef(id)));
    checkout.or_else(|| row.payment.clone().map(|id| Subject::Payment(PaymentRef(id))))
}

/// Whether the gateway had news of a purchase whose money was on its way.
async fn compare_processing(app: &App, gateway: &dyn Gateway, subject: &Subject) -> Result<bool, Uncompared> {
    let report = gateways::read(gateway, subject).await?;
    if report.checkout.as_ref().is_some_and(|checkout| checkout.state == CheckoutState::Processing) {
        return Ok(false);
    }
    settle(app, gateway, &report).await
}

/// Whether the gateway had news of the purchase.
async fn compare(app: &App, gateway: &dyn Gateway, checkout: &CheckoutRef) -> Result<bool, Uncompared> {
    let report = gateways::read(gateway, &Subject::Checkout(checkout.clone())).await?;
    settle(app, gateway, &report).await
}

async fn settle(app: &App, gateway: &dyn Gateway, report: &Report) -> Result<bool, Uncompared> {
    match observe(app, gateway.name(), report, None).await? {
        Observed::Settled(what) => {
            tracing::warn!(what, "the reconciler met a purchase before its webhook");
            Ok(true)
        }
        Observed::Wrong(error) => Err(error.into()),
        Observed::Foreign | Observed::LostLease => Ok(false),
    }
}

/// For the log at once, for the schedule's row at the end.
fn noted(checkout: &str, error: &dyn std::error::Error) -> String {
    tracing::error!(%error, checkout.id = checkout, "a purchase could not be compared with the gateway");
    format!("{checkout}: {error}")
}

pub(super) fn unavailable(error: GatewayError) -> AppError {
    AppError::Unavailable { retry_after_seconds: 1, cause: Some(Box::new(error)) }
}
