//! The whole in one: signals in, assessments out.

use std::sync::Arc;

use crate::book::Book;
use crate::features::Features;
use crate::model::Ensemble;
use crate::score::Assessment;
use crate::signal::{Millis, Signal, What};

/// Hot state and the model in use.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    book: Book,
    model: Option<Arc<Ensemble>>,
}

impl Watch {
    /// Goes on from a snapshot of the state.
    #[must_use]
    pub fn from_book(book: Book) -> Watch {
        Watch { book, model: None }
    }

    /// Takes in a signal and assesses every wallet whose risk it may have changed, its own first. What was only
    /// fetched makes nobody more suspicious and is not assessed.
    pub fn take(&mut self, signal: &Signal) -> Vec<(u128, Assessment)> {
        let touched = self.book.take(signal);
        if matches!(signal.what, What::Fetched { .. }) {
            return Vec::new();
        }
        touched.0.into_iter().filter_map(|wallet| Some((wallet, self.assess(wallet, signal.at)?))).collect()
    }

    /// Takes in a signal of the past: the state is the same, nothing is assessed.
    pub fn recall(&mut self, signal: &Signal) {
        self.book.take(signal);
    }

    /// Goes on from another state; the model stays.
    pub fn resume(&mut self, book: Book) {
        self.book = book;
    }

    /// The assessment as of now; none for a wallet of which nothing is known.
    #[must_use]
    pub fn assess(&self, wallet: u128, now: Millis) -> Option<Assessment> {
        Some(Assessment::of(self.features(wallet, now)?, self.model.as_deref()))
    }

    #[must_use]
    pub fn features(&self, wallet: u128, now: Millis) -> Option<Features> {
        Some(Features::of(&self.book.settled(wallet, now)?, &self.book, now))
    }

    /// Puts another model in use. The state stays.
    pub fn promote(&mut self, model: Option<Arc<Ensemble>>) {
        self.model = model;
    }

    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }
}
