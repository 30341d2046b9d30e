use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::AmountError;
use crate::credits::{Millionths, parse_millionths};

/// Millionths in one unit of an [`Amount`].
pub const AMOUNT_UNIT: i64 = 1_000_000;

/// The largest whole number of an [`Amount`]; an f64 counts exactly as far.
const WHOLE_MAX: f64 = 1e12;

/// A non-negative measured number, exact to a millionth, at most 10^12.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount(i64);

/// What can drive a price. The list is closed: another name in a request is an error, not a free unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    Requests,
    /// Without cached ones; adapters subtract.
    InputTokens,
    CachedInputTokens,
    CacheWriteTokens,
    OutputTokens,
    AudioInputTokens,
    AudioOutputTokens,
    Characters,
    Images,
    Width,
    Height,
    Steps,
    Guidance,
    Seconds,
    Frames,
    Fps,
    Bytes,
    Pages,
    Dimensions,
    Vectors,
    BatchSize,
}

/// How much of what one request used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantities(BTreeMap<Driver, Amount>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("is not a quantity; known are {}", Driver::names())]
    Unknown,
    #[error(transparent)]
    Amount(#[from] AmountError),
}

impl Amount {
    pub const ZERO: Amount = Amount(0);
    pub const MAX: Amount = Amount(1_000_000_000_000 * AMOUNT_UNIT);

    /// `None` when negative or above [`Amount::MAX`].
    pub fn from_millionths(millionths: i64) -> Option<Amount> {
        (0..=Self::MAX.0).contains(&millionths).then_some(Amount(millionths))
    }

    /// `None` when above [`Amount::MAX`].
    pub fn whole(units: u64) -> Option<Amount> {
        i64::try_from(units).ok()?.checked_mul(AMOUNT_UNIT).and_then(Self::from_millionths)
    }

    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// Appends what `Display` writes.
    pub fn push_to(self, text: &mut String) {
        text.push_str(Millionths::of(self.0).as_str());
    }

    #[must_use]
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.0.checked_add(other.0).and_then(Self::from_millionths)
    }

    /// The whole units, when there is no fraction of one.
    pub fn as_whole(self) -> Option<u64> {
        let units = u64::try_from(self.0 / AMOUNT_UNIT).ok()?;
        (self.0 % AMOUNT_UNIT == 0).then_some(units)
    }

    /// Reads what a JSON number's shortest text says, so 7.1 is 7.1 and not its nearest binary fraction.
    pub fn from_f64(number: f64) -> Result<Amount, AmountError> {
        if !number.is_finite() {
            return Err(AmountError::NotDecimal);
        }
        if number.fract() == 0.0 && (0.0..=WHOLE_MAX).contains(&number) {
            #[allow(clippy::cast_possible_truncation, reason = "a whole number within the range")]
            return Ok(Amount(number as i64 * AMOUNT_UNIT));
        }
        format!("{number}").parse()
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Amount, AmountError> {
        match parse_millionths(text, Amount::MAX.0, "1000000000000")? {
            n if n < 0 => Err(AmountError::Negative),
            n => Ok(Amount(n)),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Millionths::of(self.0).as_str())
    }
}

impl Driver {
    pub const ALL: [Driver; 21] = [
        Driver::Requests,
        Driver::InputTokens,
        Driver::CachedInputTokens,
        Driver::CacheWriteTokens,
        Driver::OutputTokens,
        Driver::AudioInputTokens,
        Driver::AudioOutputTokens,
        Driver::Characters,
        Driver::Images,
        Driver::Width,
        Driver::Height,
        Driver::Steps,
        Driver::Guidance,
        Driver::Seconds,
        Driver::Frames,
        Driver::Fps,
        Driver::Bytes,
        Driver::Pages,
        Driver::Dimensions,
        Driver::Vectors,
        Driver::BatchSize,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Driver::Requests => "requests",
            Driver::InputTokens => "input_tokens",
            Driver::CachedInputTokens => "cached_input_tokens",
            Driver::CacheWriteTokens => "cache_write_tokens",
            Driver::OutputTokens => "output_tokens",
            Driver::AudioInputTokens => "audio_input_tokens",
            Driver::AudioOutputTokens => "audio_output_tokens",
            Driver::Characters => "characters",
            Driver::Images => "images",
            Driver::Width => "width",
            Driver::Height => "height",
            Driver::Steps => "steps",
            Driver::Guidance => "guidance",
            Driver::Seconds => "seconds",
            Driver::Frames => "frames",
            Driver::Fps => "fps",
            Driver::Bytes => "bytes",
            Driver::Pages => "pages",
            Driver::Dimensions => "dimensions",
            Driver::Vectors => "vectors",
            Driver::BatchSize => "batch_size",
        }
    }

    fn names() -> String {
        Self::ALL.map(Driver::name).join(", ")
    }
}

impl FromStr for Driver {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Driver, QuantityError> {
        Self::ALL.into_iter().find(|d| d.name() == text).ok_or(QuantityError::Unknown)
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Quantities {
    pub fn get(&self, driver: Driver) -> Option<Amount> {
        self.0.get(&driver).copied()
    }

    pub fn set(&mut self, driver: Driver, amount: Amount) {
        self.0.insert(driver, amount);
    }

    pub fn iter(&self) -> impl Iterator<Item = (Driver, Amount)> + '_ {
        self.0.iter().map(|(d, a)| (*d, *a))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Driver, Amount)> for Quantities {
    fn from_iter<I: IntoIterator<Item = (Driver, Amount)>>(pairs: I) -> Quantities {
        Quantities(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_number_keeps_the_digits_it_was_written_with() {
        assert_eq!(Amount::from_f64(7.1).map(|a| a.to_string()), Ok("7.1".to_owned()));
        assert_eq!(Amount::from_f64(0.0), Ok(Amount::ZERO));
        assert_eq!(Amount::from_f64(1e12), Ok(Amount::MAX));
        assert_eq!(Amount::from_f64(-0.5), Err(AmountError::Negative));
        assert!(matches!(Amount::from_f64(1e30), Err(AmountError::TooLarge(_))));
        assert_eq!(Amount::from_f64(1e-7), Err(AmountError::TooFine));
        assert_eq!(Amount::from_f64(f64::NAN), Err(AmountError::NotDecimal));
    }

    #[test]
    fn every_driver_has_the_name_that_serde_writes() {
        for driver in Driver::ALL {
            assert_eq!(driver.name().parse(), Ok(driver));
        }
        assert!("tokens".parse::<Driver>().is_err());
    }
}
