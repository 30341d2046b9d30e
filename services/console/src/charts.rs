//! Pictures of a wallet's days.

use app::risk::cases::Day;
use kernel::Credits;
use site::{Bars, Stack, credits, date};

/// A value is drawn in millionths, as credits are.
const MILLION: f64 = 1_000_000.0;

/// Bars by day with their summary and their table.
pub struct Chart {
    /// Of the picture's parts in the page.
    pub id: &'static str,
    pub bars: Bars,
    pub most: String,
    pub first_day: String,
    pub last_day: String,
    pub rows: Vec<(String, String)>,
}

/// Score and use of a wallet by day; nothing without a day.
pub fn day_charts(days: &[Day]) -> Vec<Chart> {
    if days.is_empty() {
        return Vec::new();
    }
    // The features tell logarithms, so that models see orders of magnitude.
    let used = |day: &Day| day.features.get("credits_day").map_or(0.0, |ln| ln.exp_m1());
    vec![
        chart("score", "Score by day", days, |day| day.score),
        chart("used", "Credits used by day", days, used),
    ]
}

fn chart(id: &'static str, title: &str, days: &[Day], value: impl Fn(&Day) -> f64) -> Chart {
    let days: Vec<(String, Credits)> =
        days.iter().rev().map(|day| (date(day.day), drawn(value(day)))).collect();
    let (most_day, most) = days.iter().max_by_key(|(_, value)| *value).cloned().unwrap_or_default();
    let first = days.first().map(|(day, _)| day.clone()).unwrap_or_default();
    let last = days.last().map(|(day, _)| day.clone()).unwrap_or_default();
    let summary = format!(
        "{title}, {first} to {last} (UTC, days with use): the most on {most_day}, {}.",
        credits(most)
    );
    let stacks: Vec<Stack> = days
        .iter()
        .map(|(day, value)| Stack { label: day.clone(), parts: vec![(id.to_owned(), *value)] })
        .collect();
    Chart {
        id,
        bars: Bars::new(title, &summary, &stacks),
        most: credits(most),
        rows: days.into_iter().map(|(day, value)| (day, credits(value))).collect(),
        first_day: first,
        last_day: last,
    }
}

/// To two places: a picture needs no more.
#[allow(clippy::cast_possible_truncation, reason = "a saturating cast of a small number, for a picture")]
fn drawn(value: f64) -> Credits {
    Credits::from_micros(((value.max(0.0) * 100.0).round() / 100.0 * MILLION) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Timestamp;

    #[test]
    fn days_are_drawn_from_left_to_right_and_told_in_a_sentence() {
        let day = |n: i64, score: f64, used: f64| Day {
            day: Timestamp::EPOCH.plus_seconds(n * 86_400),
            score,
            features: [("credits_day".to_owned(), (used + 1.0).ln())].into(),
        };
        assert!(day_charts(&[]).is_empty());
        // As the use case answers: the newest first.
        let charts = day_charts(&[day(2, 0.914, 120.0), day(1, 0.1, 7.0)]);
        assert_eq!(
            charts[0].rows,
            [("2 Jan 1970".to_owned(), "0.1".to_owned()), ("3 Jan 1970".to_owned(), "0.91".to_owned())]
        );
        assert_eq!(charts[1].rows[1].1, "120");
        assert!(charts[1].bars.description.contains("the most on 3 Jan 1970, 120."));
        assert!(charts[0].bars.bars[0].x < charts[0].bars.bars[1].x);
        assert_eq!(drawn(f64::NAN), Credits::ZERO);
    }
}
