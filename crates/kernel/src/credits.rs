use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::AmountError;

/// Micro-credits in one credit.
pub const MICROS_PER_CREDIT: i64 = 1_000_000;

/// An amount of credits, exact, in micro-credits (1 credit = 1,000,000).
/// Written as a decimal string with at most six digits after the point: `"12.5"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credits(i64);

impl Credits {
    pub const ZERO: Credits = Credits(0);
    /// The largest amount a single input may name: a billion credits.
    /// Nine thousand of them still add up without leaving an `i64`.
    pub const INPUT_MAX: Credits = Credits(1_000_000_000 * MICROS_PER_CREDIT);

    pub const fn from_micros(micros: i64) -> Credits {
        Credits(micros)
    }

    /// Whole credits; for constants and tests.
    pub const fn whole(credits: i64) -> Credits {
        Credits(credits * MICROS_PER_CREDIT)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    #[must_use]
    pub fn checked_add(self, other: Credits) -> Option<Credits> {
        self.0.checked_add(other.0).map(Credits)
    }

    #[must_use]
    pub fn checked_sub(self, other: Credits) -> Option<Credits> {
        self.0.checked_sub(other.0).map(Credits)
    }

    /// `self - other`, but never below zero.
    #[must_use]
    pub fn minus_or_zero(self, other: Credits) -> Credits {
        Credits(self.0.saturating_sub(other.0).max(0))
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_millionths(f, self.0)
    }
}

impl FromStr for Credits {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Credits, AmountError> {
        parse_millionths(text, Credits::INPUT_MAX.0, "1000000000 credits").map(Credits)
    }
}

impl Serialize for Credits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Credits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Credits, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        // Sums in our own stored rows may exceed what one input may name.
        parse_millionths(&text, i64::MAX, "any amount").map(Credits).map_err(de::Error::custom)
    }
}

pub(crate) fn write_millionths(f: &mut fmt::Formatter<'_>, millionths: i64) -> fmt::Result {
    let sign = if millionths < 0 { "-" } else { "" };
    let unit = MICROS_PER_CREDIT.unsigned_abs();
    let (whole, part) = (millionths.unsigned_abs() / unit, millionths.unsigned_abs() % unit);
    if part == 0 {
        return write!(f, "{sign}{whole}");
    }
    let digits = format!("{part:06}");
    write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
}

pub(crate) fn parse_millionths(text: &str, max: i64, max_name: &'static str) -> Result<i64, AmountError> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(part) {
        return Err(AmountError::NotDecimal);
    }
    let part = part.trim_end_matches('0');
    if part.len() > 6 {
        return Err(AmountError::TooFine);
    }
    let too_large = || AmountError::TooLarge(max_name);
    let whole: i64 = whole.parse().map_err(|_| too_large())?;
    let part: i64 = format!("{part:0<6}").parse().map_err(|_| AmountError::NotDecimal)?;
    let value =
        whole.checked_mul(MICROS_PER_CREDIT).and_then(|w| w.checked_add(part)).ok_or_else(too_large)?;
    if value > max {
        return Err(too_large());
    }
    Ok(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_read_and_print_the_same_text() {
        for text in ["0", "1", "12.5", "-3.000001", "1000000000", "0.000001"] {
            assert_eq!(text.parse::<Credits>().map(|c| c.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("7.50".parse::<Credits>(), Ok(Credits::from_micros(7_500_000)));
    }

    #[test]
    fn what_is_not_an_exact_amount_is_refused_with_its_reason() {
        for text in ["", ".", "1.", ".5", "1e3", " 1", "+1", "--1", "0x10", "NaN", "1,5", "٣"] {
            assert_eq!(text.parse::<Credits>(), Err(AmountError::NotDecimal), "{text:?}");
        }
        assert_eq!("0.0000001".parse::<Credits>(), Err(AmountError::TooFine));
        assert_eq!("0.10000000".parse::<Credits>(), Ok(Credits::from_micros(100_000)));
        for text in ["1000000000.000001", "99999999999999999999", "9223372036854775807"] {
            assert!(matches!(text.parse::<Credits>(), Err(AmountError::TooLarge(_))), "{text}");
        }
    }
}
