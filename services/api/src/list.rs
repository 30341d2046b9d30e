//! Lists in pages.

use std::str::FromStr;

use app::{Page, PageRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;
use crate::query::parsed;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    pub data: Vec<T>,
    /// Whether there is another page.
    pub has_more: bool,
    /// Pass it as `cursor` to read the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// Which page is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// How many items, 20 when absent.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100, required = false, nullable = false)]
    pub limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, required = false, nullable = false)]
    pub cursor: Option<String>,
}

/// Items on one page.
#[derive(Clone, Copy, Debug)]
pub struct Limit(u64);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        let limit = text.parse().ok().filter(|n| (1..=PageRequest::MAX_LIMIT).contains(n));
        limit.map(Limit).ok_or_else(|| format!("must be a whole number from 1 to {}", PageRequest::MAX_LIMIT))
    }
}

/// The part of a query that every list has.
pub fn page(limit: Option<Limit>, cursor: Option<String>) -> PageRequest {
    PageRequest { limit: limit.map(|l| l.0), cursor }
}

impl Paging {
    pub fn request(self) -> PageRequest {
        page(self.limit, self.cursor)
    }
}

impl<T> List<T> {
    pub fn of<S>(page: Page<S>) -> List<T>
    where
        T: From<S>,
    {
        let has_more = page.next_cursor.is_some();
        List { data: page.data.into_iter().map(T::from).collect(), has_more, next_cursor: page.next_cursor }
    }
}

/// A page of what is in memory as a whole, in the order given; the cursor is the id of the last item.
pub fn slice<T>(
    items: impl Iterator<Item = T>,
    paging: Paging,
    id: fn(&T) -> &str,
) -> Result<List<T>, Problem> {
    let limit = paging.limit.map_or(PageRequest::DEFAULT_LIMIT, |l| l.0);
    let mut items: Vec<T> = items.collect();
    if let Some(cursor) = &paging.cursor {
        let last = items.iter().position(|item| id(item) == cursor);
        let last = last.ok_or_else(|| Problem::field("cursor", "is not a next_cursor of this list"))?;
        items.drain(..=last);
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = if has_more { items.last().map(|item| id(item).to_owned()) } else { None };
    Ok(List { data: items, has_more, next_cursor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_memory_is_read_page_by_page() {
        let read = |limit: &str, cursor: Option<&str>| {
            let paging = Paging { limit: limit.parse().ok(), cursor: cursor.map(str::to_owned) };
            slice(["a", "b", "c"].into_iter(), paging, |item| item)
        };
        let first = read("2", None).unwrap();
        assert_eq!((first.data, first.next_cursor.as_deref()), (vec!["a", "b"], Some("b")));
        let last = read("2", Some("b")).unwrap();
        assert_eq!((last.data, last.has_more, last.next_cursor), (vec!["c"], false, None));
        assert!(read("2", Some("z")).is_err());
    }

    #[test]
    fn a_limit_is_a_number_from_1_to_100() {
        for (text, fits) in
            [("1", true), ("100", true), ("0", false), ("101", false), ("-1", false), ("", false)]
        {
            assert_eq!(text.parse::<Limit>().is_ok(), fits, "{text}");
        }
    }
}
