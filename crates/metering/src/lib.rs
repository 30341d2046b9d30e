//! Vendor reports become one [`Usage`] shape.
//!
//! Pure: what a report means is decided here from the report and the [`Mapping`] settings alone; what
//! it costs is the catalogue's matter, who pays for it the app's.

mod event;
mod mapping;
mod number;
mod path;
mod rating;

pub use event::{ATTRIBUTE_MAX_CHARS, DATA_MAX_BYTES, EVENTS_MAX, Event, EventError, parse_events};
pub use mapping::{CONTEXT_NAMES, Mapping, Measure, OPTION_NAMES, Word, parse_mappings};
pub use path::{Path, PathError};
pub use rating::{Reason, Unrated, Usage, usage_of, without_context};

/// The mappings that ship: LiteLLM's `openmeter` callback and our own `scrip.usage`.
/// A test proves that they parse.
pub const DEFAULT_MAPPINGS: &str = include_str!("default_mappings.toml");
