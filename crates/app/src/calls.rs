//! What every call has in common: its key, its page, its answer.

use kernel::IdempotencyKey;
use ledger::InputHash;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::principal::OWN_KEYS;
use crate::{AppError, FieldError};

/// How keys begin that we put in the place of a caller's, and how many hexadecimal digits follow.
const OUR_KEYS: [(&str, usize); 2] = [(OWN_KEYS, 64), (ACTS, 32)];
/// Of operators' acts.
pub(crate) const ACTS: &str = "console-";

/// An idempotency key with the hash over method, path and body of the request that brought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    pub key: IdempotencyKey,
    pub hash: InputHash,
}

impl Keyed {
    /// As a caller sent it; the error says what the key must be. One of ours would take the place of a customer's
    /// call or of an operator's act in the same wallet.
    pub fn sent(key: &str, hash: InputHash) -> Result<Keyed, String> {
        let key = IdempotencyKey::new(key).map_err(|error| error.to_string())?;
        let is_ours = |(start, digits): (&str, usize)| {
            let rest = key.as_str().strip_prefix(start);
            rest.is_some_and(|rest| rest.len() == digits && rest.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        match OUR_KEYS.into_iter().find(|ours| is_ours(*ours)) {
            Some((start, digits)) => {
                Err(format!("must not be {start:?} and {digits} hexadecimal digits, as keys of our own are"))
            }
            None => Ok(Keyed { key, hash }),
        }
    }

    /// For a form: `input` is what was filled in.
    pub fn form(key: IdempotencyKey, input: &str) -> Keyed {
        Keyed { key, hash: Sha256::digest(input).into() }
    }
}

/// What a change answered, now or at its first try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<T> {
    pub value: T,
    pub replayed: bool,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// 1 to [`PageRequest::MAX_LIMIT`]; [`PageRequest::DEFAULT_LIMIT`] when absent.
    pub limit: Option<u64>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// `None` on the last page.
    pub next_cursor: Option<String>,
}

impl PageRequest {
    pub const DEFAULT_LIMIT: u64 = 20;
    pub const MAX_LIMIT: u64 = 100;

    pub(crate) fn limit(&self) -> Result<u64, AppError> {
        match self.limit.unwrap_or(Self::DEFAULT_LIMIT) {
            limit @ 1..=Self::MAX_LIMIT => Ok(limit),
            _ => Err(AppError::invalid("limit", format!("must be 1 to {}", Self::MAX_LIMIT))),
        }
    }

    /// The cursor as what it was made of.
    pub(crate) fn after<T>(&self, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, AppError> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let unknown = || AppError::Invalid {
            errors: vec![FieldError::new("cursor", "is not a next_cursor of this list")],
        };
        parse(cursor).map(Some).ok_or_else(unknown)
    }
}

impl<T> Page<T> {
    /// Cuts what was read (one row more than the limit, if there is one) to a page.
    pub(crate) fn cut(mut rows: Vec<T>, limit: u64, cursor: impl Fn(&T) -> String) -> Page<T> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = if has_more { rows.last().map(cursor) } else { None };
        Page { data: rows, next_cursor }
    }

    pub(crate) fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(f).collect(), next_cursor: self.next_cursor }
    }
}

impl<T> Done<T> {
    pub(crate) fn now(value: T) -> Done<T> {
        Done { value, replayed: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_cursor_only_when_there_is_more() {
        let page = Page::cut(vec![1, 2, 3], 2, ToString::to_string);
        assert_eq!(page, Page { data: vec![1, 2], next_cursor: Some("2".to_owned()) });
        let page = Page::cut(vec![1, 2], 2, ToString::to_string);
        assert_eq!(page, Page { data: vec![1, 2], next_cursor: None });
    }

    #[test]
    fn a_limit_outside_of_its_range_and_a_foreign_cursor_are_refused() {
        for limit in [0, 101] {
            assert!(PageRequest { limit: Some(limit), cursor: None }.limit().is_err());
        }
        assert_eq!(PageRequest::default().limit().ok(), Some(20));
        let request = PageRequest { limit: None, cursor: Some("x".to_owned()) };
        assert!(request.after(|c| c.parse::<i64>().ok()).is_err());
    }
}
