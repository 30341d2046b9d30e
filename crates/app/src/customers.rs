use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use futures::future::join_all;
use kernel::{Currency, CustomerId, Timestamp, WalletId, new_uuid};
use serde::{Deserialize, Serialize};
use store::cold::customers;
use store::cold::risk::origins;
use store::{DatabaseTransaction, StoreError};

use crate::cold::{Route, once};
use crate::text::{Checks, NAME_MAX_CHARS, is_text};
use crate::{App, AppError, Done, Keyed, Page, PageRequest, Principal, Scope, prints, risk};

const CREATE: Route = Route("POST /v1/customers");
/// Prefixes of our own ids; an external id that begins so could be taken for one (rules.md, "Who").
const OUR_PREFIXES: [&str; 14] = [
    "cus_", "wal_", "grt_", "hld_", "rct_", "quo_", "sub_", "inv_", "chk_", "evt_", "cas_", "key_", "pack_",
    "card_",
];
const EMAIL_MAX_CHARS: usize = 320;
const TIMEZONE_MAX_CHARS: usize = 64;
const DEFAULT_TIMEZONE: &str = "UTC";

/// How a call names a customer: by our id or by theirs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CustomerRef {
    Id(CustomerId),
    ExternalId(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerKind {
    Individual,
    Organisation,
}

#[derive(Clone, Debug)]
pub struct NewCustomer {
    pub external_id: String,
    pub kind: CustomerKind,
    pub name: String,
    pub email: String,
    /// US dollars when absent.
    pub currency: Option<Currency>,
    /// An IANA name; UTC when absent.
    pub timezone: Option<String>,
    /// Where they sign up from. Of it only a keyed hash of the network is kept.
    pub from: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    pub id: CustomerId,
    pub external_id: String,
    pub wallet: WalletId,
    pub kind: CustomerKind,
    pub name: String,
    pub email: String,
    pub currency: Currency,
    pub timezone: String,
    pub created_at: Timestamp,
}

/// What the hot path needs of a customer; cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub id: CustomerId,
    pub wallet: WalletId,
}

/// Makes the customer and their empty wallet.
pub async fn create(
    app: &App,
    by: &Principal,
    new: NewCustomer,
    keyed: Option<&Keyed>,
) -> Result<Done<Customer>, AppError> {
    by.require(Scope::Admin)?;
    check(&new)?;
    let network = prints::network_of(app, new.from).await?;
    let customer = made(app, new);
    let origin = risk::origin(app, customer.wallet, network);
    let kept = origin.clone();
    let done = once(app, by, CREATE, keyed, move |txn| {
        let (customer, origin) = (customer.clone(), origin.clone());
        Box::pin(async move { insert(txn, customer, origin).await })
    })
    .await?;
    if !done.replayed {
        risk::joined(app, &done.value, kept);
    }
    Ok(done)
}

/// The customer that was asked for, not stored yet.
pub(crate) fn made(app: &App, new: NewCustomer) -> Customer {
    Customer {
        id: CustomerId::from_uuid(new_uuid()),
        external_id: new.external_id,
        wallet: WalletId::from_uuid(new_uuid()),
        kind: new.kind,
        name: new.name,
        email: new.email,
        currency: new.currency.unwrap_or(Currency::USD),
        timezone: new.timezone.unwrap_or_else(|| DEFAULT_TIMEZONE.to_owned()),
        created_at: app.now(),
    }
}

pub async fn get(app: &App, by: &Principal, customer: &CustomerRef) -> Result<Customer, AppError> {
    by.require_own(Scope::Read)?;
    let known = in_path(app, by, customer).await?;
    load(app, known.id).await
}

/// Newest first. With `external_id` at most one; a `ck_` key sees its own customer only.
pub async fn list(
    app: &App,
    by: &Principal,
    external_id: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Customer>, AppError> {
    by.require_own(Scope::Read)?;
    let limit = page.limit()?;
    let before: Option<CustomerId> = page.after(|cursor| cursor.parse().ok())?;
    let db = app.store().reader();
    let rows = match (by.customer, external_id) {
        (Some(own), _) => customers::by_id(db, own.uuid()).await?.into_iter().collect(),
        (None, Some(text)) if !is_text(text, NAME_MAX_CHARS) => Vec::new(),
        (None, Some(text)) => customers::by_external_id(db, text).await?.into_iter().collect(),
        (None, None) => customers::page(db, before.map(CustomerId::uuid), limit + 1).await?,
    };
    let rows: Vec<customers::Model> =
        rows.into_iter().filter(|row| external_id.is_none_or(|text| row.external_id == text)).collect();
    let customers = rows.into_iter().map(customer).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::cut(customers, limit, |c| c.id.to_string()))
}

/// What customers are called, for lists of what concerns many of them.
pub async fn names(
    app: &App,
    by: &Principal,
    of: impl Iterator<Item = CustomerId>,
) -> Result<HashMap<CustomerId, String>, AppError> {
    by.require(Scope::Admin)?;
    let ids: HashSet<uuid::Uuid> = of.map(CustomerId::uuid).collect();
    let found = customers::names_of(app.store().reader(), ids.into_iter().collect()).await?;
    Ok(found.into_iter().map(|(id, name)| (CustomerId::from_uuid(id), name)).collect())
}

pub(crate) async fn load(app: &App, id: CustomerId) -> Result<Customer, AppError> {
    let row = customers::by_id(app.store().reader(), id.uuid()).await?;
    customer(row.ok_or(AppError::not_found("customer"))?)
}

/// The customer that a path names; unknown and foreign ones are 404.
pub(crate) async fn in_path(app: &App, by: &Principal, customer: &CustomerRef) -> Result<Known, AppError> {
    let known = find(app, customer).await?.ok_or(AppError::not_found("customer"))?;
    by.may_see(known.id, "customer")?;
    Ok(known)
}

/// The customer that a body names in `customer`; unknown ones are 400, but a `ck_` key learns nothing
/// about others: 404.
pub(crate) async fn in_body(app: &App, by: &Principal, customer: &CustomerRef) -> Result<Known, AppError> {
    named(by, find(app, customer).await?)
}

/// The same, without a look for one of the `strangers`.
pub(crate) async fn in_body_unless(
    app: &App,
    by: &Principal,
    customer: &CustomerRef,
    strangers: &HashSet<CustomerRef>,
) -> Result<Known, AppError> {
    if strangers.contains(customer) { named(by, None) } else { in_body(app, by, customer).await }
}

fn named(by: &Principal, found: Option<Known>) -> Result<Known, AppError> {
    match found {
        Some(known) => by.may_see(known.id, "customer").map(|()| known),
        None if by.customer.is_some() => Err(AppError::not_found("customer")),
        None => Err(AppError::invalid("customer", "is not a customer, neither by our id nor by yours")),
    }
}

pub(crate) async fn find(app: &App, customer: &CustomerRef) -> Result<Option<Known>, AppError> {
    let directory = &app.inner.directory;
    let db = app.store().reader();
    match customer {
        CustomerRef::Id(id) => {
            if let Some(wallet) = directory.by_id.get(id) {
                return Ok(Some(Known { id: *id, wallet }));
            }
            let row = Box::pin(customers::by_id(db, id.uuid())).await?;
            Ok(row.map(|row| remember(app, &row)))
        }
        CustomerRef::ExternalId(text) => {
            if let Some((id, wallet)) = directory.by_external_id.get(text.as_str()) {
                return Ok(Some(Known { id, wallet }));
            }
            if !is_text(text, NAME_MAX_CHARS) {
                return Ok(None);
            }
            let row = Box::pin(customers::by_external_id(db, text)).await?;
            Ok(row.map(|row| remember(app, &row)))
        }
    }
}

/// Reads those that are not remembered, at once, and answers who is no customer. What fails comes out where one
/// is asked for.
pub(crate) async fn meet<'c>(
    app: &App,
    customers: impl Iterator<Item = &'c CustomerRef>,
) -> HashSet<CustomerRef> {
    let directory = &app.inner.directory;
    let unknown: HashSet<&CustomerRef> = customers
        .filter(|customer| match customer {
            CustomerRef::Id(id) => directory.by_id.get(id).is_none(),
            CustomerRef::ExternalId(text) => directory.by_external_id.get(text.as_str()).is_none(),
        })
        .collect();
    let stranger = async |customer: &CustomerRef| match find(app, customer).await {
        Ok(None) => Some(customer.clone()),
        Ok(Some(_)) | Err(_) => None,
    };
    join_all(unknown.into_iter().map(stranger)).await.into_iter().flatten().collect()
}

fn remember(app: &App, row: &customers::Model) -> Known {
    let known = Known { id: CustomerId::from_uuid(row.id), wallet: WalletId::from_uuid(row.wallet) };
    app.inner.directory.by_id.set(known.id, known.wallet);
    app.inner.directory.by_external_id.set(row.external_id.clone(), (known.id, known.wallet));
    known
}

pub(crate) async fn insert(
    txn: &DatabaseTransaction,
    customer: Customer,
    origin: Option<risk::Origin>,
) -> Result<Customer, AppError> {
    if customers::by_external_id(txn, &customer.external_id).await?.is_some() {
        let detail = format!("another customer has the external_id {:?}", customer.external_id);
        return Err(AppError::Conflict { code: "external_id_taken", detail });
    }
    store::wallets::create(txn, customer.wallet).await?;
    customers::insert(txn, row(&customer)).await?;
    if let Some(origin) = origin {
        origins::insert_once(txn, origin).await?;
    }
    Ok(customer)
}

fn check(new: &NewCustomer) -> Result<(), AppError> {
    let mut checks = Checks::default();
    check_into(&mut checks, new);
    checks.done()
}

pub(crate) fn check_into(checks: &mut Checks, new: &NewCustomer) {
    checks.text("external_id", &new.external_id, NAME_MAX_CHARS);
    if let Some(prefix) = OUR_PREFIXES.iter().find(|p| new.external_id.starts_with(**p)) {
        checks.refuse("external_id", format!("must not begin with {prefix:?}, as our ids do"));
    }
    checks.text("name", &new.name, NAME_MAX_CHARS);
    checks.ensure(is_email(&new.email), "email", "is not an e-mail address such as \"ada@example.com\"");
    let is_zone = new.timezone.as_deref().is_none_or(is_timezone);
    checks.ensure(is_zone, "timezone", "is not a time zone such as \"Europe/Berlin\"");
}

/// Only a mail server knows; this keeps out what no mail server would take.
pub(crate) fn is_email(text: &str) -> bool {
    let has_parts = text.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    has_parts && is_text(text, EMAIL_MAX_CHARS) && !text.chars().any(char::is_whitespace)
}

/// The shape of an IANA name; the zone itself matters only once something is billed by it.
fn is_timezone(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    is_text(text, TIMEZONE_MAX_CHARS)
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(is_part)
}

fn row(customer: &Customer) -> customers::Model {
    customers::Model {
        id: customer.id.uuid(),
        external_id: customer.external_id.clone(),
        wallet: customer.wallet.uuid(),
        kind: customer.kind.as_str().to_owned(),
        name: customer.name.clone(),
        email: customer.email.clone(),
        currency: customer.currency.to_string(),
        timezone: customer.timezone.clone(),
        created_at: customer.created_at.micros(),
    }
}

fn customer(row: customers::Model) -> Result<Customer, AppError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("customer {}: {what}", row.id));
    Ok(Customer {
        id: CustomerId::from_uuid(row.id),
        wallet: WalletId::from_uuid(row.wallet),
        kind: row.kind.parse().map_err(|()| corrupt("kind"))?,
        currency: row.currency.parse().map_err(|_| corrupt("currency"))?,
        created_at: Timestamp::from_micros(row.created_at).ok_or_else(|| corrupt("created_at"))?,
        external_id: row.external_id,
        name: row.name,
        email: row.email,
        timezone: row.timezone,
    })
}

impl CustomerKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            CustomerKind::Individual => "individual",
            CustomerKind::Organisation => "organisation",
        }
    }
}

impl FromStr for CustomerKind {
    type Err = ();

    fn from_str(text: &str) -> Result<CustomerKind, ()> {
        [CustomerKind::Individual, CustomerKind::Organisation]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(())
    }
}

impl From<&str> for CustomerRef {
    fn from(text: &str) -> CustomerRef {
        text.parse().map_or_else(|_| CustomerRef::ExternalId(text.to_owned()), CustomerRef::Id)
    }
}

impl fmt::Display for CustomerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CustomerRef::Id(id) => id.fmt(f),
            CustomerRef::ExternalId(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(external_id: &str, email: &str, timezone: &str) -> NewCustomer {
        NewCustomer {
            external_id: external_id.to_owned(),
            kind: CustomerKind::Individual,
            name: "Ada".to_owned(),
            email: email.to_owned(),
            currency: None,
            timezone: Some(timezone.to_owned()),
            from: None,
        }
    }

    #[test]
    fn an_external_id_may_not_look_like_one_of_ours() {
        assert!(check(&new("acme", "ada@example.com", "Europe/Berlin")).is_ok());
        assert!(check(&new("custom-1", "ada@example.com", "UTC")).is_ok());
        for prefix in OUR_PREFIXES {
            assert!(check(&new(&format!("{prefix}1"), "ada@example.com", "UTC")).is_err(), "{prefix}");
        }
    }

    #[test]
    fn what_cannot_be_an_address_or_a_zone_is_refused() {
        for email in ["", "ada", "@example.com", "ada@", "a b@example.com", "ada\0@example.com"] {
            assert!(check(&new("acme", email, "UTC")).is_err(), "{email:?}");
        }
        for zone in ["", "Europe Berlin", "+02:00", "UTC\0", &"x".repeat(65)] {
            assert!(check(&new("acme", "ada@example.com", zone)).is_err(), "{zone:?}");
        }
    }

    #[test]
    fn a_customer_is_named_by_our_id_or_by_theirs() {
        let id = CustomerId::from_uuid(new_uuid());
        assert_eq!(CustomerRef::from(id.to_string().as_str()), CustomerRef::Id(id));
        assert_eq!(CustomerRef::from("cus_1"), CustomerRef::ExternalId("cus_1".to_owned()));
    }
}
