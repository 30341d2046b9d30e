use chrono::Months;
use kernel::{Credits, Timestamp};

/// The same day and time `months` later, on the last day of a shorter month.
pub fn plus_months(at: Timestamp, months: u32) -> Timestamp {
    let later = at.to_utc().checked_add_months(Months::new(months));
    later.map_or(Timestamp::MAX, |t| Timestamp::from_micros_saturating(t.timestamp_micros()))
}

/// The credits that `part` of `whole` money paid for, rounded half away from zero to the micro-credit.
/// Never less than nothing, never more than all.
pub(crate) fn share(credits: Credits, part_minor: i64, whole_minor: i64) -> Credits {
    if whole_minor <= 0 || part_minor <= 0 {
        return Credits::ZERO;
    }
    let whole = i128::from(whole_minor);
    let part = i128::from(part_minor).min(whole);
    let exact = i128::from(credits.micros()) * part;
    let rounded = (exact * 2 + whole) / (whole * 2);
    Credits::from_micros(i64::try_from(rounded).unwrap_or(credits.micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_once_and_never_exceeds_the_whole() {
        let credits = Credits::whole(100);
        assert_eq!(share(credits, 1, 3), Credits::from_micros(33_333_333));
        assert_eq!(share(credits, 2, 3), Credits::from_micros(66_666_667));
        assert_eq!(share(credits, 3, 3), credits);
        assert_eq!(share(credits, 4, 3), credits);
        assert_eq!(share(credits, -1, 3), Credits::ZERO);
        assert_eq!(share(Credits::from_micros(i64::MAX), i64::MAX, i64::MAX).micros(), i64::MAX);
    }

    #[test]
    fn a_month_that_is_too_short_ends_on_its_last_day() {
        let at: Timestamp = "2026-01-31T10:00:00Z".parse().expect("an instant");
        assert_eq!(plus_months(at, 1).to_string(), "2026-02-28T10:00:00Z");
        assert_eq!(plus_months(at, 12).to_string(), "2027-01-31T10:00:00Z");
        assert_eq!(plus_months(Timestamp::MAX, 12), Timestamp::MAX);
    }
}
