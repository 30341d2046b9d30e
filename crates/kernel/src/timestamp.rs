use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant in microseconds since 1970, UTC, between the years 1970 and 9999.
/// Written in RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not an RFC 3339 instant between 1970 and 9999, such as \"2026-01-31T12:00:00Z\"")]
pub struct TimestampError;

impl Timestamp {
    pub const EPOCH: Timestamp = Timestamp(0);
    /// 9999-12-31T23:59:59.999999Z
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999_999);

    /// `None` outside of the years 1970 to 9999.
    pub fn from_micros(micros: i64) -> Option<Timestamp> {
        (0..=Self::MAX.0).contains(&micros).then_some(Timestamp(micros))
    }

    /// The nearest instant inside of the range.
    pub fn from_micros_saturating(micros: i64) -> Timestamp {
        Timestamp(micros.clamp(0, Self::MAX.0))
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub const fn unix_seconds(self) -> i64 {
        self.0 / 1_000_000
    }

    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Timestamp {
        Self::from_micros_saturating(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Rfc3339::of(*self).as_str())
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Timestamp, TimestampError> {
        let instant = DateTime::parse_from_rfc3339(text).map_err(|_| TimestampError)?;
        Timestamp::from_micros(instant.timestamp_micros()).ok_or(TimestampError)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Rfc3339::of(*self).as_str())
    }
}

/// The text of an instant in UTC with no, three or six digits after the second, made without an allocation: every
/// receipt has several.
struct Rfc3339 {
    bytes: [u8; Rfc3339::LONGEST],
    length: usize,
}

impl Rfc3339 {
    /// `9999-12-31T23:59:59.999999Z`
    const LONGEST: usize = 27;

    fn of(at: Timestamp) -> Rfc3339 {
        let (utc, micros) = (at.to_utc(), at.0 % 1_000_000);
        let mut text = Rfc3339 { bytes: [b'Z'; Rfc3339::LONGEST], length: 0 };
        text.put(utc.year().unsigned_abs(), 4, b'-');
        text.put(utc.month(), 2, b'-');
        text.put(utc.day(), 2, b'T');
        text.put(utc.hour(), 2, b':');
        text.put(utc.minute(), 2, b':');
        let micros = u32::try_from(micros).unwrap_or_default();
        let point = if micros == 0 { b'Z' } else { b'.' };
        text.put(utc.second(), 2, point);
        match (micros, micros % 1_000) {
            (0, _) => {}
            (_, 0) => text.put(micros / 1_000, 3, b'Z'),
            _ => text.put(micros, 6, b'Z'),
        }
        text
    }

    /// So many digits of a number, and what follows them.
    fn put(&mut self, mut number: u32, digits: usize, then: u8) {
        let end = self.length + digits;
        for byte in self.bytes[self.length..end].iter_mut().rev() {
            *byte = b'0' + (number % 10).to_le_bytes()[0];
            number /= 10;
        }
        self.bytes[end] = then;
        self.length = end + 1;
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_any_offset_and_print_utc() {
        let at: Result<Timestamp, _> = "2026-03-01T01:30:00.25+02:00".parse();
        assert_eq!(at.map(|t| t.to_string()), Ok("2026-02-28T23:30:00.250Z".to_owned()));
    }

    #[test]
    fn instants_print_as_the_calendar_library_prints_them() {
        let day = 86_400_000_000;
        let spread = (0..200_000).map(|n: i64| n.wrapping_mul(1_267_013_996_917) % Timestamp::MAX.0);
        let edges = [0, 1, 999, 1_000, 999_999, 1_000_000, 59 * day - 1, 59 * day, Timestamp::MAX.0];
        for micros in spread.chain(edges) {
            let at = Timestamp::from_micros(micros).expect("in the range");
            let expected = at.to_utc().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            assert_eq!(at.to_string(), expected);
            assert_eq!(expected.parse(), Ok(at));
        }
    }

    #[test]
    fn instants_outside_of_the_range_are_refused() {
        for text in
            ["1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z", "2026-01-01", "+12026-01-01T00:00:00Z", ""]
        {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
    }
}
