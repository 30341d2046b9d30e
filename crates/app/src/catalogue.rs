//! Rate cards: drafts, publishing, and which one is in force at an instant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use catalog::Catalog;
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use store::cold::catalogues;
use store::{DatabaseTransaction, StoreError};

use crate::cache::Published;
use crate::cold::{Route, once};
use crate::{App, AppError, Done, FieldError, Keyed, Page, PageRequest, Principal, RateCardRef, Scope};

const CREATE: Route = Route("POST /v1/rate-cards");
const PUBLISH: Route = Route("POST /v1/rate-cards/{id}/publish");

/// Names a rate card: `card_7` is version 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateCardId(pub i64);

/// One immutable version of the catalogue.
#[derive(Clone, Debug)]
pub struct Version {
    pub version: i64,
    pub catalog: Catalog,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateCard {
    pub version: i64,
    pub name: String,
    pub created_at: Timestamp,
    /// `None` for a draft.
    pub published_at: Option<Timestamp>,
}

/// The catalogue in force; features, packs, plans and models are read from it.
/// `None` as long as nothing is published.
pub async fn shown(app: &App, by: &Principal) -> Result<Option<Arc<Version>>, AppError> {
    by.require_own(Scope::Read)?;
    current(app).await
}

/// All versions, newest first.
pub async fn rate_cards(app: &App, by: &Principal, page: &PageRequest) -> Result<Page<RateCard>, AppError> {
    by.require_own(Scope::Read)?;
    let limit = page.limit()?;
    let before = page.after(|cursor| cursor.parse::<RateCardId>().ok())?;
    let rows = catalogues::page(app.store().reader(), before.map(|id| id.0), limit + 1).await?;
    let mut page = Page::cut(rows, limit, |row| RateCardId(row.version).to_string()).map(rate_card);
    // Drafts are the merchant's own business.
    page.data.retain(|card| by.customer.is_none() || card.published_at.is_some());
    Ok(page)
}

/// One version with its document.
pub async fn rate_card_document(
    app: &App,
    by: &Principal,
    id: RateCardId,
) -> Result<(RateCard, String), AppError> {
    by.require(Scope::Read)?;
    let row = catalogues::by_version(app.store().reader(), id.0).await?;
    let row = row.ok_or(AppError::not_found("rate card"))?;
    let toml = row.toml.clone();
    Ok((rate_card(row), toml))
}

/// Stores a draft. Errors name the fields of the document that are wrong.
pub async fn create(
    app: &App,
    by: &Principal,
    toml: String,
    keyed: Option<&Keyed>,
) -> Result<Done<RateCard>, AppError> {
    by.require(Scope::Catalogue)?;
    let catalog = parse(&toml)?;
    let draft = catalogues::Model {
        version: 0,
        name: catalog.rate_card_name().to_owned(),
        toml,
        created_at: app.now().micros(),
        published_at: None,
    };
    once(app, by, CREATE, keyed, move |txn| {
        let draft = draft.clone();
        Box::pin(async move {
            let version = catalogues::last_version(txn).await? + 1;
            let draft = catalogues::Model { version, ..draft };
            catalogues::insert(txn, draft.clone()).await?;
            Ok(rate_card(draft))
        })
    })
    .await
}

/// Puts a draft in force from now on; one that is published stays as it is.
pub async fn publish(
    app: &App,
    by: &Principal,
    id: RateCardId,
    keyed: Option<&Keyed>,
) -> Result<Done<RateCard>, AppError> {
    by.require(Scope::Catalogue)?;
    let at = app.now().micros();
    let done =
        once(app, by, PUBLISH, keyed, move |txn| Box::pin(async move { publish_in(txn, id, at).await }))
            .await?;
    app.inner.catalogues.forget_published();
    Ok(done)
}

/// The newest published version.
pub(crate) async fn current(app: &App) -> Result<Option<Arc<Version>>, AppError> {
    match published(app).await?.last() {
        Some((_, version)) => self::version(app, *version).await.map(Some),
        None => Ok(None),
    }
}

/// The version that was in force at `instant`; before the first one, the first.
pub(crate) async fn at(app: &App, instant: Timestamp) -> Result<Option<Arc<Version>>, AppError> {
    match in_force(&published(app).await?, instant) {
        Some(version) => self::version(app, version).await.map(Some),
        None => Ok(None),
    }
}

/// A version that somebody has seen, so it is there.
pub(crate) async fn version(app: &App, version: i64) -> Result<Arc<Version>, AppError> {
    if let Some(known) = app.inner.catalogues.versions.get(&version) {
        return Ok(known);
    }
    let row = Box::pin(catalogues::by_version(app.store().reader(), version)).await?;
    let corrupt = || StoreError::Corrupt(format!("rate card {version} is missing or not readable"));
    let catalog = Catalog::parse(&row.ok_or_else(corrupt)?.toml).map_err(|_| corrupt())?;
    let loaded = Arc::new(Version { version, catalog });
    app.inner.catalogues.versions.set(version, loaded.clone());
    Ok(loaded)
}

fn in_force(published: &[(Timestamp, i64)], instant: Timestamp) -> Option<i64> {
    let then = published.iter().rfind(|(at, _)| *at <= instant);
    then.or(published.first()).map(|(_, version)| *version)
}

async fn published(app: &App) -> Result<Published, AppError> {
    let cache = &app.inner.catalogues;
    if let Some(known) = cache.published() {
        return Ok(known);
    }
    let _one_reader = cache.reading.lock().await;
    if let Some(known) = cache.published() {
        return Ok(known);
    }
    let rows = Box::pin(catalogues::published(app.store().reader())).await?;
    let read: Published =
        rows.into_iter().map(|(at, v)| (Timestamp::from_micros_saturating(at), v)).collect();
    cache.set_published(read.clone());
    Ok(read)
}

async fn publish_in(txn: &DatabaseTransaction, id: RateCardId, at: i64) -> Result<RateCard, AppError> {
    catalogues::publish(txn, id.0, at).await?;
    let row = catalogues::by_version(txn, id.0).await?;
    Ok(rate_card(row.ok_or(AppError::not_found("rate card"))?))
}

fn parse(toml: &str) -> Result<Catalog, AppError> {
    let invalid = |e: catalog::FieldError| FieldError { field: e.field, message: e.message };
    Catalog::parse(toml)
        .map_err(|errors| AppError::Invalid { errors: errors.into_iter().map(invalid).collect() })
}

fn rate_card(row: catalogues::Model) -> RateCard {
    RateCard {
        version: row.version,
        name: row.name,
        created_at: Timestamp::from_micros_saturating(row.created_at),
        published_at: row.published_at.map(Timestamp::from_micros_saturating),
    }
}

impl Version {
    pub fn reference(&self) -> RateCardRef {
        RateCardRef { version: self.version, name: self.catalog.rate_card_name().to_owned() }
    }
}

impl fmt::Display for RateCardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "card_{}", self.0)
    }
}

impl FromStr for RateCardId {
    type Err = ();

    fn from_str(text: &str) -> Result<RateCardId, ()> {
        let digits = text.strip_prefix("card_").ok_or(())?;
        let version: i64 = digits.parse().map_err(|_| ())?;
        let id = RateCardId(version);
        // One spelling per id: no sign, no leading zero.
        if version > 0 && id.to_string() == text { Ok(id) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_usage_finds_the_card_of_its_time() {
        let at = |seconds| Timestamp::EPOCH.plus_seconds(seconds);
        let published = [(at(10), 1), (at(20), 3), (at(30), 2)];
        let cases = [(5, 1), (10, 1), (19, 1), (20, 3), (29, 3), (30, 2), (99, 2)];
        for (instant, version) in cases {
            assert_eq!(in_force(&published, at(instant)), Some(version), "{instant}");
        }
        assert_eq!(in_force(&[], at(1)), None);
    }

    #[test]
    fn a_rate_card_id_has_one_spelling() {
        assert_eq!("card_7".parse(), Ok(RateCardId(7)));
        for text in ["card_", "card_0", "card_07", "card_+7", "card_-1", "7", "card_99999999999999999999"] {
            assert!(text.parse::<RateCardId>().is_err(), "{text}");
        }
    }
}
