//! How models and snapshots lie in the database: bytes that name what they were made from. Postcard keeps every
//! bit of a float, which JSON does not promise.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::book::Book;
use crate::features::NAMES;
use crate::model::Ensemble;
use crate::record::Record;
use crate::training::Taught;

#[derive(Serialize)]
struct Stored<T> {
    schema: u64,
    content: T,
}

/// Why stored bytes cannot be used. What is in use stays in use.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the stored bytes cannot be read; train a new model, or rebuild the state from the journal")]
    Unreadable(#[source] postcard::Error),
    #[error(
        "the stored bytes belong to another version (schema {found:016x}, this one has {expected:016x}); train a new model, or rebuild the state from the journal"
    )]
    OtherVersion { found: u64, expected: u64 },
}

/// Raised when the state of a wallet or a network changes its shape or its meaning.
const STATE_VERSION: &str = "state 4";

/// Raised when a signal changes its shape.
const RECORD_VERSION: &str = "record 2";

/// Changes whenever a feature is added, removed, renamed or moved.
#[must_use]
pub fn model_schema() -> u64 {
    hash(NAMES.iter().flat_map(|name| name.bytes().chain([0])))
}

/// # Errors
/// Those of the format, which knows all that a model is made of.
pub fn model_to_bytes(model: &Ensemble) -> Result<Vec<u8>, LoadError> {
    write(model_schema(), model)
}

/// # Errors
/// When the bytes are no model, or one for other features.
pub fn model_from_bytes(bytes: &[u8]) -> Result<Ensemble, LoadError> {
    read(model_schema(), bytes)
}

/// # Errors
/// Those of the format, which knows all that a state is made of.
pub fn book_to_bytes(book: &Book) -> Result<Vec<u8>, LoadError> {
    write(hash(STATE_VERSION.bytes()), book)
}

/// # Errors
/// When the bytes are no state, or one of another version.
pub fn book_from_bytes(bytes: &[u8]) -> Result<Book, LoadError> {
    read(hash(STATE_VERSION.bytes()), bytes)
}

/// # Errors
/// Those of the format, which knows all that it is made of.
pub fn taught_to_bytes(taught: &Taught) -> Result<Vec<u8>, LoadError> {
    write(model_schema(), taught)
}

/// # Errors
/// When the bytes are nothing that was taught, or were taught on other features.
pub fn taught_from_bytes(bytes: &[u8]) -> Result<Taught, LoadError> {
    read(model_schema(), bytes)
}

/// # Errors
/// Those of the format, which knows all that a record is made of.
pub fn records_to_bytes(records: &[Record]) -> Result<Vec<u8>, LoadError> {
    write(hash(RECORD_VERSION.bytes()), records)
}

/// # Errors
/// When the bytes are no records, or some of another version.
pub fn records_from_bytes(bytes: &[u8]) -> Result<Vec<Record>, LoadError> {
    read(hash(RECORD_VERSION.bytes()), bytes)
}

fn write<T: Serialize>(schema: u64, content: T) -> Result<Vec<u8>, LoadError> {
    postcard::to_stdvec(&Stored { schema, content }).map_err(LoadError::Unreadable)
}

/// The schema is read first: what follows it may have another shape.
fn read<T: DeserializeOwned>(expected: u64, bytes: &[u8]) -> Result<T, LoadError> {
    let (found, content) = postcard::take_from_bytes::<u64>(bytes).map_err(LoadError::Unreadable)?;
    if found != expected {
        return Err(LoadError::OtherVersion { found, expected });
    }
    postcard::from_bytes(content).map_err(LoadError::Unreadable)
}

fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
