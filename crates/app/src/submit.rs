//! The one way from a use case to the engine.

use engine::{Answer, EngineCommand, EngineError, KeyedInput, Request};
use kernel::{Seq, WalletId};
use ledger::Command;
use serde::Serialize;

use crate::about::to_json;
use crate::{App, AppError, Keyed};

/// A wallet's first command has 1.
const NO_HOLD: Seq = 0;

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
        about: Some(to_json(facts)?.into()),
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
    let (request, error) = match prepared {
        Ok(request) => (request, None),
        Err(error) => (question(wallet, keyed), Some(error)),
    };
    answer_or(app.engine().submit(request).await, error)
}

/// Asks for the first answer under a key and nothing else: the engine looks at the key before the command, and
/// no wallet grants this one. It waits in the lane, behind the first try if that is still there. A first try
/// that waits in another process is not seen.
pub(crate) fn question(wallet: WalletId, keyed: &Keyed) -> Request {
    Request {
        wallet,
        key: KeyedInput::Key { key: keyed.key.clone(), hash: keyed.hash },
        command: EngineCommand::Ledger(Command::VoidHold { hold: NO_HOLD }),
        about: None,
        vendor_transaction: None,
    }
}

/// With an `error` it is the answer to a [`question`]: a refusal means that there was no first answer, as does a wallet that is not there.
pub(crate) fn answer_or(
    answer: Result<Answer, EngineError>,
    error: Option<AppError>,
) -> Result<Answer, AppError> {
    match (answer, error) {
        (Err(EngineError::Refused(_) | EngineError::UnknownWallet), Some(error)) => Err(error),
        (answer, _) => Ok(answer?),
    }
}

pub(crate) async fn submit(app: &App, request: Request) -> Result<Answer, AppError> {
    Ok(app.engine().submit(request).await?)
}
