//! Prices for everybody: the card in force, and what a piece of work would cost now. Nothing is stored.

use std::sync::Arc;

use crate::catalogue::Version;
use crate::{App, AppError, Context, Priced, Work, catalogue, pricing};

/// `None` as long as nothing is published.
pub async fn in_force(app: &App) -> Result<Option<Arc<Version>>, AppError> {
    catalogue::current(app).await
}

/// By the same function as every charge. Errors name the quantity that is missing or too large.
pub async fn calculate(app: &App, work: &Work) -> Result<Priced, AppError> {
    let (_, priced) = pricing::price_at(app, work, &Context::default(), app.now()).await?;
    Ok(priced)
}
