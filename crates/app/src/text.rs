//! Bounds of texts that come from outside. PostgreSQL stores no U+0000, and no page shows a control
//! character, so none gets in.

use crate::{AppError, FieldError};

/// Ids and names that callers choose: external ids, jobs, subjects, vendor transactions.
pub(crate) const NAME_MAX_CHARS: usize = 255;
/// A sentence, such as the reason of a grant.
pub(crate) const SENTENCE_MAX_CHARS: usize = 1_000;

/// Collects what is wrong with a request, so that a caller learns everything at once.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    errors: Vec<FieldError>,
}

impl Checks {
    pub fn text(&mut self, field: &str, text: &str, max_chars: usize) {
        if !is_text(text, max_chars) {
            let rule = format!("must have 1 to {max_chars} characters and no control characters");
            self.refuse(field, rule);
        }
    }

    pub fn optional_text(&mut self, field: &str, text: Option<&String>, max_chars: usize) {
        if let Some(text) = text {
            self.text(field, text, max_chars);
        }
    }

    pub fn ensure(&mut self, holds: bool, field: &str, message: &str) {
        if !holds {
            self.refuse(field, message);
        }
    }

    pub fn refuse(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(field, message));
    }

    pub fn done(self) -> Result<(), AppError> {
        if self.errors.is_empty() { Ok(()) } else { Err(AppError::Invalid { errors: self.errors }) }
    }
}

pub(crate) fn is_text(text: &str, max_chars: usize) -> bool {
    (1..=max_chars).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_text_is_named_in_one_answer() {
        let mut checks = Checks::default();
        checks.text("name", "", 10);
        checks.text("email", "a\0b", 10);
        checks.text("reason", "ok", 10);
        checks.optional_text("job", Some(&"x".repeat(11)), 10);
        let Err(AppError::Invalid { errors }) = checks.done() else { panic!("refused") };
        assert_eq!(errors.iter().map(|e| e.field.as_str()).collect::<Vec<_>>(), ["name", "email", "job"]);
    }
}
