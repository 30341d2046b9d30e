use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use billing::{Purchase, Terms};
use catalog::{Catalog, price_of_credits};
use kernel::{CheckoutId, Credits, CustomerId, GrantId, Money, Seq, Timestamp, WalletId, new_uuid};
use ledger::StepUp;
use store::cold::checkouts::{self, Model};
use store::cold::outbox;
use store::{StoreError, cold};
use tokio::time::Instant;

use crate::about::{from_json, to_json};
use crate::customers::Known;
use crate::payments::opening::Opening;
use crate::payments::{OPEN_CHECKOUT, gateway};
use crate::text::Checks;
use crate::{
    App, AppError, CustomerRef, Done, Keyed, Page, PageRequest, Principal, Scope, catalogue, customers,
    restrictions, work,
};

/// How long a caller waits for the gateway's page (rules.md, "Idempotency").
const WAIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(40);
/// Settings are mended by people.
const NOT_PAYABLE_SECONDS: u32 = 60;
const URL_MAX_CHARS: usize = 2_048;
const QUANTITY_MAX: u32 = 1_000;

#[derive(Clone, Debug)]
pub struct NewCheckout {
    pub customer: CustomerRef,
    pub buying: Buying,
    /// Where the browser goes after payment, which proves nothing.
    pub success_url: String,
    pub cancel_url: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Buying {
    Pack {
        id: String,
        quantity: u32,
    },
    /// A custom amount at the volume price.
    Credits(Credits),
}

/// A purchase as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    pub id: CheckoutId,
    pub customer: CustomerId,
    pub pack: Option<String>,
    pub quantity: u32,
    pub credits: Credits,
    pub amount: Money,
    pub state: CheckoutState,
    /// The gateway's page.
    pub url: Option<String>,
    pub success_url: String,
    pub cancel_url: String,
    /// Why the money did not come.
    pub error: Option<String>,
    /// The credits, once they are in the wallet.
    pub grant: Option<GrantId>,
    /// Money given back or taken back by the bank, in minor units.
    pub returned_minor: i64,
    pub is_disputed: bool,
    pub gateway: String,
    pub gateway_id: Option<String>,
    pub payment: Option<String>,
    pub created_at: Timestamp,
    pub settled_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckoutState {
    /// The gateway has not answered yet.
    Creating,
    Open,
    /// The customer is done, the money is on its way.
    Processing,
    Paid,
    Failed,
    Expired,
    /// The gateway did not want to sell this.
    Refused,
}

/// What is sold, for how much.
struct Offer {
    pack: Option<String>,
    quantity: u32,
    credits: Credits,
    price: Money,
    expires_after_months: u32,
}

/// Opens a page where the customer pays. Answers once the gateway has made it.
pub async fn create(
    app: &App,
    by: &Principal,
    new: NewCheckout,
    keyed: &Keyed,
) -> Result<Done<Checkout>, AppError> {
    by.require(Scope::Usage)?;
    let known = customers::in_body(app, by, &new.customer).await?;
    open(app, &by.owner, known, &new, keyed).await
}

/// A customer's own purchase, from a page where they are signed in.
pub async fn create_own(
    app: &App,
    customer: CustomerId,
    new: NewCheckout,
    keyed: &Keyed,
) -> Result<Done<Checkout>, AppError> {
    let known = customers::find(app, &CustomerRef::Id(customer)).await?;
    let known = known.ok_or(AppError::not_found("customer"))?;
    open(app, &customer.to_string(), known, &new, keyed).await
}

pub async fn get(app: &App, by: &Principal, id: CheckoutId) -> Result<Checkout, AppError> {
    by.require_own(Scope::Read)?;
    let row = checkouts::by_id(app.store().reader(), id.uuid()).await?;
    let checkout = checkout(row.ok_or(AppError::not_found("checkout"))?)?;
    by.may_see(checkout.customer, "checkout")?;
    Ok(checkout)
}

/// A customer's purchases, newest first.
pub async fn list(
    app: &App,
    by: &Principal,
    customer: &CustomerRef,
    page: &PageRequest,
) -> Result<Page<Checkout>, AppError> {
    by.require_own(Scope::Read)?;
    let limit = page.limit()?;
    let before = page.after(|cursor| cursor.parse::<CheckoutId>().ok())?;
    let known = customers::in_path(app, by, customer).await?;
    let db = app.store().reader();
    let rows = checkouts::of_customer(db, known.id.uuid(), before.map(CheckoutId::uuid), limit + 1).await?;
    let rows = rows.into_iter().map(checkout).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::cut(rows, limit, |row| row.id.to_string()))
}

/// The purchase behind a gateway's id of a checkout or a payment; for an operator's search.
pub async fn of_gateway_id(app: &App, by: &Principal, id: &str) -> Result<Option<Checkout>, AppError> {
    by.require(Scope::Read)?;
    let name = gateway(app)?.name();
    checkouts::by_gateway_id(app.store().reader(), name, id).await?.map(checkout).transpose()
}

/// The same key finds the same purchase; a new one is stored together with the job that asks the gateway.
async fn open(
    app: &App,
    owner: &str,
    known: Known,
    new: &NewCheckout,
    keyed: &Keyed,
) -> Result<Done<Checkout>, AppError> {
    let (id, replayed) = match earlier(app, owner, keyed).await? {
        Some(id) => (id, true),
        None => begin(app, owner, known, new, keyed).await?,
    };
    let asked = Instant::now();
    if let Some(job) = outbox::by_key(app.store().reader(), &job_key(id)).await? {
        let app = app.clone();
        // Finished even when this caller goes away; another process may have it already.
        let asking = tokio::spawn(async move { work::attempt_outbox(&app, job.id).await });
        let _ = tokio::time::timeout(WAIT, asking).await;
    }
    loop {
        let row = checkouts::by_id(app.store().reader(), id.uuid()).await?;
        let row = row.ok_or_else(|| StoreError::Corrupt(format!("checkout {id} is gone")))?;
        match row.state.as_str() {
            checkouts::CREATING if row.error.is_some() => {
                return Err(AppError::NotPayable { retry_after_seconds: NOT_PAYABLE_SECONDS });
            }
            checkouts::CREATING if asked.elapsed() < WAIT => tokio::time::sleep(LOOK_AGAIN_AFTER).await,
            checkouts::CREATING => return Err(AppError::InProgress { what: "the gateway's page" }),
            checkouts::REFUSED => return Err(refused(row.error)),
            _ => return Ok(Done { value: first_answer(checkout(row)?), replayed }),
        }
    }
}

async fn earlier(app: &App, owner: &str, keyed: &Keyed) -> Result<Option<CheckoutId>, AppError> {
    let row = checkouts::by_key(app.store().reader(), owner, keyed.key.as_str()).await?;
    let Some(row) = row else { return Ok(None) };
    if row.input_hash != keyed.hash {
        return Err(AppError::KeyReused);
    }
    Ok(Some(CheckoutId::from_uuid(row.id)))
}

/// Stores the purchase; answers an earlier one when the same call was quicker.
async fn begin(
    app: &App,
    owner: &str,
    known: Known,
    new: &NewCheckout,
    keyed: &Keyed,
) -> Result<(CheckoutId, bool), AppError> {
    check_urls(new)?;
    let offer = offer(app, known.id, &new.buying).await?;
    let id = CheckoutId::from_uuid(new_uuid());
    let row = row(app, id, (owner, known), new, &offer, keyed)?;
    let opening = Opening { checkout: id, asks_the_bank: waits_for_the_bank(app, known.wallet).await? };
    let job =
        outbox::Model::new(new_uuid(), job_key(id), OPEN_CHECKOUT, to_json(&opening)?, app.now().micros());
    let written = async {
        let txn = app.store().write().await?;
        checkouts::insert(&txn, row).await?;
        outbox::insert(&txn, job).await?;
        txn.commit().await.map_err(StoreError::from)
    };
    match written.await {
        Ok(()) => Ok((id, false)),
        Err(error) if error.is_unique_violation() => {
            let first = earlier(app, owner, keyed).await?;
            first.map(|id| (id, true)).ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// A hold on the wallet ends when the bank has recognised the holder of a card.
async fn waits_for_the_bank(app: &App, wallet: WalletId) -> Result<bool, AppError> {
    let hold = restrictions::in_force(app, wallet).await?;
    Ok(hold.is_some_and(|hold| hold.step_up == StepUp::ConfirmCard))
}

pub(super) fn job_key(id: CheckoutId) -> String {
    format!("open/{id}")
}

fn refused(error: Option<String>) -> AppError {
    let detail = error.unwrap_or_else(|| "the gateway refused the checkout".to_owned());
    AppError::Conflict { code: "gateway_refused", detail }
}

/// What the first call was answered, whatever happened since.
fn first_answer(now: Checkout) -> Checkout {
    Checkout {
        state: CheckoutState::Open,
        error: None,
        grant: None,
        returned_minor: 0,
        is_disputed: false,
        payment: None,
        settled_at: None,
        ..now
    }
}

async fn offer(app: &App, customer: CustomerId, buying: &Buying) -> Result<Offer, AppError> {
    let nothing_sold =
        || AppError::Conflict { code: "no_rate_card", detail: "no rate card is published".to_owned() };
    let version = catalogue::current(app).await?.ok_or_else(nothing_sold)?;
    let (field, offer) = match buying {
        Buying::Pack { id, quantity } => ("pack", of_pack(&version.catalog, id, *quantity)?),
        Buying::Credits(credits) => ("credits", of_credits(&version.catalog, *credits)?),
    };
    let currency = customers::load(app, customer).await?.currency;
    if offer.price.currency != currency {
        let said = format!("is sold in {}, the customer pays in {currency}", offer.price.currency);
        return Err(AppError::invalid(field, said));
    }
    Ok(offer)
}

fn of_pack(catalog: &Catalog, id: &str, quantity: u32) -> Result<Offer, AppError> {
    let pack = catalog.pack(id).ok_or_else(|| AppError::invalid("pack", "is not a pack of the catalogue"))?;
    let too_many = || AppError::invalid("quantity", format!("must be 1 to {QUANTITY_MAX}"));
    if !(1..=QUANTITY_MAX).contains(&quantity) {
        return Err(too_many());
    }
    let micros = pack.credits.micros().checked_mul(quantity.into()).ok_or_else(too_many)?;
    let credits = Credits::from_micros(micros);
    if credits > Credits::INPUT_MAX {
        return Err(too_many());
    }
    let amount = pack.price.amount.checked_mul(quantity.into()).ok_or_else(too_many)?;
    Ok(Offer {
        pack: Some(pack.id.clone()),
        quantity,
        credits,
        price: Money { amount, ..pack.price },
        expires_after_months: pack.expires_after_months,
    })
}

fn of_credits(catalog: &Catalog, credits: Credits) -> Result<Offer, AppError> {
    let invalid = |message: String| AppError::invalid("credits", message);
    let Some(smallest) = catalog.volume().first() else {
        return Err(invalid("cannot be chosen: the catalogue sells packs only".to_owned()));
    };
    if credits < smallest.from {
        return Err(invalid(format!(
            "must be at least {}; smaller amounts are sold as packs",
            smallest.from
        )));
    }
    let volume = catalog.volume().iter().rfind(|v| v.from <= credits).unwrap_or(smallest);
    let price = price_of_credits(catalog, credits).filter(|_| credits <= Credits::INPUT_MAX);
    Ok(Offer {
        pack: None,
        quantity: 1,
        credits,
        price: price.ok_or_else(|| invalid(format!("must be at most {}", Credits::INPUT_MAX)))?,
        expires_after_months: volume.expires_after_months,
    })
}

fn check_urls(new: &NewCheckout) -> Result<(), AppError> {
    let mut checks = Checks::default();
    for (field, url) in [("success_url", &new.success_url), ("cancel_url", &new.cancel_url)] {
        checks.ensure(is_url(url), field, "must be an absolute http:// or https:// URL");
    }
    checks.done()
}

/// Scheme, host, and nothing that would need escaping; braces are Stripe's `{CHECKOUT_SESSION_ID}`.
fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    host.is_some_and(|host| {
        !host.is_empty() && !host.contains(['@', '\\', '{', '}']) && !host.starts_with(':')
    }) && url.len() <= URL_MAX_CHARS
        && url.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`|".contains(&b))
}

fn row(
    app: &App,
    id: CheckoutId,
    (owner, known): (&str, Known),
    new: &NewCheckout,
    offer: &Offer,
    keyed: &Keyed,
) -> Result<Model, AppError> {
    let purchase = Purchase::new(Terms {
        reference: id.to_string(),
        credits: offer.credits,
        price: offer.price,
        expires_after_months: offer.expires_after_months,
    });
    Ok(Model {
        id: id.uuid(),
        customer: known.id.uuid(),
        wallet: known.wallet.uuid(),
        gateway: gateway(app)?.name().to_owned(),
        gateway_id: None,
        payment: None,
        pack: offer.pack.clone(),
        quantity: i32::try_from(offer.quantity).unwrap_or(i32::MAX),
        credits: offer.credits.micros(),
        amount_minor: offer.price.amount,
        currency: offer.price.currency.to_string(),
        state: cold::checkouts::CREATING.to_owned(),
        success_url: new.success_url.clone(),
        cancel_url: new.cancel_url.clone(),
        url: None,
        error: None,
        purchase: to_json(&purchase)?,
        lots: "[]".to_owned(),
        version: 0,
        owner: owner.to_owned(),
        request_key: Some(keyed.key.as_str().to_owned()),
        input_hash: keyed.hash.to_vec(),
        created_at: app.now().micros(),
        settled_at: None,
    })
}

pub(super) fn checkout(row: Model) -> Result<Checkout, AppError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("checkout {}: {what}", row.id));
    let purchase: Purchase = from_json(&row.purchase)?;
    let lots: Vec<Seq> = from_json(&row.lots)?;
    let wallet = WalletId::from_uuid(row.wallet);
    Ok(Checkout {
        id: CheckoutId::from_uuid(row.id),
        customer: CustomerId::from_uuid(row.customer),
        quantity: u32::try_from(row.quantity).map_err(|_| corrupt("quantity"))?,
        credits: Credits::from_micros(row.credits),
        amount: purchase.terms.price,
        state: row.state.parse().map_err(|()| corrupt("state"))?,
        grant: lots.first().map(|seq| GrantId { wallet, seq: *seq }),
        returned_minor: purchase.returned_minor(),
        is_disputed: purchase.is_disputed(),
        created_at: Timestamp::from_micros_saturating(row.created_at),
        settled_at: row.settled_at.map(Timestamp::from_micros_saturating),
        pack: row.pack,
        url: row.url,
        success_url: row.success_url,
        cancel_url: row.cancel_url,
        error: row.error,
        gateway: row.gateway,
        gateway_id: row.gateway_id,
        payment: row.payment,
    })
}

impl CheckoutState {
    pub const ALL: [CheckoutState; 7] = [
        CheckoutState::Creating,
        CheckoutState::Open,
        CheckoutState::Processing,
        CheckoutState::Paid,
        CheckoutState::Failed,
        CheckoutState::Expired,
        CheckoutState::Refused,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            CheckoutState::Creating => checkouts::CREATING,
            CheckoutState::Open => checkouts::OPEN,
            CheckoutState::Processing => checkouts::PROCESSING,
            CheckoutState::Paid => checkouts::PAID,
            CheckoutState::Failed => checkouts::PAYMENT_FAILED,
            CheckoutState::Expired => checkouts::EXPIRED,
            CheckoutState::Refused => checkouts::REFUSED,
        }
    }
}

impl FromStr for CheckoutState {
    type Err = ();

    fn from_str(text: &str) -> Result<CheckoutState, ()> {
        CheckoutState::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

impl fmt::Display for CheckoutState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_web_addresses_are_returned_to() {
        for url in [
            "http://127.0.0.1:8080/return?c=1",
            "https://a.example",
            "https://a.example/?s={CHECKOUT_SESSION_ID}",
        ] {
            assert!(is_url(url), "{url}");
        }
        let long = format!("https://a.example/{}", "x".repeat(URL_MAX_CHARS));
        for url in [
            "",
            "/return",
            "javascript:alert(1)",
            "https://",
            "http:///x",
            "https://a b",
            "ftp://a",
            "https://a\n",
            "https://u@h",
            "HTTPS//a",
            &long,
        ] {
            assert!(!is_url(url), "{url}");
        }
    }

    #[test]
    fn packs_multiply_and_custom_amounts_have_the_volume_price() {
        let catalog = Catalog::parse(catalog::DEMO).unwrap();
        let two = of_pack(&catalog, "pack_500", 2).unwrap();
        assert_eq!((two.credits, two.price.amount), (Credits::whole(1_000), 9_000));
        assert!(of_pack(&catalog, "pack_500", 0).is_err());
        assert!(of_pack(&catalog, "pack_7", 1).is_err());
        let custom = of_credits(&catalog, Credits::whole(12_000)).unwrap();
        assert_eq!((custom.price.amount, custom.expires_after_months), (72_000, 12));
        assert!(of_credits(&catalog, Credits::whole(9_999)).is_err());
    }
}
