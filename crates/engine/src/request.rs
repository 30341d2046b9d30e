use std::io;
use std::sync::Arc;

use kernel::{IdempotencyKey, Seq, WalletId};
use ledger::{Command, Entry, InputHash, Refusal};
use store::StoreError;

/// One command for one wallet.
#[derive(Clone, Debug)]
pub struct Request {
    pub wallet: WalletId,
    pub key: KeyedInput,
    pub command: EngineCommand,
    /// Facts kept with the entry as JSON: the receipt's quantities and formula, the quote, the reason.
    pub about: Option<Arc<str>>,
    /// Unique for ever in its wallet.
    pub vendor_transaction: Option<String>,
}

/// A command with what the engine must load for it.
#[derive(Clone, Debug)]
pub enum EngineCommand {
    /// Names nothing, or lots and holds by seq.
    Ledger(Command),
    /// Undoes the debit or capture with this seq, once.
    Reverse { receipt: Seq },
    /// Writes what time has done to the wallet and nothing else.
    Settle,
}

/// Which earlier request this one repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyedInput {
    /// A caller's key: another input under it is refused.
    Key { key: IdempotencyKey, hash: InputHash },
    /// A reported event (source, id): never compared by body.
    Event { source: String, id: String, hash: InputHash },
    /// A key of ours, such as that of a payment: no caller's key is ever the same.
    System { key: IdempotencyKey, hash: InputHash },
    /// Of [`EngineCommand::Settle`]: what time has done has no key.
    Time,
}

/// What a command did, now or at its first try.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The command's own entry; everything an answer shows is read from it.
    pub entry: Arc<Entry>,
    pub replayed: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the idempotency key was used with another input")]
    KeyReused,
    #[error("the vendor transaction {0:?} is already on another receipt of this wallet")]
    VendorTransactionTaken(String),
    /// Of [`EngineCommand::Settle`].
    #[error("time has done nothing to this wallet")]
    NothingDue,
    #[error("there is no such wallet")]
    UnknownWallet,
    /// Nothing was decided; the same request may be sent again.
    #[error("too many commands are waiting")]
    Overloaded,
    /// The outcome is unknown to the caller; the same key tells it.
    #[error("the database does not answer")]
    Unavailable(#[source] Arc<StoreError>),
    #[error("the engine is stopping")]
    Stopping,
    /// At the start.
    #[error("the thread of the lanes did not start")]
    NoThread(#[source] Arc<io::Error>),
}
