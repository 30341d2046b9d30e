//! Charts as SVG, drawn here. Colours come from the style sheet; every chart has its numbers as text.

use kernel::Credits;

/// The drawing area of bars, in units of the picture.
const WIDTH: i64 = 720;
const HEIGHT: i64 = 160;
const GAP: i64 = 3;
/// A day with any use is visible.
const LOWEST: i64 = 2;
/// Width of a meter in units of the picture.
const METER_WIDTH: i64 = 1000;

/// Bars from left to right.
#[derive(Clone, Debug)]
pub struct Bars {
    pub title: String,
    /// One sentence that says what the picture shows.
    pub description: String,
    pub width: i64,
    pub height: i64,
    pub bars: Vec<Bar>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The numbers of this bar, for a pointer that rests on it.
    pub label: String,
    pub x: i64,
    pub y: i64,
    pub width: i64,
    pub height: i64,
}

/// Parts of a whole beside each other.
#[derive(Clone, Debug)]
pub struct Meter {
    pub title: String,
    pub description: String,
    pub parts: Vec<MeterPart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterPart {
    pub class: &'static str,
    pub x: i64,
    pub width: i64,
}

impl Bars {
    pub fn new(title: &str, description: &str, values: &[(String, Credits)]) -> Bars {
        let most = values.iter().map(|(_, credits)| credits.micros()).max().unwrap_or(0).max(1);
        let count = i64::try_from(values.len()).unwrap_or(i64::MAX).max(1);
        let bar = |(i, (label, credits)): (i64, &(String, Credits))| {
            let height = match credits.micros() {
                micros if micros <= 0 => 0,
                micros => share(micros, most, HEIGHT).max(LOWEST),
            };
            let (left, right) = (WIDTH * i / count, WIDTH * (i + 1) / count);
            Bar {
                label: label.clone(),
                x: left,
                y: HEIGHT - height,
                width: (right - left - GAP).max(1),
                height,
            }
        };
        Bars {
            title: title.to_owned(),
            description: description.to_owned(),
            width: WIDTH,
            height: HEIGHT,
            bars: (0..).zip(values).map(bar).collect(),
        }
    }
}

impl Meter {
    pub fn new(title: &str, description: &str, parts: &[(&'static str, Credits)]) -> Meter {
        let total = parts.iter().map(|(_, credits)| credits.micros().max(0)).sum::<i64>().max(1);
        let mut so_far = 0;
        let mut drawn = Vec::new();
        for (class, credits) in parts {
            let from = share(so_far, total, METER_WIDTH);
            so_far += credits.micros().max(0);
            let to = share(so_far, total, METER_WIDTH);
            drawn.push(MeterPart { class, x: from, width: to - from });
        }
        Meter { title: title.to_owned(), description: description.to_owned(), parts: drawn }
    }
}

/// `part / whole` of `length`; both are at least zero.
fn share(part: i64, whole: i64, length: i64) -> i64 {
    i64::try_from(i128::from(part) * i128::from(length) / i128::from(whole)).unwrap_or(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fills_the_picture_and_a_little_use_is_visible() {
        let value = |n: i64| (n.to_string(), Credits::from_micros(n));
        let bars = Bars::new("t", "d", &[value(0), value(1), value(1_000_000)]).bars;
        assert_eq!(bars.iter().map(|bar| bar.height).collect::<Vec<_>>(), [0, LOWEST, HEIGHT]);
        assert!(bars.iter().all(|bar| bar.y + bar.height == HEIGHT && bar.x + bar.width <= WIDTH));
        assert!(Bars::new("t", "d", &[]).bars.is_empty());
    }

    #[test]
    fn the_parts_of_a_meter_fill_it_without_gaps() {
        let parts = [("a", Credits::whole(1)), ("b", Credits::whole(1)), ("c", Credits::whole(1))];
        let meter = Meter::new("t", "d", &parts);
        assert_eq!(meter.parts.iter().map(|part| part.width).sum::<i64>(), METER_WIDTH);
        let empty = Meter::new("t", "d", &[("a", Credits::ZERO)]);
        assert_eq!(empty.parts[0].width, 0);
    }
}
