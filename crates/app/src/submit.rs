//! The one way from a use case to the engine.

use engine::{Answer, EngineCommand, KeyedInput, Request};
use kernel::WalletId;
use serde::Serialize;

use crate::about::to_json;
use crate::{App, AppError, Keyed};

/// A keyed command with the facts that its answer is rendered from.
pub(crate) fn request(
    wallet: WalletId,
    keyed: &Keyed,
    command: EngineCommand,
    facts: &impl Serialize,
) -> Result<Request, AppError> {
    Ok(Request {
        wallet,
        key: KeyedInput::Key { key: keyed.key.clone(), hash: keyed.hash },
        command,
        about: Some(to_json(facts)?),
        vendor_transaction: None,
    })
}

/// A call that cannot be prepared any more (its model left the card, its hold moved on) may be the retry
/// of a success: then the first answer stands.
pub(crate) async fn submit_or_first(
    app: &App,
    wallet: WalletId,
    keyed: &Keyed,
    prepared: Result<Request, AppError>,
) -> Result<Answer, AppError> {
    let error = match prepared {
        Ok(request) => return submit(app, request).await,
        Err(error) => error,
    };
    let key = KeyedInput::Key { key: keyed.key.clone(), hash: keyed.hash };
    Box::pin(app.engine().first_answer(wallet, &key)).await?.ok_or(error)
}

pub(crate) async fn submit(app: &App, request: Request) -> Result<Answer, AppError> {
    Ok(app.engine().submit(request).await?)
}
