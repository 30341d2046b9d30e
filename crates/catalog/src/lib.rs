//! What is for sale and what it costs: one TOML document becomes a [`Catalog`] that cannot be wrong,
//! and [`price`] turns quantities into credits with every step shown.
//!
//! Pure: no clock (the instant is part of the [`Ask`]), no I/O, no floats. What the catalogue does not
//! know: wallets, who may use what at this moment, period tiers (`per = period` needs wallet state).

mod alternatives;
mod catalog;
mod complexity;
mod error;
mod formula;
mod multiplier;
mod parse;
mod plan;
mod price;
mod rate;
mod ratio;
mod tally;
mod volume;
mod window;

pub use alternatives::{Alternative, alternatives};
pub use catalog::{Catalog, Feature, Overage};
pub use complexity::{Complexity, ComplexityError, complexity};
pub use error::{FieldError, PriceError};
pub use plan::{Entitlement, Plan};
pub use price::{Ask, Options, Price, PriceLine, price};
pub use rate::{Factor, Model, OPTION_NAMES, Rate, Tier};
pub use ratio::Ratio;
pub use volume::{Pack, VolumePrice, price_of_credits};
pub use window::{Weekday, Window};

/// The catalogue of the demo, as `contract.md` fixes it. A test proves that it parses.
pub const DEMO: &str = include_str!("demo.toml");

/// The largest document that [`Catalog::parse`] reads.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;
