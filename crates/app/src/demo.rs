//! What a first start puts into an empty installation, through the same use cases as everybody's calls.
//! The keys are fixed, so a second start changes nothing.

use kernel::{Credits, IdempotencyKey};
use ledger::GrantKind;
use sha2::{Digest, Sha256};

use crate::catalogue::{self, RateCardId};
use crate::customers::{self, Customer, CustomerKind, NewCustomer};
use crate::grants::{self, NewGrant};
use crate::keys::{self, NewApiKey};
use crate::{App, AppError, CustomerRef, Keyed, Principal, Scope};

/// Enough for every command of the README's tour.
const DEMO_CREDITS: Credits = Credits::whole(1_000);

#[derive(Clone, Debug)]
pub struct Demo {
    pub customer: Customer,
    /// The merchant's test key; known at the first start only, since only its hash is stored.
    pub secret: Option<String>,
}

pub async fn demo(app: &App) -> Result<Demo, AppError> {
    let system = Principal::system();
    catalogue(app).await?;
    let customer = customers::create(app, &system, demo_customer(), Some(&keyed("demo-customer")?)).await?;
    give_credits(app, &system, &customer.value).await?;
    let key = keys::create(app, &system, demo_key(), Some(&keyed("demo-api-key")?)).await?;
    Ok(Demo { customer: customer.value, secret: key.value.secret })
}

/// No catalogue and no customer.
pub async fn is_empty(app: &App) -> Result<bool, AppError> {
    let customers = store::cold::customers::count(app.store().reader()).await?;
    Ok(customers == 0 && catalogue::current(app).await?.is_none())
}

/// Publishes the demo's catalogue; leaves an installation alone that has one of its own.
pub async fn catalogue(app: &App) -> Result<(), AppError> {
    let system = &Principal::system();
    if catalogue::current(app).await?.is_some() {
        return Ok(());
    }
    let toml = catalog::DEMO.to_owned();
    let card = catalogue::create(app, system, toml, Some(&keyed("demo-rate-card")?)).await?;
    let id = RateCardId(card.value.version);
    catalogue::publish(app, system, id, Some(&keyed("demo-publish")?)).await?;
    Ok(())
}

async fn give_credits(app: &App, system: &Principal, customer: &Customer) -> Result<(), AppError> {
    let grant = NewGrant {
        customer: CustomerRef::Id(customer.id),
        credits: DEMO_CREDITS,
        kind: GrantKind::Promo,
        expires_at: None,
        priority: None,
        reason: Some("Welcome to the demo".to_owned()),
        paid: None,
    };
    grants::create(app, system, grant, &keyed("demo-grant")?).await?;
    Ok(())
}

fn demo_customer() -> NewCustomer {
    NewCustomer {
        external_id: "demo".to_owned(),
        kind: CustomerKind::Organisation,
        name: "Demo Studio".to_owned(),
        email: "demo@example.com".to_owned(),
        currency: None,
        timezone: None,
        from: None,
    }
}

fn demo_key() -> NewApiKey {
    NewApiKey {
        name: "Demo".to_owned(),
        scopes: Scope::ALL.into_iter().collect(),
        customer: None,
        livemode: false,
    }
}

/// The name stands for the input too: what the demo asks for under it may change between releases,
/// what it made stays.
fn keyed(name: &str) -> Result<Keyed, AppError> {
    let key = IdempotencyKey::new(name).map_err(|e| AppError::invalid("Idempotency-Key", e.to_string()))?;
    Ok(Keyed { key, hash: Sha256::digest(name.as_bytes()).into() })
}
