//! What lists share: their query and the link to the next page.

use app::PageRequest;
use serde::Deserialize;
use site::Failure;

/// Rows of a page.
const ROWS: u64 = 25;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    pub cursor: Option<String>,
    /// Only rows in this state.
    #[serde(default)]
    pub state: Option<String>,
    /// What is searched for.
    #[serde(default)]
    pub q: Option<String>,
}

/// A link that narrows a list.
pub struct Filter {
    pub label: &'static str,
    pub path: String,
    pub is_current: bool,
}

impl ListQuery {
    pub fn page(&self) -> PageRequest {
        PageRequest { limit: Some(ROWS), cursor: self.cursor.clone().filter(|c| !c.is_empty()) }
    }

    pub fn state(&self) -> Option<&str> {
        self.state.as_deref().filter(|state| !state.is_empty())
    }

    /// The state asked for, when it is one of `states`.
    pub fn one_of(&self, states: &[&'static str]) -> Result<Option<&'static str>, Failure> {
        let Some(text) = self.state() else { return Ok(None) };
        let known = states.iter().copied().find(|state| *state == text);
        known.map(Some).ok_or_else(|| Failure::Invalid(format!("There is no state {text}.")))
    }

    pub fn text(&self) -> &str {
        self.q.as_deref().unwrap_or_default().trim()
    }

    /// The next page of the list at `path`, with the same state. Cursors and states are plain words.
    pub fn next(&self, path: &str, cursor: Option<&String>) -> Option<String> {
        let state = self.state().map(|state| format!("&state={state}")).unwrap_or_default();
        cursor.map(|cursor| format!("{path}?cursor={cursor}{state}"))
    }

    /// Links to all rows of `path` and to those of each state.
    pub fn filters(&self, path: &str, states: &[&'static str]) -> Vec<Filter> {
        let all = Filter { label: "all", path: path.to_owned(), is_current: self.state().is_none() };
        let one = |state: &&'static str| Filter {
            label: state,
            path: format!("{path}?state={state}"),
            is_current: self.state() == Some(state),
        };
        std::iter::once(all).chain(states.iter().map(one)).collect()
    }
}
