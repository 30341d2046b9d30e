use kernel::Timestamp;

use crate::Ratio;

/// A stretch of local hours on some weekdays in which prices are multiplied.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Shown in formulas, such as `peak`.
    pub name: String,
    /// Off until an operator turns it on (rules.md, "Defaults").
    pub active: bool,
    pub factor: Ratio,
    pub days: Vec<Weekday>,
    /// First hour that belongs to it, 0 to 23.
    pub from_hour: u8,
    /// First hour that no longer does, 1 to 24.
    pub to_hour: u8,
    /// Local time minus UTC. Fixed: a card says what it means without a zone database.
    pub utc_offset_minutes: i16,
    /// Features that it applies to; empty means all.
    pub features: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// In the order of the week.
    pub const ALL: [Weekday; 7] = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
        Weekday::Sunday,
    ];

    /// Three lower-case letters, as in the document.
    pub fn name(self) -> &'static str {
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][self as usize]
    }
}

impl Window {
    /// Whether prices of `feature` are multiplied at `at`.
    pub fn applies(&self, feature: &str, at: Timestamp) -> bool {
        let (day, hour) = local_day_and_hour(at, self.utc_offset_minutes);
        self.active
            && self.days.contains(&day)
            && (self.from_hour..self.to_hour).contains(&hour)
            && (self.features.is_empty() || self.features.iter().any(|f| f == feature))
    }
}

fn local_day_and_hour(at: Timestamp, utc_offset_minutes: i16) -> (Weekday, u8) {
    const DAY_SECONDS: i64 = 86_400;
    let local_seconds = at.unix_seconds() + i64::from(utc_offset_minutes) * 60;
    let days = local_seconds.div_euclid(DAY_SECONDS);
    // Day 0 of 1970 was a Thursday, three days after a Monday.
    let weekday = usize::try_from((days + 3).rem_euclid(7)).unwrap_or(0);
    let hour = u8::try_from(local_seconds.rem_euclid(DAY_SECONDS) / 3600).unwrap_or(0);
    (Weekday::ALL[weekday], hour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_the_weekday_and_hour_of_its_zone() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0, Weekday::Thursday, 0),
            ("1970-01-01T00:00:00Z", -60, Weekday::Wednesday, 23),
            ("2026-11-22T23:30:00Z", 60, Weekday::Monday, 0),
            ("2024-02-29T12:00:00Z", 330, Weekday::Thursday, 17),
            ("9999-12-31T23:59:59Z", 14 * 60, Weekday::Saturday, 13),
        ];
        for (at, offset, day, hour) in cases {
            assert_eq!(local_day_and_hour(at.parse().unwrap(), offset), (day, hour), "{at} {offset}");
        }
    }
}
