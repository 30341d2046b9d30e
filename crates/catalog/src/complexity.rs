use serde::{Deserialize, Serialize};

/// How demanding a prompt is, 0 to 100. The only thing that is kept of a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Complexity(u8);

/// A number above 100.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a complexity: a whole number from 0 to 100")]
pub struct ComplexityError;

impl Complexity {
    /// As demanding as it gets.
    pub const MAX: Complexity = Complexity(100);

    /// 0 to 100.
    pub fn score(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Complexity {
    type Error = ComplexityError;

    fn try_from(score: u8) -> Result<Complexity, ComplexityError> {
        if score <= Self::MAX.0 { Ok(Complexity(score)) } else { Err(ComplexityError) }
    }
}

impl From<Complexity> for u8 {
    fn from(complexity: Complexity) -> u8 {
        complexity.0
    }
}

/// Measures a prompt. The same text has the same score in every version of a card:
/// one point per 100 characters (at most 60), per 4 lines (at most 15), per list item (at most 15)
/// and five per code fence (at most 10). Length counts characters, not words, so that languages
/// without spaces are measured alike.
pub fn complexity(prompt: &str) -> Complexity {
    let count = |matches: fn(&str) -> bool| prompt.lines().filter(|line| matches(line.trim_start())).count();
    let points = (prompt.chars().count() / 100).min(60)
        + (prompt.lines().count() / 4).min(15)
        + count(is_list_item).min(15)
        + (count(|line| line.starts_with("```")) * 5).min(10);
    Complexity(u8::try_from(points).unwrap_or(Complexity::MAX.0))
}

/// `- x`, `* x`, `12. x` or `12) x`.
fn is_list_item(line: &str) -> bool {
    let after_digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_numbered = after_digits.len() < line.len() && after_digits.starts_with(['.', ')']);
    line.starts_with("- ") || line.starts_with("* ") || is_numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_the_measure_counts_up_to_its_limit() {
        let cases = [
            (String::new(), 0),
            ("a cat".to_owned(), 0),
            ("x".repeat(250), 2),
            ("字".repeat(250), 2),
            ("x".repeat(100_000), 60),
            ("a\n".repeat(8), 2),
            ("- a\n1. b\n* c".to_owned(), 3),
            ("```\ncode\n```".to_owned(), 10),
            ("- item of a list\n```\n".repeat(10_000), 100),
        ];
        for (prompt, score) in cases {
            let start: String = prompt.chars().take(20).collect();
            assert_eq!(complexity(&prompt).score(), score, "{start:?}");
        }
    }

    #[test]
    fn a_score_above_a_hundred_is_refused() {
        assert_eq!(Complexity::try_from(100), Ok(Complexity::MAX));
        assert_eq!(Complexity::try_from(101), Err(ComplexityError));
    }
}
