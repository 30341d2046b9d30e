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

/// Parts that the style sheet has colours for; further ones share the last.
pub const SERIES_MAX: usize = 6;

/// What one bar shows, from the bottom up.
#[derive(Clone, Debug)]
pub struct Stack {
    pub label: String,
    /// (name of the part, its credits)
    pub parts: Vec<(String, Credits)>,
}

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
    /// The numbers of this part, for a pointer that rests on it.
    pub label: String,
    /// Which of the parts that each bar has, from 0, as the style sheet colours them.
    pub series: usize,
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
    pub fn new(title: &str, description: &str, stacks: &[Stack]) -> Bars {
        let most = stacks.iter().map(Stack::micros).max().unwrap_or(0).max(1);
        let count = i64::try_from(stacks.len()).unwrap_or(i64::MAX).max(1);
        let stack = |(i, stack): (i64, &Stack)| {
            let (left, right) = (WIDTH * i / count, WIDTH * (i + 1) / count);
            stack.bars(most, (left, (right - left - GAP).max(1)))
        };
        Bars {
            title: title.to_owned(),
            description: description.to_owned(),
            width: WIDTH,
            height: HEIGHT,
            bars: (0..).zip(stacks).flat_map(stack).collect(),
        }
    }
}

impl Stack {
    fn micros(&self) -> i64 {
        self.parts.iter().map(|(_, credits)| credits.micros().max(0)).sum()
    }

    /// Its parts without gaps between them; what rounds to nothing is not drawn.
    fn bars(&self, most: i64, (x, width): (i64, i64)) -> Vec<Bar> {
        let whole = self.micros();
        // A day with any use is seen, however small it is beside the others.
        let scale = |micros: i64| match share(micros, most, HEIGHT) {
            height if share(whole, most, HEIGHT) >= LOWEST => height,
            _ => share(micros, whole.max(1), LOWEST),
        };
        let (mut so_far, mut bars) = (0, Vec::new());
        for (series, (name, credits)) in self.parts.iter().enumerate() {
            let below = scale(so_far);
            so_far += credits.micros().max(0);
            let height = scale(so_far) - below;
            if height > 0 {
                let label = format!("{}, {name}: {}", self.label, kernel::text::credits(*credits));
                let series = series.min(SERIES_MAX - 1);
                bars.push(Bar { label, series, x, y: HEIGHT - below - height, width, height });
            }
        }
        bars
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
        let value =
            |n: i64| Stack { label: n.to_string(), parts: vec![("a".to_owned(), Credits::from_micros(n))] };
        let bars = Bars::new("t", "d", &[value(0), value(1), value(1_000_000)]).bars;
        assert_eq!(bars.iter().map(|bar| bar.height).collect::<Vec<_>>(), [LOWEST, HEIGHT]);
        assert!(bars.iter().all(|bar| bar.y + bar.height == HEIGHT && bar.x + bar.width <= WIDTH));
        assert!(Bars::new("t", "d", &[]).bars.is_empty());
    }

    #[test]
    fn the_parts_of_a_bar_stand_on_each_other() {
        let part = |name: &str, n: i64| (name.to_owned(), Credits::whole(n));
        let parts = vec![part("a", 1), part("none", 0), part("b", 3)];
        let bars = Bars::new("t", "d", &[Stack { label: "day".to_owned(), parts }]).bars;
        let drawn: Vec<_> = bars.iter().map(|bar| (bar.series, bar.y, bar.height)).collect();
        assert_eq!(drawn, [(0, HEIGHT * 3 / 4, HEIGHT / 4), (2, 0, HEIGHT * 3 / 4)]);
        assert_eq!(bars[1].label, "day, b: 3");
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
