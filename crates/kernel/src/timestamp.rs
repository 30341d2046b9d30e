use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
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
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true))
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
        serializer.collect_str(self)
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
    fn instants_outside_of_the_range_are_refused() {
        for text in
            ["1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z", "2026-01-01", "+12026-01-01T00:00:00Z", ""]
        {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
    }
}
