//! A number's last days, as small bars beside it and as a sentence.

use kernel::Timestamp;
use kernel::text::date;

const BAR: i64 = 8;
const GAP: i64 = 2;
const HEIGHT: i64 = 24;
/// A value that is not zero is visible.
const LOWEST: i64 = 1;

#[derive(Clone, Debug)]
pub struct Spark {
    /// What the bars say, value by value.
    pub description: String,
    pub width: i64,
    pub height: i64,
    pub bars: Vec<SparkBar>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparkBar {
    pub x: i64,
    pub y: i64,
    pub width: i64,
    pub height: i64,
}

impl Spark {
    /// One value a day, `None` where there is none; bars stand on zero, and what is below zero has none.
    /// Nothing at all when there is nothing to draw.
    pub fn new(
        what: &str,
        days: &[Timestamp],
        values: &[Option<i128>],
        write: impl Fn(i128) -> String,
    ) -> Option<Spark> {
        let most = values.iter().flatten().copied().max().filter(|most| *most > 0)?;
        let written: Vec<String> =
            values.iter().map(|value| value.map_or_else(|| "none".to_owned(), &write)).collect();
        let (first, last) = (days.first()?, days.last()?);
        let bar = |(i, value): (i64, &Option<i128>)| {
            let value = value.filter(|value| *value > 0)?;
            let share = value.saturating_mul(i128::from(HEIGHT)) / most;
            let height = i64::try_from(share).unwrap_or(HEIGHT).max(LOWEST);
            Some(SparkBar { x: i * (BAR + GAP), y: HEIGHT - height, width: BAR, height })
        };
        let count = i64::try_from(values.len()).unwrap_or(i64::MAX);
        Some(Spark {
            description: format!("{what}, {} to {}: {}", date(*first), date(*last), written.join(", ")),
            width: count.saturating_mul(BAR + GAP).saturating_sub(GAP),
            height: HEIGHT,
            bars: (0..).zip(values).filter_map(bar).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spark(values: &[Option<i128>]) -> Option<Spark> {
        let days: Vec<Timestamp> =
            (0..).zip(values).map(|(day, _)| Timestamp::EPOCH.plus_seconds(day * 86_400)).collect();
        Spark::new("Mails a day", &days, values, |value| value.to_string())
    }

    #[test]
    fn every_value_is_told_and_the_highest_fills_the_picture() {
        let spark = spark(&[Some(0), None, Some(1), Some(1_000)]).unwrap();
        assert_eq!(spark.description, "Mails a day, 1 Jan 1970 to 4 Jan 1970: 0, none, 1, 1000");
        let drawn: Vec<_> = spark.bars.iter().map(|bar| (bar.x, bar.y, bar.height)).collect();
        assert_eq!(drawn, [(20, 23, 1), (30, 0, 24)]);
        assert_eq!(spark.width, 38);
    }

    #[test]
    fn a_number_without_a_history_has_no_picture() {
        assert!(spark(&[]).is_none() && spark(&[None, None]).is_none());
        assert!(spark(&[Some(0), None, Some(-5)]).is_none());
        let huge = spark(&[Some(i128::MAX), Some(1)]).unwrap();
        assert!(huge.bars.iter().all(|bar| bar.height <= HEIGHT && bar.y >= 0));
    }
}
