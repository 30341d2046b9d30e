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

    /// Appends what `Display` writes. A price is a dozen numbers among words, and a formatter for each costs more than
    /// its digits.
    pub fn push_to(self, text: &mut String) {
        text.push_str(Millionths::of(self.0).as_str());
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
        f.write_str(Millionths::of(self.0).as_str())
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
        serializer.serialize_str(Millionths::of(self.0).as_str())
    }
}

impl<'de> Deserialize<'de> for Credits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Credits, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        // Sums in our own stored rows may exceed what one input may name.
        parse_millionths(&text, i64::MAX, "any amount").map(Credits).map_err(de::Error::custom)
    }
}

/// The decimal text of a number of millionths, made without an allocation: every receipt has dozens.
pub(crate) struct Millionths {
    bytes: [u8; Millionths::LONGEST],
    start: usize,
}

impl Millionths {
    /// `-9223372036854.775808`
    const LONGEST: usize = 21;

    pub fn of(millionths: i64) -> Millionths {
        let unit = MICROS_PER_CREDIT.unsigned_abs();
        let (mut whole, mut part) = (millionths.unsigned_abs() / unit, millionths.unsigned_abs() % unit);
        let mut text = Millionths { bytes: [0; Millionths::LONGEST], start: Millionths::LONGEST };
        if part != 0 {
            let mut places = 6;
            while part.is_multiple_of(10) {
                part /= 10;
                places -= 1;
            }
            for _ in 0..places {
                text.put_digit(part);
                part /= 10;
            }
            text.put(b'.');
        }
        loop {
            text.put_digit(whole);
            whole /= 10;
            if whole == 0 {
                break;
            }
        }
        if millionths < 0 {
            text.put(b'-');
        }
        text
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.start..]).unwrap_or_default()
    }

    fn put_digit(&mut self, number: u64) {
        self.put(b'0' + (number % 10).to_le_bytes()[0]);
    }

    fn put(&mut self, byte: u8) {
        self.start -= 1;
        self.bytes[self.start] = byte;
    }
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
    let part = (0..6).fold(0, |sum, n| sum * 10 + part.as_bytes().get(n).map_or(0, |d| i64::from(d - b'0')));
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
        let extremes = [i64::MIN, i64::MAX].map(|micros| Credits::from_micros(micros).to_string());
        assert_eq!(extremes, ["-9223372036854.775808", "9223372036854.775807"]);
        for text in ["0", "1", "12.5", "-3.000001", "1000000000", "0.000001", "-0.05"] {
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
